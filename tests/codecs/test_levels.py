"""Loudness taken out of log-mel rows: known values, and the same however the rows come."""

import json
from itertools import pairwise

import numpy as np
import pytest

from unrolled.codecs.levels import DEPTH, Level

NAN = np.nan


def rows(T, M=3, seed=0):
    x = np.random.default_rng(seed).normal(-8, 4, (T, M))
    x[T // 2] = NAN
    return x


def test_a_recording_is_less_its_own_loudest():
    x = np.array([[-5, -7], [-2, NAN], [-9, -3]])
    assert np.array_equal(Level("recording").whole(x), [[-3, -5], [0, NAN], [-7, -1]], equal_nan=True)


@pytest.mark.parametrize("kind", ["recording", "running"])
def test_what_is_deep_below_is_silence(kind):
    x = np.array([[0.0, -9.0], [-30, -23], [NAN, -11]])
    y = Level(kind, 0.0, 0.0).whole(x)
    assert np.array_equal(y, [[0, -9], [-DEPTH, -DEPTH], [NAN, -DEPTH]], equal_nan=True)


def test_the_running_one_falls_and_begins_above_the_first_frame():
    x = np.array([[-5, -7], [-2, -9], [1, 0], [NAN, NAN], [-9, -3]])
    peaks = [-1, -1.5, 1, 0.5, 0]
    y = Level("running", ahead=4.0, fall=0.5).whole(x)
    assert np.array_equal(y, x - np.array(peaks)[:, None], equal_nan=True)


def test_it_begins_where_training_recordings_did():
    quiet_then_loud = [np.array([[-9, -9], [h, -9]], np.float32) for h in (-7, -6, 0)]
    level = Level.fit("running", quiet_then_loud, hop_ms=10)
    assert level.ahead == 3
    assert level.fall == pytest.approx(0.03 * np.log(10) / 10)  # 3 dB a second


@pytest.mark.parametrize("level", [Level("recording"), Level("running", 2.0, 0.25)])
def test_a_gain_changes_nothing(level):
    x = np.round(rows(40) * 64) / 64  # sums with another such number are exact
    assert np.array_equal(level.whole(x - 4.625), level.whole(x), equal_nan=True)


def test_chunks_and_company_change_no_bit():
    level, x, other = Level("running", 1.7, 0.013), rows(50), rows(50, seed=1)
    whole, draw = level.whole(x), np.random.default_rng(2)
    for _ in range(5):
        cuts = [0, *np.sort(draw.integers(0, 51, 6)).tolist(), 50]
        p, parts = level.start(2), []
        for a, b in pairwise(cuts):
            y, p = level(np.stack([other[a:b], x[a:b]], 1), p)
            parts.append(y[:, 1])
        assert np.array_equal(np.concatenate(parts), whole, equal_nan=True)


def test_it_is_restored_to_the_bit():
    level = Level("running", 0.1 + 0.2, 1 / 3)
    assert Level.restore(json.loads(json.dumps(level.about()))) == level


@pytest.mark.parametrize(
    "about",
    [
        {"kind": "loud"},
        {"kind": "running", "ahead": NAN},
        {"kind": "running", "fall": -1.0},
        {"kind": "running", "ahead": "2"},
        {"kind": "running", "rise": 2.0},
        [],
    ],
)
def test_a_damaged_description_is_refused(about):
    with pytest.raises((TypeError, ValueError)):
        Level.restore(about)
