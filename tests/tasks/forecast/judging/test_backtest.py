"""Origins, and that the model and the baselines are judged on the same of them."""

import math

import numpy as np
import polars as pl
import pytest

from tests.tasks.forecast.cases import coded, hourly, noisy, plan, predictor, reader
from unrolled.errors import DataError
from unrolled.tasks.baselines import BASELINES
from unrolled.tasks.forecast.judging.backtest import MODEL, backtest, find_origins
from unrolled.tasks.forecast.judging.naive2 import naive2


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
    frames = [noisy(T, seed=T) for T in (80, 60)]
    frames[1] = frames[1].with_columns(pl.col("y") - 9)  # below 0 there is no Naive2
    files = [coded(frame)[2] for frame in frames]
    series = [codec.encode(file.series[0], 1) for file in files]
    sizes = plan(window=7, horizon=4, season=24)
    origins = find_origins(series, [60, 45], sizes, 1000)
    found = backtest(predictor(codec, reader(codec, [[0]])), series, origins, sizes)
    N = len(origins)
    assert found.y.shape == (N, 4, 1) and set(found.forecasts) == {
        MODEL,
        *BASELINES,
    }  # no series has a week behind its first origin
    for n in range(N):
        y, o = series[found.series[n]].y, found.origins[n]
        assert np.array_equal(found.y[n], y[o + 1 : o + 5])
        for name, make in BASELINES.items():
            assert np.array_equal(found.forecasts[name].point[n], make(y, np.array([o]), 4, 24)[0])
    # This network is persistence in float32.
    persistence = found.forecasts["persistence"].point
    np.testing.assert_allclose(found.forecasts[MODEL].point, persistence, atol=1e-6)


def test_naive2_stands_beside_several_series_that_are_above_0():
    codec, [one], _ = coded(noisy(90).with_columns(pl.col("y") + 9))
    [other] = coded(noisy(80, seed=1).with_columns(pl.col("y") + 9))[1]
    sizes, asked = plan(season=24), predictor(codec, reader(codec, [[0]]))
    pair = backtest(asked, [one, other], find_origins([one, other], [70, 70], sizes, 99), sizes)
    at = pair.origins[pair.series == 1]
    assert np.array_equal(pair.forecasts["naive2"].point[pair.series == 1], naive2(other.y, at, 4, 24))
    alone = backtest(asked, [one], find_origins([one], [70], sizes, 99), sizes)
    assert "naive2" not in alone.forecasts


def test_without_a_season_there_is_no_seasonal_naive():
    codec, series, _ = coded(noisy(60))
    sizes = plan(season=1)
    found = backtest(
        predictor(codec, reader(codec, [[0]])), series, find_origins(series, [40], sizes, 9), sizes
    )
    assert set(found.forecasts) == {MODEL, "persistence", "mean", "drift", "seasonal naive (24)"}
    assert found.naive == "persistence"


def test_natural_seasons_stand_beside_the_one_that_was_found_where_they_are_behind_every_origin():
    codec, series, _ = coded(noisy(400))
    for first, season, wanted in ((100, 24, []), (168, 24, [168]), (167, 1, [24]), (300, 168, [24])):
        sizes = plan(season=season)
        at = find_origins(series, [first], sizes, 9)
        found = backtest(predictor(codec, reader(codec, [[0]])), series, at, sizes)
        more = [name for name in found.forecasts if "(" in name]
        assert more == [f"seasonal naive ({m})" for m in wanted]
        for m, name in zip(wanted, more, strict=True):
            own = found.forecasts[name].point
            assert np.array_equal(own, BASELINES["seasonal naive"](series[0].y, at.of[0], 4, m))


def test_origins_of_many_series_are_spread_over_time_and_series():
    series = [coded(noisy(100, seed=k))[1][0] for k in range(50)]
    sizes = plan(window=7, horizon=4, season=1)
    origins = find_origins(series, [60] * 50, sizes, 20)
    assert [len(at) for at in origins.of] == [1] * 50, "one of each at least"
    places = np.sort(np.concatenate(origins.of))
    assert places[0] < 62 and places[-1] > 92 and np.diff(places).max() <= 2, (
        "all over the 37 that are possible"
    )
    more = find_origins(series, [60] * 50, sizes, 400)
    assert 350 <= len(more) <= 450 and {len(at) for at in more.of} <= {7, 8}
    assert len({int(at[0]) for at in more.of}) == more.stride
    assert [at.tolist() for at in find_origins(series, [60] * 50, sizes, 400).of] == [
        at.tolist() for at in more.of
    ]


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
