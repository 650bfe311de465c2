#!/usr/bin/env python
"""Random classes and labels through the splits: what a part must hold, it holds. Random models through the
searches: a beam as wide as there are answers finds the best of them all, a narrower one nothing better.

    python scripts/fuzz_tasks.py --cases 10000
    python scripts/fuzz_tasks.py --seed 17 --cases 1 --kinds classes

The suite runs a short form of it (tests/tasks/test_fuzz.py).
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from itertools import chain
from typing import Any

import numpy as np

from unrolled.batching import splits
from unrolled.decoding.search import beam_search
from unrolled.errors import DataError

Parts = tuple[list[int], list[int], list[int]]
Path = tuple[int, ...]


def asked_sizes(draw: random.Random, count: int) -> tuple[float, float]:
    """Of the validation and the test part: shares or numbers."""
    kinds = (
        lambda: draw.uniform(0.02, 0.4),
        lambda: float(draw.randint(1, max(1, count // 3))),
        lambda: 0.0,
    )
    return draw.choice(kinds)(), draw.choice(kinds)()


def split_twice(split: Callable[..., Any], labels: Any, sizes: tuple[float, float], seed: int) -> Parts:
    """The parts, which hold each sequence once, are as large as was asked, and the same each time."""
    made: Parts = tuple(part.tolist() for part in split(labels, *sizes, seed))  # type: ignore[assignment]
    assert made == tuple(part.tolist() for part in split(labels, *sizes, seed)), "another split each time"
    assert sorted(chain(*made)) == list(range(len(labels))), "not every sequence is in one part"
    assert all(part == sorted(part) for part in made), "a part is out of order"
    for size, part in zip(sizes, made[1:], strict=True):
        asked = size * len(labels) if size < 1 else size
        assert abs(len(part) - asked) < 1, f"{len(part)} sequences where {asked:g} were asked for"
    return made


def classes(draw: random.Random, seed: int) -> None:
    """A class of one trains, of two it trains and is tested on, of three or more it is in each part, wherever
    the parts have room for all; and where shares are of one or more, each class has its own."""
    K = draw.randint(1, 12)
    counts = [min(200, int(draw.paretovariate(draw.uniform(0.4, 3)))) for _ in range(K)]
    labels = [f"class {k}" for k, count in enumerate(counts) for _ in range(count)]
    draw.shuffle(labels)
    sizes = asked_sizes(draw, len(labels))
    try:
        parts = split_twice(splits.by_class, labels, sizes, seed)
    except DataError:
        held = sum(round(size * len(labels)) or 1 if 0 < size < 1 else int(size) for size in sizes)
        assert held > len(labels) - K, "refused though there is enough to train on"
        return
    own = [Counter(labels[i] for i in part) for part in parts]
    room = sum(count > 1 for count in counts)
    for k, count in enumerate(counts):
        train, validation, test = (part[f"class {k}"] for part in own)
        assert train, f"class {k} of {count} does not train"
        if len(parts[2]) >= room:
            assert test or count == 1, f"class {k} of {count} is not tested on"
            more = sum(n > 2 for n in counts)
            if len(parts[1]) >= max(more, room):
                assert validation or count < 3, f"class {k} of {count} is not validated on"
        shares = [len(parts[2]) * n / len(labels) for n in counts]
        if all(1 <= share <= n - 1 for share, n in zip(shares, counts, strict=True)):
            assert abs(test - shares[k]) < 1, f"class {k}: {test} tested on, its share is {shares[k]:.2f}"


def labels(draw: random.Random, seed: int) -> None:
    """Sequences of several labels: of one, as classes; and whatever they are, no size is missed."""
    names, alone = [f"label {k}" for k in range(draw.randint(1, 9))], draw.random() < 0.5
    weights = [draw.paretovariate(1) for _ in names]
    several = [
        draw.choices(names, weights, k=1 if alone else draw.randint(0, 8))
        for _ in range(draw.randint(3, 300))
    ]
    sizes = asked_sizes(draw, len(several))
    try:
        parts = split_twice(splits.by_label, several, sizes, seed)
    except DataError as error:
        assert "leave nothing to train on" in str(error), str(error)
        return
    found = Counter(label for one in several for label in set(one))
    trained, tested = ({label for i in part for label in several[i]} for part in (parts[0], parts[2]))
    room = min((len(part) for part in parts[1:] if part), default=0)
    if alone and len(found) <= room and len(several) - len(parts[1]) - len(parts[2]) >= len(found):
        often = {label for label in found if found[label] >= 3}
        assert often <= trained and (not parts[2] or often <= tested), "a label of three is in one part alone"


class Model:
    """ln p of the next symbol, which follow from the symbols before it; of V symbols the last is the end."""

    def __init__(self, draw: random.Random) -> None:
        self.V, self.sharp = draw.randint(2, 4), draw.uniform(0.1, 4)
        self.never = [k for k in range(self.V - 1) if draw.random() < 0.15]
        self.seed, self.kept, self.known = draw.randrange(2**32), list[Path](), dict[Path, Any]()

    def log_p(self, path: Path) -> Any:
        if path not in self.known:
            x = np.random.default_rng([self.seed, *path]).normal(size=self.V) * self.sharp
            self.known[path] = x - np.log(np.exp(x).sum())
        return self.known[path]

    def step(self, tokens: Any, parents: Any, rows: Any) -> Any:
        begins = bool((tokens == self.V).all())
        pairs = zip(parents, tokens, strict=True)
        self.kept = [()] * len(rows) if begins else [(*self.kept[p], int(t)) for p, t in pairs]
        return np.stack([self.log_p(path) for path in self.kept])

    def following(self, path: Path, longest: int, min_length: int, no_repeat: int | None) -> list[int]:
        """What may follow a path, by the words of the rules."""
        runs = [path[t : t + (no_repeat or 0)] for t in range(len(path))]
        found = [
            w
            for w in range(self.V - 1)
            if len(path) < longest
            and w not in self.never
            and (no_repeat is None or (*path, w)[-no_repeat:] not in runs or len(path) + 1 < no_repeat)
        ]
        return found if found and len(path) < min_length else [*found, self.V - 1]

    def every(self, longest: int, penalty: float, rules: dict[str, Any]) -> list[tuple[float, Path]]:
        """The score of each answer that may be, the best first."""
        found, open_ = list[tuple[float, Path]](), [((), 0.0)]
        while open_:
            path, total = open_.pop()
            for w in self.following(path, longest, **rules):
                more = total + float(self.log_p(path)[w])
                if w == self.V - 1:
                    found.append((more / (len(path) + 1) ** penalty, path))
                else:
                    open_.append(((*path, w), more))
        return sorted(found, key=lambda one: -one[0])


def searches(draw: random.Random, seed: int) -> None:
    model, longest, penalty = Model(draw), draw.randint(0, 4), draw.choice([0.0, 0.6, 1.0, 1.7])
    rules = {"min_length": draw.randint(0, 4), "no_repeat": draw.choice([None, 1, 2, 3])}
    best, own = model.every(longest, penalty, rules), rules | {"never": model.never, "penalty": penalty}
    said = f"V {model.V}, longest {longest}, {own}"

    def found(beam: int, count: int) -> list[Any]:
        ends: dict[str, Any] = {"begin": model.V, "end": model.V - 1}
        return beam_search(model.step, [longest], beam=beam, best=count, **ends, **own)[0]

    wide = found(4**5, 5)
    assert [one.tokens for one in wide] == [path for _, path in best[:5]], said
    assert all(abs(one.score - score) < 1e-9 for one, (score, _) in zip(wide, best, strict=False)), said
    answers = {path for _, path in best}
    for beam in (1, 2, 5):
        (one,) = found(beam, 1)
        assert one.tokens in answers and one.score <= best[0][0] + 1e-9, f"{said}, beam {beam}"


KINDS: dict[str, Callable[[random.Random, int], None]] = {
    "classes": classes,
    "labels": labels,
    "searches": searches,
}


def failures(kind: str, seed: int) -> list[str]:
    """A line where the case is wrong: how to repeat it, and what it was."""
    try:
        KINDS[kind](random.Random(f"{kind} {seed}"), seed)
    except Exception as error:
        repeat = f"python scripts/fuzz_tasks.py --kinds {kind} --seed {seed} --cases 1"
        return [f"{repeat}  # {type(error).__name__}: {error}"]
    return []


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--cases", type=int, default=1000, help="of each kind")
    options.add_argument("--seed", type=int, default=0, help="of the first case; the next has the next")
    options.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    chosen = options.parse_args()
    wrong = 0
    for kind in chosen.kinds:
        begin = time.perf_counter()
        found = [
            line for seed in range(chosen.seed, chosen.seed + chosen.cases) for line in failures(kind, seed)
        ]
        print(*found, sep="\n", end="\n" if found else "")
        print(f"{kind}: {chosen.cases} cases, {len(found)} wrong, {time.perf_counter() - begin:.1f} s")
        wrong += len(found)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
