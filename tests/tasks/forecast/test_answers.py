"""Quantiles of any level and drawn futures, against distributions whose right answers are known."""

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

from tests.tasks.forecast.cases import STRATEGIES, coded, network, noisy, predictor
from tests.tasks.forecast.test_estimator import SMALL, T, covariates
from unrolled.blocks.outputs import Output
from unrolled.errors import ConfigError, DataError
from unrolled.tasks.forecast import answers, paths
from unrolled.tasks.forecast.estimator import Forecaster


def fitted(frame=None, strategy="recursive", **options):
    options = SMALL | STRATEGIES[strategy] | {"epochs": 1, "output": "gaussian"} | options
    return Forecaster(**options).fit(noisy(T) if frame is None else frame)


def random_walk(output="gaussian", **columns):
    """A network that adds a normal step to the last value, what asks it, and the deviation of its steps."""
    frame = noisy(80).with_columns(**columns)
    codec, [series], file = coded(frame, targets=("y", *columns))
    deviation = (1e-3 + np.log(2)) * codec.scalers["target"].scale
    return predictor(codec, network(codec, output, hidden=2)), series, file, deviation


def test_quantiles_of_any_level_of_a_normal_distribution():
    found = fitted(strategy="direct").predict(quantiles=(0.975, 0.5, 0.1, 0.001))
    assert [name for name in found.columns if name[0] == "q"] == ["q0.001", "q0.1", "q0.5", "q0.975"]
    middle = found["q0.5"].to_numpy()
    assert middle == pytest.approx(found["forecast"].to_numpy(), rel=1e-6)
    deviation = (found["q0.975"].to_numpy() - middle) / 1.959963985
    assert found["q0.1"].to_numpy() == pytest.approx(middle - 1.281551566 * deviation, rel=1e-6)
    assert found["q0.001"].to_numpy() == pytest.approx(middle - 3.090232306 * deviation, rel=1e-6)


@pytest.mark.parametrize("output", ["gaussian", "studentt", "quantiles"])
def test_the_levels_of_the_training_are_those_without_a_wish(output):
    model = fitted(strategy="direct", output=output)
    levels = model.config.forecast.quantile_levels
    assert_frame_equal(model.predict(quantiles=levels), model.predict(), check_exact=True)


def test_levels_between_those_that_were_learnt_are_interpolated_and_others_refused():
    model = fitted(strategy="direct", output="quantiles")
    found = model.predict(quantiles=(0.05, 0.15, 0.25))
    between = (found["q0.05"] + found["q0.25"]) / 2
    assert found["q0.15"].to_numpy() == pytest.approx(between.to_numpy(), rel=1e-6)
    assert model.notices(quantiles=(0.05, 0.15)) == [
        "0.15: interpolated between the quantiles that the model learnt, 0.05, 0.25, 0.5, 0.75 and 0.95"
    ]
    assert model.notices(quantiles=(0.05,)) == model.notices() == []
    with pytest.raises(ConfigError, match=r"from 0\.05 to 0\.95, and knows nothing of 0\.01 and 0\.96"):
        model.predict(quantiles=(0.01, 0.5, 0.96))


def test_quantiles_of_drawn_paths_have_enough_of_them():
    asked, series, _, [deviation] = random_walk()
    rare = answers.at_levels(asked, (0.01, 0.9), drawn=True)
    assert rare.paths == 1000 and answers.at_levels(asked, (0.4,), drawn=True).paths == 50
    q = rare.forecast(series, np.array([79]), 4).quantiles[0, 3, 0]
    # After four steps of a walk the deviation is twice as large; of 1,000 draws the quantile 0.01 has an
    # error of √(0.01 · 0.99 / 1000) / φ(-2.33) = 0.12 deviations.
    assert q == pytest.approx(
        series.y[79, 0] + 2 * deviation * np.array([-2.326, 1.282]), abs=0.8 * deviation
    )
    with pytest.raises(ConfigError, match=r"levels from 0\.0001 to 0\.9999"):
        answers.at_levels(asked, (0.5, 0.99995), drawn=True)
    assert answers.at_levels(asked, (0.00001,), drawn=False).levels == (0.00001,)


def test_a_horizon_shorter_than_that_of_a_direct_network_is_its_first_steps():
    """Whose calendar it reads whole."""
    model = fitted(strategy="direct")
    assert "hour_of_day_sin" in model.codec.series.calendar
    assert_frame_equal(model.predict(horizon=2), model.predict().head(2), check_exact=True)


@pytest.mark.parametrize("levels", [(), (0.5, 1), (0,), (-0.1,), (float("nan"),)])
def test_what_is_no_level(levels):
    with pytest.raises(ConfigError, match="quantiles: wanted numbers between 0 and 1"):
        answers.at_levels(random_walk()[0], levels, drawn=False)


def test_drawn_futures_of_a_random_walk(monkeypatch):
    """Their steps are normal, of the deviation that the head gives, and independent: over time, of the two
    targets, and from one series to another."""
    monkeypatch.setattr(paths, "ROWS_TOGETHER", 999)
    other = pl.Series(np.random.default_rng(5).standard_normal(80) * 40)
    asked, series, _, deviation = random_walk(x=other)
    draws = torch.Generator().manual_seed(3)
    both = [np.concatenate(list(asked.futures(series, 79, 3, 4000, draws))) for _ in range(2)]
    assert both[0].shape == (4000, 3, 2)
    before = np.broadcast_to(series.y[79], (4000, 1, 2))
    steps = [np.diff(np.concatenate([before, one], 1), axis=1) / deviation for one in both]
    each = np.concatenate([one.reshape(4000, 6) for one in steps], 1)
    correlation = np.corrcoef(each.T)
    # 4,000 draws: errors of 1.6 % in each, three of them and more.
    np.testing.assert_allclose(correlation, np.eye(12), atol=0.065)
    np.testing.assert_allclose(each.std(0), 1, atol=0.05)
    np.testing.assert_allclose(each.mean(0), 0, atol=0.065)


def test_paths_are_rows_with_their_times():
    frame = pl.concat([noisy(n, seed=n).with_columns(id=pl.lit(k)) for k, n in (("a", T), ("b", 150))])
    model = fitted(frame, id="id")
    found, ahead = model.paths(3, horizon=2, seed=1), model.predict(horizon=2)
    assert found.columns == ["series", "path", "step", "time", "target", "value"] and len(found) == 2 * 3 * 2
    assert found["path"].to_list() == [1, 1, 2, 2, 3, 3] * 2 and found["step"].to_list() == [1, 2] * 6
    for name, one in found.group_by("series", maintain_order=True):
        wanted = ahead.filter(pl.col("series") == name[0])["time"].to_list()
        assert one["time"].to_list() == wanted * 3
    assert_frame_equal(found, model.paths(3, horizon=2, seed=1), check_exact=True)
    assert found["value"].to_list() != model.paths(3, horizon=2, seed=2)["value"].to_list()
    assert len(model.paths(2)) == 2 * 2 * 4


def test_paths_spread_as_the_quantiles_say():
    model = fitted(sample_paths=2000)
    ahead, drawn = model.predict(quantiles=(0.2, 0.8)), model.paths(2000, seed=7)
    inside = drawn.join(ahead, on="time").with_columns(
        low=pl.col("value") < pl.col("q0.2"), high=pl.col("value") > pl.col("q0.8")
    )
    shares = inside.group_by("step").agg(pl.col("low", "high").mean()).select("low", "high").to_numpy()
    np.testing.assert_allclose(shares, 0.2, atol=0.05)  # both sides are of 2,000 draws


def test_futures_that_cannot_be_drawn():
    with pytest.raises(ConfigError, match="each step by itself, not how steps go together; train with strat"):
        fitted(strategy="direct").paths(5)
    assert len(fitted(strategy="direct").paths(5, horizon=1)) == 5
    with pytest.raises(ConfigError, match="paths: this model forecasts points"):
        fitted(output="point").paths(5)
    with pytest.raises(ConfigError, match="quantiles: this model forecasts points"):
        fitted(output="point").predict(quantiles=(0.5,))
    with pytest.raises(ConfigError, match="paths: wanted 1 or more, got 0"):
        fitted().paths(0)
    with pytest.raises(DataError, match="has 2 rows of 'f' after its last y; wanted 4"):
        fitted(covariates(rows_after=2), future="f").paths(5)
    assert answers.interpolated(Output("gaussian", (0.1, 0.5, 0.9)), (0.3,)) == []
