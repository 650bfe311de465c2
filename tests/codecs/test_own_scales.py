"""Sequences scaled by their own mean and deviation: as a whole, and up to each step."""

from itertools import pairwise

import numpy as np
import pytest

from unrolled.codecs import own_scales

NAN = np.nan


def rows(T, F=3, seed=0):
    z = np.random.default_rng(seed).normal((2, -1, 0), (0.5, 3, 1), (T, F))
    z[np.random.default_rng(seed + 9).random((T, F)) < 0.2] = NAN
    return z


def test_running_moments_are_those_of_training_and_of_what_was_read():
    """With training counted as BEGUN steps of mean 0 and deviation 1, while nothing is forgotten."""
    z = np.random.default_rng(0).normal(3, 2, (40, 1))
    scaled, _ = own_scales.running(z, own_scales.start(1))
    n = own_scales.BEGUN
    for t in (0, 1, 39):
        some = z[: t + 1, 0]
        mean = some.sum() / (n + t + 1)
        variance = (n + np.square(some).sum()) / (n + t + 1) - mean**2
        assert scaled[t, 0] == pytest.approx((z[t, 0] - mean) / np.sqrt(variance), rel=1e-12)


def test_what_is_missing_changes_nothing_and_stays_missing():
    z = rows(30)
    scaled, after = own_scales.running(z, own_scales.start(3))
    assert np.array_equal(np.isnan(scaled), np.isnan(z))
    for f in range(3):
        known = z[~np.isnan(z[:, f]), f][:, None]
        alone, last = own_scales.running(known, own_scales.start(1))
        assert np.array_equal(scaled[~np.isnan(z[:, f]), f], alone[:, 0])
        assert after[own_scales.MEAN][f] == last[own_scales.MEAN][0]


def test_a_gain_is_forgotten():
    z = rows(4000)
    late = [own_scales.running(one, own_scales.start(3))[0][-100:] for one in (z, z - 5)]
    assert np.nanmax(np.abs(late[0] - late[1])) < 0.02


def test_chunks_and_company_change_no_bit():
    z, other, draw = rows(50), rows(50, seed=1), np.random.default_rng(2)
    whole, _ = own_scales.running(z, own_scales.start(3))
    for _ in range(5):
        cuts = [0, *np.sort(draw.integers(0, 51, 6)).tolist(), 50]
        state, parts = own_scales.start(2, 3), []
        for a, b in pairwise(cuts):
            scaled, state = own_scales.running(np.stack([other[a:b], z[a:b]], 1), state)
            parts.append(scaled[:, 1])
        assert np.array_equal(np.concatenate(parts), whole, equal_nan=True)
