"""Searches against all answers there are, and example by example."""

import itertools
import math

import numpy as np
import pytest

from unrolled.decoding.search import Beams, beam_search, sample
from unrolled.errors import RunError

V, END, BEGIN = 4, 3, 4


def model(seed, longest=4):
    """A stepper whose ln p follow from an example's number and all symbols so far."""
    base = np.random.default_rng(seed)
    tables = base.normal(size=(9, 7, V)) * 2
    kept: list[tuple[int, ...]] = []

    def log_p(row, path):
        x = tables[row] + np.random.default_rng([row, *path]).normal(size=(7, V))
        x = x[len(path) % 7]
        return (x - np.log(np.exp(x).sum())).astype(np.float32)

    def step(tokens, parents, rows):
        nonlocal kept
        if (tokens == BEGIN).all():
            kept = [()] * len(tokens)
        else:
            kept = [(*kept[p], int(t)) for p, t in zip(parents, tokens, strict=True)]
        return np.stack([log_p(int(r), path) for r, path in zip(rows, kept, strict=True)])

    return step, log_p


def repeats(path, n):
    runs = [path[t : t + n] for t in range(len(path) - n + 1)]
    return len(set(runs)) < len(runs)


def every(log_p, row, longest, penalty, min_length=0, no_repeat=None):
    """All complete answers that may be, the best first."""
    found = []

    def may_stand(path):
        return no_repeat is None or not repeats(path, no_repeat)

    for length in range(longest + 1):
        for path in filter(may_stand, itertools.product(range(V - 1), repeat=length)):
            further = length < longest and any(may_stand((*path, w)) for w in range(V - 1))
            if length < min_length and further:
                continue
            total = sum(float(log_p(row, path[:t])[path[t]]) for t in range(length))
            total += float(log_p(row, path)[END])
            found.append((path, total, total / (length + 1) ** penalty))
    return sorted(found, key=lambda one: -one[2])


@pytest.mark.parametrize(
    ("penalty", "rules"),
    [
        (0.0, {}),
        (0.7, {}),
        (1.0, {}),
        (1.5, {}),
        (1.0, {"min_length": 2}),
        (0.0, {"no_repeat": 1}),
        (1.0, {"no_repeat": 2, "min_length": 3}),
        (0.6, {"no_repeat": 1, "min_length": 9}),
    ],
)
def test_a_wide_beam_finds_the_best_of_all_and_a_narrower_one_nothing_better(penalty, rules):
    step, log_p = model(1)
    longest = [3, 2, 0, 4]
    wide = beam_search(step, longest, begin=BEGIN, end=END, beam=300, best=6, penalty=penalty, **rules)
    scores = []
    for beam in (1, 2, 5, 300):
        found = beam_search(step, longest, begin=BEGIN, end=END, beam=beam, best=1, penalty=penalty, **rules)
        scores.append([one[0].score for one in found])
    assert (np.max(scores, 0) == scores[-1]).all()
    for row, several in enumerate(wide):
        best = every(log_p, row, longest[row], penalty, **rules)[:6]
        assert [one.tokens for one in several] == [path for path, _, _ in best]
        assert [one.log_p for one in several] == pytest.approx([total for _, total, _ in best], abs=1e-12)
        assert [one.score for one in several] == pytest.approx([score for *_, score in best], abs=1e-12)


def test_a_beam_of_one_takes_the_likeliest_symbol_of_each_step():
    step, log_p = model(2)
    found = beam_search(step, [5] * 9, begin=BEGIN, end=END, beam=1, penalty=1.0)
    for row, (one,) in enumerate(found):
        path: tuple[int, ...] = ()
        while len(path) < 5 and (w := int(log_p(row, path).argmax())) != END:
            path = (*path, w)
        assert one.tokens == path
    lengths = {len(one.tokens) for (one,) in found}
    assert 5 in lengths and len(lengths) > 1


@pytest.mark.parametrize(("beam", "penalty"), [(1, 0.0), (3, 0.8), (5, 0.0)])
def test_a_batch_gives_each_example_what_it_gets_alone(beam, penalty):
    step, _ = model(3)
    longest = [6, 1, 4, 0, 5, 6, 3, 2, 6]
    whole = beam_search(step, longest, begin=BEGIN, end=END, beam=beam, best=beam, penalty=penalty)
    for row, limit in enumerate(longest):
        alone, _ = model(3)

        def moved(tokens, parents, rows, row=row, alone=alone):
            return alone(tokens, parents, rows + row)

        assert beam_search(moved, [limit], begin=BEGIN, end=END, beam=beam, best=beam, penalty=penalty) == [
            whole[row]
        ]


def test_stopping_early_changes_no_answer():
    """Against a search that stops only when nothing is kept."""
    from unrolled.decoding import search

    step, _ = model(4)
    short = beam_search(step, [6] * 9, begin=BEGIN, end=END, beam=4, best=2, penalty=0.6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(search, "_hopeful", lambda bounds, rows, wanted: np.ones(len(rows), bool))
        assert beam_search(step, [6] * 9, begin=BEGIN, end=END, beam=4, best=2, penalty=0.6) == short


def test_symbols_that_may_not_stand_do_not_and_ties_go_to_the_lower_symbol():
    step, _ = model(5)
    for found in beam_search(step, [4] * 9, begin=BEGIN, end=END, beam=6, best=6, never=[1]):
        assert all(1 not in one.tokens for one in found)
    flat = beam_search(
        lambda tokens, parents, rows: np.full((len(tokens), V), -math.log(V), np.float32),
        [2],
        begin=BEGIN,
        end=END,
        beam=4,
        best=4,
        penalty=1.0,
    )
    assert [one.tokens for one in flat[0]] == [(), (0, 0), (0, 1), (0, 2)]


def test_by_the_mean_of_a_symbol_an_unsure_model_gives_no_empty_answer():
    p = {(): [0.6, 0.02, 0.03, 0.35], (0,): [0.03, 0.02, 0.5, 0.45]}
    kept: list[tuple[int, ...]] = []

    def step(tokens, parents, rows):
        nonlocal kept
        begins = (tokens == BEGIN).all()
        pairs = zip(parents, tokens, strict=True)
        kept = [()] * len(rows) if begins else [(*kept[q], int(t)) for q, t in pairs]
        return np.log([p.get(path, [0.01, 0.01, 0.01, 0.97]) for path in kept])

    def best(**how):
        return beam_search(step, [3], begin=BEGIN, end=END, beam=5, **how)[0][0]

    whole = math.log(0.6 * 0.5 * 0.97)
    assert best(penalty=0.0).tokens == () and whole < math.log(0.35)
    assert best().tokens == (0, 2) and best().score == pytest.approx(whole / 3)
    assert best(penalty=0.0, min_length=1).tokens == (0, 2)


def test_what_is_drawn_keeps_the_rules_too():
    step, _ = model(8)
    draw = np.random.default_rng(8)
    draws = [lambda log_p: int(draw.choice(V, p=np.exp(log_p) / np.exp(log_p).sum()))] * 9
    found = sample(step, [9] * 9, draws, begin=BEGIN, end=END, min_length=4, no_repeat=2)
    assert all(len(one.tokens) >= 4 and not repeats(one.tokens, 2) for one in found)


def test_impossible_calls_are_refused():
    step, _ = model(6)
    for wrong in ({"beam": 0}, {"best": 0}, {"penalty": -1}):
        with pytest.raises(ValueError, match="wanted 1 or more"):
            beam_search(step, [1], begin=BEGIN, end=END, **wrong)
    with pytest.raises(RunError, match="no symbol may follow"):
        beam_search(lambda *_: np.full((1, V), np.nan), [1], begin=BEGIN, end=END)


def test_sampling_draws_each_symbol_and_counts_its_probability():
    step, log_p = model(7)
    draws = [np.random.default_rng([11, b]) for b in range(9)]

    def draw(generator):
        return lambda log_p: int(generator.choice(V, p=np.exp(log_p) / np.exp(log_p).sum()))

    found = sample(step, [3] * 9, [draw(g) for g in draws], begin=BEGIN, end=END)
    assert len({one.tokens for one in found}) > 4 and max(len(one.tokens) for one in found) == 3
    for row, one in enumerate(found):
        total = sum(float(log_p(row, one.tokens[:t])[w]) for t, w in enumerate((*one.tokens, END)))
        assert one.log_p == pytest.approx(total, abs=1e-12)


def test_a_beam_among_too_many_symbols_is_refused():
    about = {"beam": 1024, "best": 1, "penalty": 0.0, "longest": None, "min_length": 0, "no_repeat": None}
    assert Beams.of(about, 1 << 17).beam == 1024
    with pytest.raises(ValueError, match="beam 1024 among 131,073 symbols"):
        Beams.of(about, (1 << 17) + 1)
