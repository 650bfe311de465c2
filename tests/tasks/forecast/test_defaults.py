"""What is chosen where the configuration leaves it open."""

import numpy as np
import polars as pl
import pytest

from tests.tasks.forecast.cases import hourly, noisy
from unrolled.errors import ConfigError, DataError
from unrolled.files.query import Query
from unrolled.files.series import read_series
from unrolled.tasks.config import from_options
from unrolled.tasks.forecast.config import ForecastConfig, ForecastTraining
from unrolled.tasks.forecast.defaults import _steps as steps_of
from unrolled.tasks.forecast.defaults import settle
from unrolled.tasks.forecast.direct import base
from unrolled.tasks.forecast.level import found_level


def settled(frame, **options):
    options = {"target": "y"} | options
    return settle(from_options(ForecastConfig, options), read_series(frame, Query(targets=("y",))))


def test_an_hourly_series():
    configuration = settled(noisy(1000), strategy="recursive", test=200, validation=100)
    plan = configuration.config.plan()
    assert (plan.season, plan.horizon, plan.window, plan.level, plan.steps) == (24, 24, 48, ("absolute",), 1)
    assert configuration.ends == ((700, 800),) and configuration.periods == ()
    assert configuration.config.data.time == "time" and configuration.config.training.threads >= 1
    notes = "\n".join(configuration.notes)
    assert "horizon: 24" in notes and "window: 48" in notes and "season: a natural period" in notes
    assert "level: absolute" in notes


def test_a_direct_forecast_of_an_hourly_series():
    """The week repeats as its days do. Four of them are more than a third of 700 steps: a window holds one,
    and a value."""
    configuration = settled(noisy(1000), test=200, validation=100)
    plan = configuration.config.plan()
    assert configuration.periods == (24, 168) and configuration.config.forecast.strategy == "direct"
    assert (plan.season, plan.horizon, plan.level, plan.steps) == (24, 24, (), 24)
    assert plan.window == base.length(configuration.periods, 24, 700) == 169
    notes = "\n".join(configuration.notes)
    assert "horizon: 24" in notes and "window: 169" in notes and "level" not in notes


@pytest.mark.parametrize("horizon", [None, 1, 6])
def test_a_direct_network_gives_the_whole_horizon_at_once(horizon):
    plan = settled(noisy(500), horizon=horizon).config.plan()
    assert plan.steps == plan.horizon == (horizon or 24)
    plan = settled(noisy(500), horizon=horizon, strategy="recursive").config.plan()
    assert (plan.steps, plan.horizon) == (1, horizon or 24)


@pytest.mark.parametrize(
    "options, wanted",
    [
        ({"horizon": 10, "validation": 30}, True),
        ({"horizon": 10, "validation": 29}, False),  # less than three horizons
        ({"horizon": 10, "validation": 29, "calibrate": True}, True),
        ({"horizon": 10, "validation": 30, "calibrate": False}, False),
        ({"horizon": 10, "validation": 30, "output": "gaussian"}, False),
    ],
)
def test_points_have_intervals_where_the_validation_part_can_tell_them(options, wanted):
    configuration = settled(noisy(500), **options)
    assert configuration.config.forecast.calibrate is wanted
    few = "intervals: none; the validation part spans 2.9 horizons, too few to calibrate: 3 are wanted"
    assert (few in configuration.notes) == (options == {"horizon": 10, "validation": 29})


def test_forecasts_of_the_direct_strategy_alone_are_calibrated():
    for options in ({"strategy": "recursive"}, {"output": "bernoulli"}):
        with pytest.raises(ConfigError, match=r"calibrate belongs to strategy='direct', .* leave it out"):
            from_options(ForecastConfig, options | {"calibrate": True})


def several_series(S):
    frames = [noisy(60, seed=k).with_columns(id=pl.lit(f"s{k}")) for k in range(S)]
    return read_series(pl.concat(frames), Query(targets=("y",), id="id"))


def test_many_series_or_targets_lessen_absolute_errors():
    both = read_series(noisy(300).with_columns(z=pl.col("y") ** 2), Query(targets=("y", "z")))
    alone = read_series(noisy(300), Query(targets=("y",)))
    files = [(alone, "squared"), (both, "absolute")]
    files += [(several_series(29), "squared"), (several_series(30), "absolute")]
    for file, wanted in files:
        assert settle(ForecastConfig(), file).config.forecast.error == wanted
    named = from_options(ForecastConfig, {"error": "absolute"})
    assert settle(named, alone).config.forecast.error == "absolute"
    # A distribution is trained by its own loss, whatever the data.
    named = from_options(ForecastConfig, {"output": "gaussian"})
    assert settle(named, both).config.forecast.error == "squared"


@pytest.mark.parametrize(
    "values, targets, steps", [(700, 1, 400), (8_000, 1, 800), (2_000, 7, 1200), (10**6, 1, 1500)]
)
def test_the_larger_the_data_the_longer_the_training(values, targets, steps):
    """From 400 on, linear up to 1,500 at 20,000 values, in hundreds."""
    configuration = steps_of(ForecastTraining(), values, targets)
    assert configuration.steps == steps and configuration.epochs is None
    for limit in ({"steps": 7}, {"epochs": 3}, {"minutes": 2.0}):
        training = ForecastTraining(**limit)
        assert steps_of(training, values, targets) == training


@pytest.mark.parametrize(
    "strategy, name, value",
    [
        ("recursive", "level", "relative"),
        ("recursive", "residual", False),
        ("recursive", "loss_at", "last"),
        ("direct", "members", 3),
        ("direct", "error", "squared"),
    ],
)
def test_options_of_one_strategy_are_refused_by_the_other(strategy, name, value):
    other = {"direct": "recursive", "recursive": "direct"}[strategy]
    with pytest.raises(
        ConfigError, match=f"^{name} belongs to strategy='{strategy}'; set that, or leave {name} out"
    ):
        from_options(ForecastConfig, {name: value, "strategy": other})
    from_options(ForecastConfig, {name: value, "strategy": strategy})


@pytest.mark.parametrize("change", [{"error": "absolute"}, {"calibrate": True}, {"scale": "pooled"}])
def test_what_belongs_to_numbers_is_refused_by_counts(change):
    [name] = change
    with pytest.raises(
        ConfigError, match=rf"^{name}=.* has no use with output='poisson', .* leave {name} out"
    ):
        from_options(ForecastConfig, change | {"output": "poisson"})
    from_options(ForecastConfig, {"scale": "window", "members": 3, "output": "poisson"})


@pytest.mark.parametrize(
    "strategy, open_",
    [("direct", ["members", "level"]), ("recursive", ["members", "error", "calibrate", "scale"])],
)
def test_nothing_is_left_open_and_settling_again_changes_nothing(strategy, open_):
    """But for what belongs to the other strategy, and the members, which follow from how windows are read."""
    once = settled(noisy(500), strategy=strategy).config
    again = settle(once, read_series(noisy(500), Query(targets=("y",)))).config
    assert again == once
    options = once.forecast.model_dump()
    assert [name for name, value in options.items() if value is None] == open_ and once.data.sha256


def test_what_is_named_stays():
    configuration = settled(
        noisy(500), window=11, horizon=3, season=5, level="relative", strategy="recursive"
    ).config
    plan = configuration.plan()
    assert (plan.window, plan.horizon, plan.season, plan.level, plan.steps) == (11, 3, 5, ("relative",), 1)
    plan = settled(noisy(500), window=11, horizon=3, season=5).config.plan()
    assert (plan.window, plan.horizon, plan.season, plan.level, plan.steps) == (11, 3, 5, (), 3)


def test_a_step_without_natural_periods():
    t = np.arange(300)
    wave = np.sin(2 * np.pi * t / 13) + 0.1 * np.random.default_rng(0).standard_normal(300)
    plan = settled(pl.DataFrame({"time": t, "y": wave}), strategy="recursive").config.plan()
    assert (plan.season, plan.horizon, plan.window) == (13, 13, 48)
    # Whole seasons of a third of the 210 steps of training before a horizon.
    plan = settled(pl.DataFrame({"time": t, "y": wave})).config.plan()
    assert (plan.season, plan.horizon, plan.window) == (13, 13, 65)
    walk = np.cumsum(np.random.default_rng(0).standard_normal(300))
    plan = settled(pl.DataFrame({"time": t, "y": walk})).config.plan()
    assert (plan.season, plan.horizon, plan.window) == (1, 10, base.LEAST_WINDOW)


def test_short_series_get_short_windows_and_horizons():
    plan = settled(noisy(60), strategy="recursive").config.plan()
    assert (plan.window, plan.horizon) == (42 // 4, 12 // 2)
    plan = settled(noisy(60)).config.plan()
    assert (plan.window, plan.horizon) == ((42 - 6) // 3, 12 // 2)


def test_a_slow_series_is_read_relative_to_its_window():
    walk = np.cumsum(np.random.default_rng(0).standard_normal(2000))
    frame = pl.DataFrame({"time": hourly(2000), "y": walk})
    assert settled(frame, strategy="recursive").config.forecast.level == ("relative",)


def test_each_target_has_its_own_level():
    walk = np.cumsum(np.random.default_rng(0).standard_normal(500))
    frame = noisy(500).with_columns(z=walk)
    file = read_series(frame, Query(targets=("y", "z")))
    recursive = {"strategy": "recursive"}
    configuration = settle(from_options(ForecastConfig, recursive), file)
    assert configuration.config.plan().level == ("absolute", "relative")
    named = from_options(ForecastConfig, recursive | {"level": "relative"})
    assert settle(named, file).config.plan().level == ("relative", "relative")
    with pytest.raises(ConfigError, match="level: wanted one for all targets or 2, one each; got 3"):
        settle(from_options(ForecastConfig, recursive | {"level": ["relative"] * 3}), file)


def test_series_of_very_different_level_are_read_relative():
    frames = [noisy(300).with_columns(pl.col("y") * 0.1 + 100 * i, id=pl.lit(f"s{i}")) for i in range(4)]
    file = read_series(pl.concat(frames), Query(targets=("y",), id="id"))
    config = from_options(ForecastConfig, {"strategy": "recursive"})
    assert settle(config, file).config.forecast.level == ("relative",)


def test_each_series_is_cut_at_its_own_shares():
    frames = [noisy(T).with_columns(id=pl.lit(f"s{T}")) for T in (100, 40)]
    file = read_series(pl.concat(frames), Query(targets=("y",), id="id"))
    configuration = settle(from_options(ForecastConfig, {"validation": 0.1, "test": 0.2}), file)
    assert configuration.ends == ((70, 80), (28, 32))


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
    assert found_level(parts, 20) == found_level([part * 1e306 for part in parts], 20) == ("relative",)
