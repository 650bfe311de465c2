"""What is chosen where the configuration leaves it open."""

import numpy as np
import polars as pl
import pytest

from tests.tasks.forecast.cases import hourly, noisy
from unrolled.errors import ConfigError, DataError
from unrolled.files.query import Query
from unrolled.files.series import read_series
from unrolled.tasks.config import from_options, to_sections
from unrolled.tasks.forecast.config import ForecastConfig
from unrolled.tasks.forecast.defaults import _found_level, settle


def settled(frame, **options):
    options = {"target": "y"} | options
    return settle(from_options(ForecastConfig, options), read_series(frame, Query(targets=("y",))))


def test_an_hourly_series():
    found = settled(noisy(1000), test=200, validation=100)
    plan = found.config.plan()
    assert (plan.season, plan.horizon, plan.window, plan.level, plan.steps) == (24, 24, 48, ("absolute",), 1)
    assert found.ends == ((700, 800),)
    assert found.config.data.time == "time" and found.config.training.threads >= 1
    notes = "\n".join(found.notes)
    assert "horizon: 24" in notes and "window: 48" in notes and "season: a natural period" in notes


def test_nothing_is_left_open_and_settling_again_changes_nothing():
    once = settled(noisy(500)).config
    again = settle(once, read_series(noisy(500), Query(targets=("y",)))).config
    assert again == once
    assert None not in to_sections(once)["forecast"].values() and once.data.sha256


def test_what_is_named_stays():
    found = settled(noisy(500), window=11, horizon=3, season=5, level="relative", strategy="direct").config
    plan = found.plan()
    assert (plan.window, plan.horizon, plan.season, plan.level, plan.steps) == (11, 3, 5, ("relative",), 3)


def test_a_step_without_natural_periods():
    t = np.arange(300)
    wave = np.sin(2 * np.pi * t / 13) + 0.1 * np.random.default_rng(0).standard_normal(300)
    plan = settled(pl.DataFrame({"time": t, "y": wave})).config.plan()
    assert (plan.season, plan.horizon, plan.window) == (13, 13, 48)
    walk = np.cumsum(np.random.default_rng(0).standard_normal(300))
    plan = settled(pl.DataFrame({"time": t, "y": walk})).config.plan()
    assert (plan.season, plan.horizon) == (1, 10)


def test_short_series_get_short_windows_and_horizons():
    plan = settled(noisy(60)).config.plan()
    assert (plan.window, plan.horizon) == (42 // 4, 12 // 2)


def test_a_slow_series_is_read_relative_to_its_window():
    walk = np.cumsum(np.random.default_rng(0).standard_normal(2000))
    frame = pl.DataFrame({"time": hourly(2000), "y": walk})
    assert settled(frame).config.forecast.level == ("relative",)


def test_each_target_has_its_own_level():
    walk = np.cumsum(np.random.default_rng(0).standard_normal(500))
    frame = noisy(500).with_columns(z=walk)
    file = read_series(frame, Query(targets=("y", "z")))
    assert settle(ForecastConfig(), file).config.plan().level == ("absolute", "relative")
    named = from_options(ForecastConfig, {"level": "relative"})
    assert settle(named, file).config.plan().level == ("relative", "relative")
    with pytest.raises(ConfigError, match="level: wanted one for all targets or 2, one each; got 3"):
        settle(from_options(ForecastConfig, {"level": ["relative"] * 3}), file)


def test_series_of_very_different_level_are_read_relative():
    frames = [noisy(300).with_columns(pl.col("y") * 0.1 + 100 * i, id=pl.lit(f"s{i}")) for i in range(4)]
    file = read_series(pl.concat(frames), Query(targets=("y",), id="id"))
    assert settle(ForecastConfig(), file).config.forecast.level == ("relative",)


def test_each_series_is_cut_at_its_own_shares():
    frames = [noisy(T).with_columns(id=pl.lit(f"s{T}")) for T in (100, 40)]
    file = read_series(pl.concat(frames), Query(targets=("y",), id="id"))
    found = settle(from_options(ForecastConfig, {"validation": 0.1, "test": 0.2}), file)
    assert found.ends == ((70, 80), (28, 32))


def test_other_data_than_the_checksum_says_are_refused():
    config = settled(noisy(200)).config
    with pytest.raises(DataError, match=r"the data have changed: wanted sha256 .*delete its line 'sha256'"):
        settle(config, read_series(noisy(200, seed=1), Query(targets=("y",))))


def test_a_season_longer_than_the_training_part():
    with pytest.raises(DataError, match="season=90 needs more than 90 steps of training data, there are 70"):
        settled(noisy(100), season=90)


def test_shares_that_cannot_be():
    with pytest.raises(ConfigError, match="validation"):
        settled(noisy(100), validation=1.5)
    with pytest.raises(DataError, match=r"validation \(60\) and test \(40\)"):
        settled(noisy(100), validation=60, test=40)


def test_values_whose_squares_are_infinite_have_a_level_too():
    walk = np.random.default_rng(0).standard_normal((400, 1)).cumsum(0)
    parts = [walk, walk[:300] * 2]
    assert _found_level(parts, 20) == _found_level([part * 1e306 for part in parts], 20) == ("relative",)
