"""1-NN against every distance, one by one."""

import numpy as np
import pytest

from unrolled import Classifier, Regressor
from unrolled.codecs.inputs import NumberInputs
from unrolled.files.arrays import from_arrays
from unrolled.tasks import neighbours
from unrolled.tasks.neighbours import nearest_series, nearest_summaries, resampled

SMALL = {"hidden": 4, "epochs": 1, "batch_size": 64}


def brute(train, asked, length):
    """Which training sequence is nearest: in deviations of each feature over all known values of training,
    the last known value where one is missing, np.interp between steps."""
    every = np.concatenate(train)
    m, s = np.nanmean(every, 0), np.nanstd(every, 0)

    def row(x):
        z = (x - m) / s
        for f in range(z.shape[1]):
            last = 0.0
            for t in range(len(z)):
                last = z[t, f] = last if np.isnan(z[t, f]) else z[t, f]
        at = np.linspace(0, len(z) - 1, length)
        return np.stack([np.interp(at, np.arange(len(z)), column) for column in z.T], 1).ravel()

    known = np.stack([row(x) for x in train])
    return [int(np.square(known - row(x)).sum(1).argmin()) for x in asked]


def walks(N, seed, F=2, longest=25):
    draw = np.random.default_rng(seed)
    X = [draw.normal(size=(int(draw.integers(1, longest + 1)), F)).cumsum(0) * (1, 50)[:F] for _ in range(N)]
    for x in X:
        x[draw.random(x.shape) < 0.1] = np.nan
    return X


@pytest.mark.parametrize("together", [1, 300, 2**22])
def test_the_nearest_series_of_any_lengths(monkeypatch, together):
    monkeypatch.setattr(neighbours, "TOGETHER", together)
    train, asked = walks(40, 1), walks(17, 2)
    known = from_arrays(train, ["a"] * 40)
    found, said = nearest_series(NumberInputs.fit(known), known, from_arrays(asked))
    assert found.tolist() == brute(train, asked, max(map(len, train)))
    assert said == f"1-NN compares sequences of {max(map(len, train))} steps"


def test_long_series_and_many_are_bounded_and_that_is_said(monkeypatch):
    monkeypatch.setattr(neighbours, "MOST_NUMBERS", 30)
    monkeypatch.setattr(neighbours, "MOST_PRODUCTS", 10 * 15 * 2 * 20)
    train, asked = walks(40, 3), walks(20, 4)
    known = from_arrays(train, ["a"] * 40)
    found, said = nearest_series(NumberInputs.fit(known), known, from_arrays(asked))
    assert set(found.tolist()) <= set(range(0, 40, 4)) and len(set(found)) > 3
    assert said == "1-NN compares sequences of 15 steps, with 10 of the 40 training sequences"


def test_a_sequence_of_the_length_stays_as_it_is_and_others_are_on_its_line():
    x = np.random.default_rng(5).normal(size=(7, 3))
    assert np.array_equal(resampled(x, 7), x)
    np.testing.assert_allclose(resampled(x, 13)[::2], x, rtol=1e-15)
    assert resampled(x[:1], 4).tolist() == [x[0].tolist()] * 4 and resampled(x, 1).tolist() == [x[0].tolist()]


def test_equal_distances_go_to_the_first_and_near_ones_are_measured_again():
    base = np.random.default_rng(6).normal(size=(1, 5)) * 1e6
    known = np.concatenate([base + 1e-3, base, base, base - 1e-4])
    asked = neighbours.Rows.of(base + 2e-5)
    assert neighbours.nearest(neighbours.Rows.of(known), asked).tolist() == [1]


def test_summaries_in_units_of_their_deviation():
    draw = np.random.default_rng(2)
    known = (draw.normal(size=(23, 3)) * (1, 100, 0)).astype(np.float32)
    asked = draw.normal(size=(7, 3)) * (1, 100, 0)
    scale = known.std(0, dtype=np.float64)
    away = [
        [sum(((k - a) / s) ** 2 for k, a, s in zip(one, x, scale, strict=True) if s) for one in known]
        for x in asked
    ]
    assert nearest_summaries(known, asked).tolist() == np.argmin(away, 1).tolist()


def test_series_of_one_mean_and_deviation_are_told_apart_by_1_nn_alone():
    """Normalised series: what sums them up says nothing, and is no more than the majority."""
    draw = np.random.default_rng(7)
    k = draw.permutation(np.arange(90) % 3 == 0)
    x = np.where(k[:, None], np.sin(np.arange(30)), np.cos(np.arange(30) * 2)) + draw.normal(0, 0.1, (90, 30))
    x = (x - x.mean(1, keepdims=True)) / x.std(1, keepdims=True)
    made = Classifier(**SMALL).fit((x, np.where(k, "a", "b")))
    rows = {row["model"]: row["accuracy"] for row in made.evaluation.rows}
    assert rows["1-NN, Euclid"] == 1.0 and rows["nearest by mean and deviation"] < 0.9
    assert "1-NN, Euclid (1)" in made.evaluation.verdict[0] or rows["model"] == 1
    sizes = Regressor(**SMALL).fit((x * 3, [str(float(one)) for one in k]))
    mae = {row["model"]: row["MAE"] for row in sizes.evaluation.rows}
    assert mae["1-NN, Euclid"] == 0.0 and mae["mean"] > 0.3


def test_texts_have_no_series_and_a_run_without_its_data_says_so(tmp_path):
    texts = ["a b", "b a", "a a", "b b"] * 6
    made = Classifier(**SMALL).fit((texts, ["x", "y"] * 12))
    assert [row["model"] for row in made.evaluation.rows[1:]] == [
        "naive Bayes of symbols",
        "nearest by shares of symbols",
        "majority class",
    ]
    numbers = from_arrays(walks(30, 8), ["a", "b"] * 15)
    Classifier(**SMALL).fit(numbers, out=tmp_path / "run")
    newer = from_arrays(walks(30, 9), ["a", "b"] * 15)
    found = Classifier.load(tmp_path / "run").evaluate(newer)
    assert "1-NN, Euclid" not in {row["model"] for row in found.rows}
    assert found.verdict[-1].startswith("there is no training part to compare with: ")
