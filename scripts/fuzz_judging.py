"""Judges models on files that overlap their training at random, and checks by brute force what was judged.

    python scripts/fuzz_judging.py --cases 2000 --seed 1
    python scripts/fuzz_judging.py --kinds series rows text

A file is made of the training's: grown, cut at its begin or its end, in another order, some of it twice,
names changed, numbers in another type, blanks in other places. Nothing that is judged may have been in the
training or the validation part, and nothing else is left out. A case is told by kind, seed and number, so
that a failure can be repeated. A short form is in tests/tasks/test_seen.py.
"""

import argparse
import random
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
import polars as pl

from unrolled import (
    Captioner,
    Classifier,
    Forecaster,
    LanguageModel,
    Regressor,
    Tagger,
    Transcriber,
    Translator,
)
from unrolled.batching.splits import chronological
from unrolled.errors import DataError
from unrolled.files.text import text_of
from unrolled.tasks.evaluation import Evaluation
from unrolled.tasks.seen import GRAM, LEAST_STRIDE

SMALL: dict[str, Any] = {"hidden": 4, "epochs": 1, "batch_size": 64}
SERIES: dict[str, Any] = SMALL | {
    "refit": False,
    "target": "y",
    "window": 5,
    "horizon": 2,
    "season": 1,
    "most_origins": 10**6,
}


class Kind(NamedTuple):
    """`train(draw)` gives a model and what it was trained on; `wrong(model, data, draw)` a sentence for each
    fault of one file made of that."""

    train: Callable[[random.Random], tuple[Any, Any]]
    wrong: Callable[[Any, Any, random.Random], Iterator[str]]


# Series: a dictionary of names to rows (time, value), all values different.


def walk(draw: random.Random, begin: int, steps: int) -> list[tuple[int, float]]:
    return [(begin + t, draw.gauss(0, 1)) for t in range(steps)]


def frame_of(series: dict[str, list[tuple[int, float]]], timed: bool, named: bool, kind: Any) -> pl.DataFrame:
    rows = [(name, time, value) for name, steps in series.items() for time, value in steps]
    names, times, values = zip(*rows, strict=True)
    columns: dict[str, Any] = {"id": names} if named else {}
    if timed:
        columns["day"] = np.array(times, "datetime64[D]").astype("datetime64[us]")
    return pl.DataFrame(columns | {"y": pl.Series(values, dtype=pl.Float64).cast(kind)})


def ends(steps: Any) -> int:
    """Where the validation part ends."""
    return int(chronological(len(steps), 0.1, 0.2)[1])


def series_kind(timed: bool, named: bool, most: int) -> Kind:
    options = SERIES | ({"id": "id"} if named else {}) | ({} if timed else {"time": "rows"})

    def train(draw: random.Random) -> tuple[Any, Any]:
        count = draw.randint(1, most)
        series = {f"s{k}": walk(draw, draw.randint(0, 9), draw.randint(40, 90)) for k in range(count)}
        return Forecaster(**options).fit(frame_of(series, timed, named, pl.Float64)), series

    def wrong(model: Any, series: Any, draw: random.Random) -> Iterator[str]:
        known = {pair if timed else pair[1] for steps in series.values() for pair in steps[: ends(steps)]}
        file = changed_series(series, draw, named, timed)
        last = {
            name: 1
            + max((t for t, pair in enumerate(steps) if (pair if timed else pair[1]) in known), default=-1)
            for name, steps in file.items()
        }
        try:
            found = model.evaluate(frame_of(file, timed, named, draw.choice([pl.Float64, pl.Float32])))
        except DataError as error:
            if any(len(steps) - max(last[name], 5) >= 2 for name, steps in file.items()):
                yield f"refused: {error}"
            return
        names = list(file)
        for i, origin in zip(found.backtest.series, found.backtest.origins, strict=True):
            if origin + 1 < last[names[i]]:
                yield f"{names[i]}: step {origin + 1} is judged, those before {last[names[i]]} were seen"
        if found.about["left_out"] != sum(last.values()):
            yield f"{found.about['left_out']} steps are left out, {sum(last.values())} were seen"

    return Kind(train, wrong)


def changed_series(
    series: Any, draw: random.Random, named: bool, timed: bool
) -> dict[str, list[tuple[int, float]]]:
    names = draw.sample(list(series), draw.randint(1, len(series))) if named else list(series)
    file: dict[str, list[tuple[int, float]]] = {}
    for name in names:
        steps = series[name]
        begin = draw.choice([0, 0, draw.randrange(ends(steps) - 12)])
        end = draw.choice([len(steps), draw.randint(begin + 10, len(steps))])
        own = steps[begin:end]
        if draw.random() < 0.3 and (begin == 0 or not timed):
            early = draw.randint(1, 20)
            own = walk(draw, own[0][0] - early, early) + own
        if draw.random() < 0.6 and (end == len(steps) or not timed):
            own = own + walk(draw, own[-1][0] + 1, draw.randint(1, 30))
        file[draw.choice([name, f"other {name}"]) if named else name] = own
    if named and draw.random() < 0.5:
        file["new"] = walk(draw, draw.randint(100, 190), draw.randint(10, 60))
    return file


# Examples: a list of (input, answer), all inputs different.


class Maker(NamedTuple):
    """`one(draw)` an example, `source(examples, draw)` what an estimator takes; `key` of an input as its data
    holds it."""

    estimator: Callable[..., Any]
    options: dict[str, Any]
    one: Callable[[random.Random], tuple[Any, Any]]
    source: Callable[[Any, random.Random], Any]
    key: Callable[[Any], Any]


def numbers(draw: random.Random) -> Any:
    return np.array([[draw.gauss(0, 1)] for _ in range(draw.randint(4, 9))])


def words(draw: random.Random) -> str:
    return " ".join(draw.choice(["a", "bee", "sea", "dee", "ex", "why"]) for _ in range(draw.randint(9, 14)))


def with_tags(draw: random.Random) -> tuple[str, list[str]]:
    text = words(draw)
    return text, [word[0] for word in text.split()]


def arrays(examples: Any, draw: random.Random) -> Any:
    kind = draw.choice([np.float64, np.float32])
    return [x.astype(kind) for x, _ in examples], [answer for _, answer in examples]


def tagged(examples: Any, draw: random.Random) -> pl.DataFrame:
    rows = [(k, *pair) for k, (x, tags) in enumerate(examples) for pair in zip(x.split(), tags, strict=True)]
    return pl.DataFrame(rows, schema=["id", "word", "tag"], orient="row")


def captions(examples: Any, draw: random.Random) -> pl.DataFrame:
    rows = [(float(x[0, 0]), float(x[1, 0]), answer) for x, answer in examples]
    return pl.DataFrame(rows, schema=["x", "z", "caption"], orient="row")


def blanks(examples: Any, draw: random.Random) -> Any:
    return [(source.replace(" ", draw.choice([" ", "  "])), target) for source, target in examples]


def bits(x: Any) -> bytes:
    return np.asarray(getattr(x, "numbers", x), np.float32).tobytes()


TAGS = SMALL | {"id": "id", "text": "word", "target": "tag"}
MAKERS = {
    "classify": Maker(Classifier, SMALL, lambda d: (numbers(d), d.choice("ab")), arrays, bits),
    "regress": Maker(Regressor, SMALL, lambda d: (numbers(d), d.gauss(0, 1)), arrays, bits),
    "transcribe": Maker(Transcriber, SMALL, lambda d: (numbers(d), d.choice(["a", "ab"])), arrays, bits),
    "tag": Maker(Tagger, TAGS, with_tags, tagged, " ".join),
    "translate": Maker(Translator, SMALL, lambda d: (words(d), "x y"), blanks, lambda x: " ".join(x.split())),
    "caption": Maker(Captioner, SMALL, lambda d: (numbers(d), d.choice(["low", "high"])), captions, bits),
}


def examples_kind(maker: Maker) -> Kind:
    def keys(data: Any) -> list[Any]:
        return [maker.key(x) for x in getattr(data, "inputs", None) or data.sources]

    def train(draw: random.Random) -> tuple[Any, Any]:
        examples = [maker.one(draw) for _ in range(draw.randint(60, 90))]
        return maker.estimator(**maker.options).fit(maker.source(examples, draw)), examples

    def wrong(model: Any, examples: Any, draw: random.Random) -> Iterator[str]:
        file = draw.sample(examples, draw.randint(0, len(examples)))
        file += [maker.one(draw) for _ in range(draw.randint(1, 20))]
        file += draw.sample(file, draw.randint(0, len(file) // 2))
        draw.shuffle(file)
        parts, data = model._splits(), model._new(maker.source(file, draw))
        seen = {*keys(parts.train), *keys(parts.validation)}
        found, judged = judged_of(model, data)
        if both := seen & set(keys(judged)):
            yield f"{len(both)} inputs are judged that were seen"
        if keys(judged) != (new := [key for key in keys(data) if key not in seen]):
            yield f"{len(judged)} inputs are judged, {len(new)} are new"
        if found.about["left_out"] != len(data) - len(new):
            yield f"{found.about['left_out']} are told to be left out of {len(data)}, {len(new)} are new"

    return Kind(train, wrong)


def judged_of(model: Any, data: Any) -> tuple[Evaluation, Any]:
    """The evaluation without its figures, and the data that are judged."""
    judged: list[Any] = []

    def judge(self: Any, data: Any, about: dict[str, Any]) -> Evaluation:
        judged.append(data)
        return Evaluation([], [], about)

    with mock.patch.object(type(model), "_judge", judge):
        return model.evaluate(data), judged[0]


def letters(draw: random.Random, count: int) -> str:
    return "".join(draw.choice("abcdefg \n") for _ in range(count))


def train_text(draw: random.Random) -> tuple[Any, Any]:
    text = letters(draw, draw.randint(900, 3000))
    return LanguageModel(**SMALL).fit(text_of(text)), text


def wrong_text(model: Any, text: str, draw: random.Random) -> Iterator[str]:
    cuts = sorted(draw.sample(range(len(text)), draw.randint(0, 6)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    pieces = [*draw.sample(pieces, draw.randint(1, len(pieces))), draw.choice(pieces)]
    pieces += [letters(draw, draw.randint(300, 600)) for _ in range(draw.randint(1, 3))]
    draw.shuffle(pieces)
    data, parts = text_of("".join(pieces)), model._splits()
    seen = ["".join(part.pieces()) for part in (parts.train, parts.validation)]
    found, judged = judged_of(model, data)
    size = GRAM + LEAST_STRIDE
    for start, end in judged.ranges:
        own = data.held[start:end]
        if any(own[at : at + size] in one for at in range(len(own) - size + 1) for one in seen):
            yield f"characters {start} to {end} are judged, and some of them were seen"
    new = sum(len(piece) for piece in pieces if piece not in text)
    if len(judged) < new - 2 * LEAST_STRIDE * len(pieces):
        yield f"{len(judged)} characters are judged, {new} are new"
    if found.about["left_out"] != len(data) - len(judged):
        yield f"{found.about['left_out']} characters are told to be left out"


KINDS: dict[str, Kind] = {
    "series": series_kind(timed=True, named=True, most=4),
    "series without names": series_kind(timed=True, named=False, most=1),
    "rows": series_kind(timed=False, named=True, most=4),
    "rows without names": series_kind(timed=False, named=False, most=1),
    **{name: examples_kind(maker) for name, maker in MAKERS.items()},
    "text": Kind(train_text, wrong_text),
}


def failures(name: str, seed: int, files: int) -> list[str]:
    """The faults of so many files of one model."""
    kind, draw = KINDS[name], random.Random(f"{name} {seed}")
    model, data = kind.train(draw)
    return [
        f"{name}, seed {seed}, file {number}: {fault}"
        for number in range(files)
        for fault in kind.wrong(model, data, random.Random(f"{name} {seed} {number}"))
    ]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=1000, help="files, of all kinds together")
    parser.add_argument("--files", type=int, default=20, help="files of one model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS))
    asked = parser.parse_args()
    models = max(1, asked.cases // (asked.files * len(asked.kinds)))
    faults = [
        fault
        for name in asked.kinds
        for seed in range(asked.seed, asked.seed + models)
        for fault in failures(name, seed, asked.files)
    ]
    print(*faults, f"{len(faults)} faults in {models * asked.files * len(asked.kinds):,} files", sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
