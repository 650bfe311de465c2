"""What training held is known again in another file, and is not judged unasked; and the short form of
scripts/fuzz_judging.py."""

import random

import numpy as np
import polars as pl
import pytest

from tests.scripts import script
from unrolled import Classifier, Forecaster, load
from unrolled.errors import DataError
from unrolled.files.fingerprints import fingerprint, known, ngrams
from unrolled.files.series import Series
from unrolled.files.text import text_of
from unrolled.tasks import pictures
from unrolled.tasks import seen as seen_module
from unrolled.tasks.forecast.seen import SeenSeries
from unrolled.tasks.seen import GRAM, LEAST_STRIDE, SeenText

fuzz = script("fuzz_judging")


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(pictures, "draw_history", lambda *arguments: None)


@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_nothing_is_judged_that_was_seen(kind):
    assert fuzz.failures(kind, 0, 4) == []


def test_a_fingerprint_is_of_the_content():
    x = np.array([[1, 0], [3, np.nan]])
    assert fingerprint(x) == fingerprint(x.astype(np.float32)) == fingerprint(np.asfortranarray(x) * 1.0)
    assert fingerprint(np.array([0.0])) == fingerprint(np.array([-0.0])) == fingerprint(np.array([0]))
    assert fingerprint(x) != fingerprint(x.T) and fingerprint(x) != fingerprint(x[:1])
    assert fingerprint(" a  b\n") == fingerprint("a b") != fingerprint("ab")
    assert fingerprint(x, "a") != fingerprint(x, None) != fingerprint(x, "None")


def test_grams_are_those_of_each_piece_alone():
    draw = np.random.default_rng(0)
    codes = draw.integers(0, 3, 300).astype(np.uint32)
    whole = ngrams(codes, 8)
    assert whole.tolist() == [ngrams(codes[i : i + 8].copy(), 8)[0] for i in range(293)]
    pieces = {tuple(codes[i : i + 8]) for i in range(293)}
    assert len(set(whole.tolist())) == len(pieces) and len(ngrams(codes[:7], 8)) == 0
    assert known(whole[:2], np.sort(whole)[:0]).tolist() == [-1, -1]


def test_a_grown_text_is_judged_behind_what_was_seen():
    draw = random.Random(0)
    old, more = fuzz.letters(draw, 2000), fuzz.letters(draw, 500)
    seen = SeenText.of(text_of(old[:1200]), text_of(old[1200:]))
    for text, first in ((old + more, 2000), (old[700:] + more, 1300), (more + old, 0)):
        new = seen.new(text_of(text))
        [(start, _)] = new.ranges
        assert 0 <= start - first < LEAST_STRIDE and 500 - LEAST_STRIDE < len(new) <= 500
    assert len(seen.new(text_of(old))) == 0
    assert seen.new(text_of(more)).ranges == ((0, 500),)
    assert SeenText.of(text_of("short")).new(text_of("short")).ranges == ((0, 5),), f"below {GRAM} characters"


def test_what_two_trainings_saw_is_joined(monkeypatch):
    """Of texts whose strides differ no character of either is judged, and all of another."""
    draw = random.Random(0)
    old, new, other = (fuzz.letters(draw, 3000) for _ in range(3))
    coarse = SeenText.of(text_of(old))
    monkeypatch.setattr(seen_module, "MOST_GRAMS", 100)
    fine = SeenText.of(text_of(new))
    assert coarse.stride == LEAST_STRIDE < fine.stride == 30
    for seen in (coarse.joined(fine), SeenText.restore(fine.joined(coarse).arrays())):
        assert [len(seen.new(text_of(one))) for one in (old, new)] == [0, 0]
        assert seen.new(text_of(other)).ranges == ((0, 3000),)
        [(begin, end)] = seen.new(text_of(old + other)).ranges
        assert 3000 <= begin < 3030 and end == 6000


def series(name, begin, values):
    times = np.datetime64("2024-01-01", "us") + (begin + np.arange(len(values))) * np.timedelta64(1, "D")
    y = np.asarray(values, float)[:, None]
    none = np.empty((len(y), 0))
    return Series(name, times, np.zeros(len(y), np.int64), y, none, none)


def test_counts_that_coincide_are_no_copy():
    """Of 200 sparse counts at the same times none is taken for another."""
    draw = np.random.default_rng(0)
    all_ = [series(f"s{k}", 0, draw.poisson(0.4, 120)) for k in range(400)]
    seen = SeenSeries.of_parts(all_[:200], [100] * 200, True, True)
    assert [seen.first_new(s) for s in all_[:200]] == [100] * 200
    assert [seen.first_new(s) for s in all_[200:]] == [0] * 200
    again = SeenSeries.restore(seen.arrays())
    assert [again.first_new(s) for s in all_[190:210]] == [100] * 10 + [0] * 10
    renamed = [series("x", 0, s.target[:, 0]) for s in all_[:50]]
    assert [seen.first_new(s) for s in renamed] == [100] * 50


def test_series_that_are_read_together_are_each_as_if_read_alone():
    """No ngram reaches from one series into the next, whatever their lengths."""
    draw = np.random.default_rng(0)
    lengths = [3, 8, 40, 7, 9, 61]
    each = [series(f"s{k}", k, draw.integers(0, 5, n)) for k, n in enumerate(lengths)]
    ends = [3, 8, 33, 7, 9, 50]
    together = SeenSeries.of_parts(each, ends, False, True)
    alone = [SeenSeries.of_parts([s], [end], False, True) for s, end in zip(each, ends, strict=True)]
    for name in ("names", "wholes", "last"):
        assert np.array_equal(getattr(together, name), np.concatenate([getattr(a, name) for a in alone]))
    assert np.array_equal(together.prints, np.unique(np.concatenate([a.prints for a in alone])))
    assert len(together.prints) > 40


def test_a_series_that_is_named_is_known_by_its_times_though_its_values_were_revised():
    old = series("a", 0, np.arange(50.0))
    seen = SeenSeries.of_parts([old], [40], True, True)
    assert seen.first_new(series("a", 5, np.arange(60.0) ** 2)) == 35
    assert seen.first_new(series("b", 5, np.arange(60.0) ** 2)) == 0
    assert seen.first_new(series("a", 38, np.arange(60.0))) == 2
    assert seen.first_new(series("b", 20, np.arange(20.0, 90.0))) == 20
    assert seen.first_new(series("b", 38, np.arange(60.0))) == 2, "too few to know better"


@pytest.mark.parametrize("named", [(True, True), (False, True), (True, False)])
def test_series_of_two_trainings_are_known_by_either(named):
    draw = np.random.default_rng(0)
    old, new = ([series(f"s{k}", begin, draw.random(60)) for k in range(3)] for begin in (0, 100))
    joined = SeenSeries.of_parts(old, [50] * 3, True, named[0]).joined(
        SeenSeries.of_parts(new, [40] * 3, True, named[1])
    )
    joined = SeenSeries.restore(joined.arrays())
    assert [joined.first_new(s) for s in old + new] == ([60] * 3 if named[1] else [50] * 3) + [40] * 3
    grown = series("s0", 0, np.concatenate([old[0].target[:, 0], draw.random(30)]))
    assert joined.first_new(grown) == (90 if named[1] else 50)
    revised = series("s1", 0, draw.random(60))
    assert joined.first_new(revised) == (60 if named[1] else 50 if named[0] else 0)


def rows(values):
    y, none = np.asarray(values, float)[:, None], np.empty((len(values), 0))
    return Series("x", np.arange(len(y)), np.zeros(len(y), np.int64), y, none, none)


FEW_VALUES = {
    "of two": lambda draw, n: draw.integers(0, 2, n),
    "sparse": lambda draw, n: draw.random(n) < 0.1,
    "counts": lambda draw, n: draw.poisson(1, n),
    "steps": lambda draw, n: np.repeat(draw.integers(0, 5, n), 7)[:n],
    "periodic": lambda draw, n: np.resize([5, 3, 2, 4, 6, 0, 0], n),
}


@pytest.mark.parametrize("kind", FEW_VALUES)
def test_rows_of_few_values_are_known_by_all_that_stood_there(kind):
    """What comes again and again is not what was seen, and what was seen is all left out."""
    draw = np.random.default_rng(0)
    for _ in range(5):
        y = FEW_VALUES[kind](draw, 1200)
        seen = SeenSeries.of_parts([rows(y[:1000]), rows(draw.random(50))], [1000, 40], False, False)
        seen = SeenSeries.restore(seen.arrays())
        assert [seen.first_new(rows(y[:n])) for n in (1200, 1001, 1000)] == [1000] * 3
        if kind != "periodic":
            assert seen.first_new(rows(FEW_VALUES[kind](draw, 400))) == 0
        assert seen.first_new(rows(draw.random(400))) == 0


@pytest.mark.parametrize("kind", FEW_VALUES)
def test_a_series_that_grew_between_two_trainings_is_known_to_the_end_of_the_later(kind):
    """Though all but a few steps of it were seen twice, in whichever order, and another file begins later."""
    y = FEW_VALUES[kind](np.random.default_rng(1), 1200)
    short, long = (SeenSeries.of_parts([rows(y[:n])], [n], False, False) for n in (1000, 1004))
    for seen in (short.joined(long), long.joined(short)):
        assert seen.first_new(rows(y)) == 1004
        assert seen.first_new(rows(y[300:])) == long.first_new(rows(y[300:]))
        if kind in ("of two", "sparse", "counts"):  # the others have no fingerprint that comes once
            assert seen.first_new(rows(y[300:])) == 704


def grown(steps):
    draw = np.random.default_rng(0)
    times = np.datetime64("2024-01-01", "us") + np.arange(500) * np.timedelta64(1, "D")
    return pl.DataFrame({"day": times, "sales": draw.standard_normal(500).cumsum()}).head(steps)


def test_a_file_that_has_grown_by_a_row_is_judged_behind_the_training(tmp_path):
    grown(399).write_csv(tmp_path / "sales.csv")
    grown(400).write_csv(tmp_path / "newer.csv")
    options = {"target": "sales", "horizon": 1, "season": 1, "window": 8, "hidden": 4, "epochs": 1}
    options |= {"refit": False}
    made = Forecaster(**options).fit(tmp_path / "sales.csv", test=None)
    made.save(tmp_path / "run")
    made = load(tmp_path / "run")
    end = int(0.8 * 399)
    found = made.evaluate(tmp_path / "newer.csv")
    assert found.backtest.origins.tolist() == list(range(end - 1, 399)) and found.about["left_out"] == end
    assert any(f"left out: {end} of 400 steps" in line for line in found.verdict)
    whole = made.evaluate(tmp_path / "newer.csv", include_training=True)
    assert whole.about["left_out"] == 0 and whole.about["seen"] == end and "flatter" in whole.verdict[-1]
    assert len(whole.backtest.origins) == 400 - 2  # from the second step on: a shorter window is filled up
    grown(end).write_csv(tmp_path / "older.csv")
    with pytest.raises(DataError, match=r"wanted 1 steps or more .* got 0 of 319 steps; give others, or"):
        made.evaluate(tmp_path / "older.csv")
    assert made.evaluate(tmp_path / "older.csv", include_training=True).about["seen"] == end


def test_a_test_file_that_is_the_training_file_is_refused_and_one_that_overlaps_is_told(tmp_path):
    draw = random.Random(0)
    x = [fuzz.numbers(draw) for _ in range(60)]
    y = [draw.choice("ab") for _ in x]
    made = Classifier(hidden=4, epochs=1)
    with pytest.raises(DataError, match="all 60 sequences of the test files stand in the training"):
        made.fit((x, y), test=(x, y), out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []
    other = (x[:20] + [fuzz.numbers(draw) for _ in range(10)], y[:20] + ["a"] * 10)
    made.fit((x, y), test=other)
    found = made.evaluation
    assert (found.about["sequences"], found.about["left_out"]) == (10, 20)
    assert "left out: 20 of 30 sequences" in found.verdict[-1]
    assert made.evaluate(include_training=True).about["sequences"] == 30
    # What was drawn from the training data is judged whole, and what it repeats is told.
    twice = Classifier(hidden=4, epochs=1).fit((x + x, y + y)).evaluation
    assert twice.about["left_out"] == 0 and twice.about["seen"] > 8 and "flatter" in twice.verdict[-1]
