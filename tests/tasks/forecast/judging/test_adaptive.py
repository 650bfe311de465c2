"""Intervals that follow the errors, on series whose spread changes."""

import numpy as np
import pytest

from unrolled.codecs.scaling import Scaler
from unrolled.tasks.forecast.judging.adaptive import adaptive_quantiles
from unrolled.tasks.forecast.judging.backtest import Backtest
from unrolled.tasks.forecast.paths import Forecast

H = 4
LEVELS = 0.05, 0.25, 0.5, 0.75, 0.95
WIDTHS = np.array([-1.6449, -0.6745, 0, 0.6745, 1.6449])  # quantiles of the standard normal distribution
WIDTH = WIDTHS[-1]


def judged(scale, origins, H=H, K=1):
    """Forecasts of 0 with the intervals of unit noise, and outcomes (N, H, K) whose spread is `scale` at a
    time."""
    noise = np.random.default_rng(3).standard_normal(len(scale)) * scale
    y = noise[origins[:, None] + np.arange(1, H + 1)][..., None].repeat(K, -1)
    point = np.zeros(y.shape)
    forecast = Forecast(point, point[..., None] + WIDTHS)
    series = np.zeros(len(origins), np.int64)
    stride = int(origins[1] - origins[0])
    return Backtest(("y",), series, origins, stride, y, {"model": forecast}, np.ones((1, K)), "persistence")


def coverage(test, q, pair=0):
    """Of the outcomes that are not missing, those of forecasts that are told."""
    inside = (q[..., pair] <= test.y) & (test.y <= q[..., -1 - pair])
    return float(inside[~np.isnan(test.y) & ~np.isnan(q[..., 0])].mean())


def adaptive(test):
    return adaptive_quantiles(test, LEVELS, Scaler.none(test.y.shape[-1]))


@pytest.mark.parametrize("spread, fixed", [(1.0, 0.9), (3.0, 0.42), (0.3, 1.0)])
@pytest.mark.parametrize("stride, horizon, K", [(2, 4, 1), (1, 13, 2), (5, 3, 1), (1, 1, 1)])
def test_as_many_are_inside_as_should_be_whatever_the_spread(spread, fixed, stride, horizon, K):
    test = judged(np.full(5010, spread), np.arange(20, 4900, stride), horizon, K)
    assert coverage(test, test.forecasts["model"].quantiles) == pytest.approx(fixed, abs=0.03)
    intervals = adaptive(test)
    assert coverage(test, intervals) == pytest.approx(0.9, abs=0.025)
    assert coverage(test, intervals, 1) == pytest.approx(0.5, abs=0.04)
    assert (np.diff(intervals, axis=-1) >= 0).all() and (intervals[..., 2] == 0).all()


def test_a_change_on_the_way_is_followed():
    test = judged(np.where(np.arange(4010) < 2000, 1.0, 4.0), np.arange(20, 4000))
    assert coverage(test, test.forecasts["model"].quantiles) < 0.7
    intervals = adaptive(test)
    assert coverage(test, intervals) == pytest.approx(0.9, abs=0.02)
    assert coverage(test, intervals, 1) == pytest.approx(0.5, abs=0.03)


def test_nothing_is_known_before_its_whole_horizon_has_come():
    """The outcomes of an origin change what is told from the end of its horizon on, and nothing before."""
    origins = np.arange(20, 400)
    test = judged(np.ones(410), origins)
    before = adaptive(test)
    test.y[100] = 1e9  # of this origin alone
    changed = np.flatnonzero((adaptive(test) != before).any((1, 2, 3)))
    assert changed[0] == 100 + H and len(changed) > 250


@pytest.mark.parametrize("origins", [np.arange(20, 40), np.arange(20, 53)])
def test_few_origins_tell_nothing(origins):
    test = judged(np.ones(80), origins, 4 if len(origins) < 30 else 8)
    assert np.isnan(adaptive(test)).all()


def test_missing_outcomes_do_not_count():
    test = judged(np.full(1510, 3.0), np.arange(20, 1500))
    test.y[::3] = np.nan
    assert coverage(test, adaptive(test)) == pytest.approx(0.9, abs=0.03)
    test.y[:] = np.nan
    assert (adaptive(test) == test.forecasts["model"].quantiles).all()


def test_each_series_and_each_target_has_widths_of_its_own():
    calm, wild = (judged(np.full(1510, spread), np.arange(20, 1500)) for spread in (1.0, 3.0))
    both = Backtest(
        ("a", "b"),
        np.repeat([0, 1], 1480),
        np.concatenate([calm.origins] * 2),
        1,
        np.concatenate([calm.y, wild.y]),
        {"model": Forecast.joined([one.forecasts["model"] for one in (calm, wild)])},
        np.ones((2, 1)),
        "persistence",
    )
    assert np.array_equal(adaptive(both), np.concatenate([adaptive(calm), adaptive(wild)]))
    together = judged(np.full(1510, 1.0), np.arange(20, 1500), K=2)
    together.y[..., 1] = wild.y[..., 0]
    alone = np.concatenate([adaptive(calm), adaptive(wild)], 2)
    assert np.array_equal(adaptive(together), alone)


def test_points_have_none():
    test = judged(np.ones(80), np.arange(20, 60))
    test.forecasts["model"] = Forecast(test.forecasts["model"].point)
    assert adaptive(test) is None
