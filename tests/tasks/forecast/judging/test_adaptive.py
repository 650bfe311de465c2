"""Intervals that follow the errors, on series whose spread changes."""

import numpy as np
import pytest

from unrolled.tasks.forecast.judging.adaptive import adaptive_coverage
from unrolled.tasks.forecast.judging.backtest import Backtest
from unrolled.tasks.forecast.paths import Forecast

H = 4
WIDTH = 1.6449  # of the 90 % interval of a standard normal distribution, to each side


def judged(scale, origins, H=H, K=1):
    """Forecasts of 0 with the intervals of unit noise, and outcomes (N, H, K) whose spread is `scale` at a
    time."""
    noise = np.random.default_rng(3).standard_normal(len(scale)) * scale
    y = noise[origins[:, None] + np.arange(1, H + 1)][..., None].repeat(K, -1)
    point = np.zeros(y.shape)
    forecast = Forecast(point, np.stack([point - WIDTH, point, point + WIDTH], -1))
    series = np.zeros(len(origins), np.int64)
    return Backtest(
        ("y",), series, origins, 1, y, {"model": forecast}, np.ones((1, K)), "persistence"
    ), forecast


def coverage(test, forecast):
    q = forecast.quantiles
    return float(((q[..., 0] <= test.y) & (test.y <= q[..., -1])).mean())


@pytest.mark.parametrize("spread, fixed", [(1.0, 0.9), (3.0, 0.42), (0.3, 1.0)])
def test_as_many_are_inside_as_should_be_whatever_the_spread(spread, fixed):
    origins = np.arange(20, 3000, 2)
    test, forecast = judged(np.full(3010, spread), origins)
    assert coverage(test, forecast) == pytest.approx(fixed, abs=0.03)
    assert adaptive_coverage(test, forecast, slice(None), 0.9) == pytest.approx(0.9, abs=0.02)


def test_a_change_on_the_way_is_followed():
    origins = np.arange(20, 4000)
    test, forecast = judged(np.where(np.arange(4010) < 2000, 1.0, 4.0), origins)
    assert coverage(test, forecast) < 0.7
    assert adaptive_coverage(test, forecast, slice(None), 0.9) == pytest.approx(0.9, abs=0.02)


def test_nothing_is_known_before_its_whole_horizon_has_come():
    """Outcomes of the last horizon change nothing that was told before them."""
    origins = np.arange(20, 400)
    test, forecast = judged(np.ones(410), origins)
    before = adaptive_coverage(test, forecast, slice(None), 0.9) * test.y.size
    inside = np.abs(test.y[-1]) <= WIDTH
    test.y[-1] = 1e9  # the last origin's outcomes alone
    after = adaptive_coverage(test, forecast, slice(None), 0.9) * test.y.size
    assert 0 <= before - after <= inside.size


@pytest.mark.parametrize("origins", [np.arange(20, 40), np.arange(20, 53)])
def test_few_origins_tell_nothing(origins):
    H = 4 if len(origins) < 30 else 8
    test, forecast = judged(np.ones(80), origins, H)
    assert np.isnan(adaptive_coverage(test, forecast, slice(None), 0.9))


def test_missing_outcomes_do_not_count():
    origins = np.arange(20, 1500)
    test, forecast = judged(np.full(1510, 3.0), origins)
    test.y[::3] = np.nan
    assert adaptive_coverage(test, forecast, slice(None), 0.9) == pytest.approx(0.9, abs=0.03)
