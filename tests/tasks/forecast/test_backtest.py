"""Origins, and that the model and the baselines are judged on the same of them."""

import math

import numpy as np
import polars as pl
import pytest

from tests.tasks.forecast.cases import coded, hourly, noisy, plan, predictor, reader
from unrolled.errors import DataError
from unrolled.tasks.baselines import BASELINES
from unrolled.tasks.forecast.backtest import MODEL, backtest, find_origins


def test_origins_are_all_that_have_a_window_a_season_and_a_horizon():
    _, [series], _ = coded(noisy(60))
    origins = find_origins([series], [40], plan(window=7, horizon=4, season=12), most=1000)
    # The first judged step is 40, so the first origin is 39; the last leaves 4 steps of 60.
    assert origins.of[0].tolist() == list(range(39, 56)) and origins.stride == 1
    origins = find_origins([series], [0], plan(window=7, horizon=4, season=12), most=1000)
    assert origins.of[0][0] == 11
    origins = find_origins([series], [0], plan(window=30, horizon=4, season=12), most=1000)
    assert origins.of[0][0] == 29


@pytest.mark.parametrize("season", [1, 2, 6, 24])
@pytest.mark.parametrize("most", [1, 5, 10, 100])
def test_the_stride_keeps_the_count_and_meets_every_phase(season, most):
    _, [series], _ = coded(noisy(200))
    origins = find_origins([series], [100], plan(season=season), most)
    assert 1 <= len(origins) <= most and math.gcd(origins.stride, season) == 1


def test_series_too_short_for_an_origin_have_none():
    series = [coded(noisy(T))[1][0] for T in (60, 9)]
    origins = find_origins(series, [40, 0], plan(season=1), 1000)
    assert [len(part) for part in origins.of] == [17, 0] and len(origins) == 17


def test_no_origin_at_all_is_an_error_with_numbers():
    _, series, _ = coded(noisy(60))
    with pytest.raises(DataError, match="has 60 steps, of which 3 are to be judged; wanted 4 or more"):
        find_origins(series, [57], plan(horizon=4), 10)


def test_the_same_origins_for_all():
    codec = coded(noisy(80))[0]
    files = [coded(noisy(T, seed=T))[2] for T in (80, 60)]
    series = [codec.encode(file.series[0], 1) for file in files]
    sizes = plan(window=7, horizon=4, season=24)
    origins = find_origins(series, [60, 45], sizes, 1000)
    found = backtest(predictor(codec, reader(codec, [[0]])), series, origins, sizes)
    N = len(origins)
    assert found.y.shape == (N, 4, 1) and set(found.forecasts) == {MODEL, *BASELINES}
    for n in range(N):
        y, o = series[found.series[n]].y, found.origins[n]
        assert np.array_equal(found.y[n], y[o + 1 : o + 5])
        for name, make in BASELINES.items():
            assert np.array_equal(found.forecasts[name].point[n], make(y, np.array([o]), 4, 24)[0])
    # This network is persistence in float32.
    persistence = found.forecasts["persistence"].point
    np.testing.assert_allclose(found.forecasts[MODEL].point, persistence, atol=1e-6)


def test_without_a_season_there_is_no_seasonal_naive():
    codec, series, _ = coded(noisy(60))
    sizes = plan(season=1)
    found = backtest(
        predictor(codec, reader(codec, [[0]])), series, find_origins(series, [40], sizes, 9), sizes
    )
    assert set(found.forecasts) == {MODEL, "persistence", "drift"}


def test_origins_among_gaps_have_something_to_go_by_and_to_be_judged_by():
    y = np.full(40, np.nan)
    y[[3, 8, 9, 20, 30, 31, 39]] = range(7)
    frame = pl.DataFrame({"time": hourly(40), "y": y})
    codec, [series], _ = coded(frame, gaps="forward")
    sizes = plan(window=2, horizon=4, season=1)
    origins = find_origins([series], [0], sizes, 1000)
    # The second value stands at 8; outcomes stand in the four steps after each origin.
    wanted = [o for o in range(8, 36) if np.isfinite(y[o + 1 : o + 5]).any()]
    assert origins.of[0].tolist() == wanted
    found = backtest(predictor(codec, reader(codec, [[0]]), window=2), [series], origins, sizes)
    assert np.array_equal(found.y[..., 0], [y[o + 1 : o + 5] for o in wanted], equal_nan=True)
    assert all(np.isfinite(forecast.point).all() for forecast in found.forecasts.values())
    assert np.array_equal(found.forecasts["persistence"].point[0, :, 0], [1, 1, 1, 1])


def test_gaps_alone_have_no_origin():
    y = np.where(np.arange(40) < 30, np.arange(40.0), np.nan)
    _, series, _ = coded(pl.DataFrame({"time": hourly(40), "y": y}), gaps="forward")
    with pytest.raises(DataError, match="none of the 10 steps to be judged has a value"):
        find_origins(series, [30], plan(horizon=4, season=1), 10)
