"""Baselines against numbers worked out by hand; seasons that are there, and that are not."""

import numpy as np
import pytest

from unrolled.tasks import baselines
from unrolled.tasks.baselines import (
    BASELINES,
    autocorrelation,
    drift,
    find_season,
    mean,
    persistence,
    seasonal_naive,
)

Y = np.array([[1.0, 10], [2, 20], [4, 40], [7, 70], [11, 110], [16, 160]])
ORIGINS = np.array([2, 4])


def test_persistence():
    found = persistence(Y, ORIGINS, 3, 2)
    assert found[:, :, 0].tolist() == [[4, 4, 4], [11, 11, 11]]
    assert found[:, :, 1].tolist() == [[40, 40, 40], [110, 110, 110]]


def test_mean():
    found = mean(Y, ORIGINS, 2, 2)
    assert found[:, :, 0] == pytest.approx(np.array([[7 / 3] * 2, [5] * 2]))
    gaps = np.where(np.arange(6)[:, None] == 1, np.nan, Y)
    assert mean(gaps, ORIGINS, 1, 2)[:, 0, 0] == pytest.approx([2.5, 23 / 4])
    assert mean(Y * 1e306, ORIGINS, 1, 2)[1, 0] == pytest.approx([5e306, 5e307]), "the sum is not finite"


def test_seasonal_naive():
    # From step 2 with season 2: steps 1, 2, 1, 2, 1; from step 4: steps 3, 4, 3, 4, 3.
    found = seasonal_naive(Y, ORIGINS, 5, 2)
    assert found[:, :, 0].tolist() == [[2, 4, 2, 4, 2], [7, 11, 7, 11, 7]]


def test_seasonal_naive_with_a_season_beyond_the_horizon():
    assert seasonal_naive(Y, np.array([4]), 2, 5)[:, :, 0].tolist() == [[1, 2]]


def test_drift():
    # (4 - 1) / 2 and (11 - 1) / 4 a step.
    found = drift(Y, ORIGINS, 2, 2)
    assert found[:, :, 0].tolist() == [[5.5, 7], [13.5, 16]]
    assert found[:, :, 1].tolist() == [[55, 70], [135, 160]]


def test_none_looks_past_the_origin():
    spoilt = Y.copy()
    spoilt[3:] = np.nan
    for make in BASELINES.values():
        assert np.array_equal(make(spoilt, np.array([2]), 4, 3), make(Y, np.array([2]), 4, 3))


def test_gaps_are_stood_for_by_what_was_known_before():
    y = np.array([np.nan, 1.0, 3.0, np.nan, 7.0, np.nan, np.nan, 99.0])[:, None]
    at = np.array([6])  # phases of 2: 3 and 7 were known at even steps, 1 at odd ones
    assert persistence(y, at, 3, 2)[0, :, 0].tolist() == [7, 7, 7]
    assert seasonal_naive(y, at, 4, 2)[0, :, 0].tolist() == [1, 7, 1, 7]
    assert drift(y, at, 2, 2)[0, :, 0].tolist() == [7 + 3 * 2, 7 + 4 * 2]  # from 1 at step 1 to 7 at step 4
    assert seasonal_naive(y[3:], np.array([2]), 2, 2)[0, :, 0].tolist() == [7, 7]  # no other phase is known


@pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
def test_seasons_are_found_among_gaps_and_not_in_noise(share):
    draws = np.random.default_rng(3)
    gone = draws.random((1000, 1)) < share
    assert find_season([np.where(gone, np.nan, wave(1000, 24, noise=0.1))], [24], "1 hour").steps == 24
    noise = draws.standard_normal((2000, 1))
    noise[draws.random((2000, 1)) < share] = np.nan
    assert find_season([noise], [24, 168], "1 hour").steps == 1


def wave(T, *periods, noise=0.0, trend=0.0, seed=0):
    t = np.arange(T)
    y = sum(np.sin(2 * np.pi * t / m) for m in periods) + trend * t
    return (y + noise * np.random.default_rng(seed).standard_normal(T))[:, None]


def test_a_natural_period_is_taken_where_the_data_follow_it():
    season = find_season([wave(1000, 24, noise=0.3, trend=0.2)], [24, 168], "1 hour")
    assert season.steps == 24
    assert "natural period of the step 1 hour" in season.why


def test_the_natural_period_with_the_higher_correlation_is_taken():
    week = np.tile(np.random.default_rng(1).standard_normal(168), 8)[:, None]
    assert find_season([wave(168 * 8, 24) + 3 * week], [24, 168], "1 hour").steps == 168


def test_another_period_is_found_at_the_peak():
    season = find_season([wave(400, 11, noise=0.1)], [], "1 year")
    assert season.steps == 11
    assert "highest peak" in season.why


def test_no_season_in_a_random_walk():
    walk = np.cumsum(np.random.default_rng(2).standard_normal(2000))[:, None]
    season = find_season([walk], [7, 365], "1 day")
    assert season.steps == 1
    assert "tried 7, 365" in season.why


def test_series_are_pooled_and_short_ones_do_no_harm():
    parts = [wave(300, 12, noise=0.2), wave(200, 12, noise=0.2, seed=1), np.zeros((2, 1)), np.ones((50, 1))]
    assert find_season(parts, [12], "1 month").steps == 12


@pytest.mark.parametrize("T", [1, 2, 3, 5])
def test_too_short_for_a_season(T):
    assert find_season([np.arange(float(T))[:, None]], [2], "1 step").steps == 1


def test_autocorrelations_of_series_of_one_length_are_each_by_itself(monkeypatch):
    """Whether they are taken at once, beside others, with gaps or without."""
    draw = np.random.default_rng(0)
    parts = [draw.normal(size=(n, 2)).cumsum(0) for n in (90, 100, 90, 100, 90)]
    parts[2][30:40] = np.nan
    wanted = autocorrelation(parts)
    monkeypatch.setattr(baselines, "TOGETHER", 1)
    assert np.array_equal(autocorrelation(parts), wanted)


def test_autocorrelation_by_hand():
    # Changes 1, -1, 1, -1, 1, -1, centred already: products at lag 1 are -5 of 6, at lag 2 are 4 of 6.
    y = np.array([0.0, 1, 0, 1, 0, 1, 0])[:, None]
    assert autocorrelation([y]) == pytest.approx([1, -5 / 6, 4 / 6])


@pytest.mark.parametrize("unit", [1e300, 1e-300])
def test_a_season_does_not_depend_on_the_unit(unit: float):
    y = np.sin(np.arange(96.0)[:, None] * np.pi / 6) + np.random.default_rng(0).normal(size=(96, 1)) / 9
    assert autocorrelation([unit * y]) == pytest.approx(autocorrelation([y]))
