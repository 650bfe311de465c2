"""Forecasts of networks whose answers are known: alignment of every input, feeding back, and
distributions."""

import numpy as np
import polars as pl
import pytest
import torch

from tests.tasks.forecast.cases import coded, daily_wave, hourly, network, noisy, predictor, reader
from unrolled.blocks.outputs import SIZES
from unrolled.tasks import metrics
from unrolled.tasks.forecast import paths

ORIGINS = np.array([9, 10, 31, 50])


def outcomes(y, origins, horizon):
    return y[origins[:, None] + np.arange(1, horizon + 1)]


@pytest.mark.parametrize("horizon", [1, 2, 30])
def test_the_calendar_lines_up_with_the_predicted_step(horizon):
    """The oracle reads only the calendar of the step that it forecasts, and the value is a function of it."""
    codec, [series], _ = coded(daily_wave(100), calendar=("hour_of_day_sin", "hour_of_day_cos"))
    made = reader(codec, [[1]])
    with torch.no_grad():
        made.head.weight.mul_(1 / float(codec.scalers["target"].scale[0]) * 2)
        made.head.bias.fill_((3 - float(codec.scalers["target"].mean[0])) / codec.scalers["target"].scale[0])
    found = predictor(codec, made).forecast(series, ORIGINS, horizon)
    np.testing.assert_allclose(found.point, outcomes(series.y, ORIGINS, horizon), atol=1e-5)  # float32


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
def test_known_future_covariates_line_up_with_the_predicted_step(strategy):
    """The covariate is the target itself; the oracle hands it on."""
    y, horizon = np.random.default_rng(0).standard_normal(90), 5
    frame = pl.DataFrame({"time": hourly(90), "y": y, "f": y})
    steps = horizon if strategy == "direct" else 1
    codec, [series], _ = coded(frame, steps=steps, future=["f"])
    made = reader(codec, [[1 + s] for s in range(steps)])
    found = predictor(codec, made).forecast(series, ORIGINS, horizon)
    np.testing.assert_allclose(found.point, outcomes(series.y, ORIGINS, horizon), atol=1e-5)


def test_past_covariates_are_those_of_the_origin():
    """The covariate of step t is the target of step t + 2: a direct oracle gives it as its second step."""
    y = np.random.default_rng(0).standard_normal(92)
    frame = pl.DataFrame({"time": hourly(90), "y": y[:90], "p": y[2:]})
    codec, [series], _ = coded(frame, steps=2, past=["p"])
    y_scale, p_scale = codec.scalers["target"], codec.scalers["past"]
    made = reader(codec, [[0], [1]])
    with torch.no_grad():
        made.head.weight.view(2, -1)[1].mul_(float(p_scale.scale[0] / y_scale.scale[0]))
        made.head.bias[1] = float((p_scale.mean[0] - y_scale.mean[0]) / y_scale.scale[0])
    found = predictor(codec, made).forecast(series, ORIGINS, 2)
    np.testing.assert_allclose(found.point[:, 1], series.y[ORIGINS + 2], atol=1e-5)


def trained_like(codec, output="point", relative=False, seed=0):
    """A network of random weights."""
    torch.manual_seed(seed)
    made = network(codec, output, relative=relative, hidden=6)
    torch.nn.init.normal_(made.head.weight, std=0.3)
    return made.eval()


@pytest.mark.parametrize("relative", [False, True])
def test_recursive_is_step_by_step_by_hand(relative):
    """Each forecast written into a copy of the series, which is then read anew: the last W steps as first
    seen, and all that follow."""
    codec, [series], _ = coded(noisy(80), calendar=("hour_of_day_sin", "hour_of_day_cos"))
    made, window, horizon, origin = trained_like(codec, relative=relative), 7, 5, 40
    found = predictor(codec, made, window).forecast(series, np.array([origin]), horizon).point[0, :, 0]
    z, wanted = series.z.clone(), []
    for h in range(horizon):
        rows = torch.cat([z, series.k[:80]], 1)[origin - window + 1 : origin + h + 1]
        with torch.no_grad():
            z[origin + h + 1] = made(rows[None])[0][0, -1, 0, :, 0]
        wanted.append(codec.values(z[origin + h + 1])[0])
    np.testing.assert_allclose(found, wanted, rtol=1e-5)  # float32, another order of sums


def test_nothing_past_the_origin_is_read():
    frame = noisy(80)
    codec, [series], _file = coded(frame, train=40, calendar=("hour_of_day_sin",))
    late = pl.int_range(80) > 50
    spoilt = coded(frame.with_columns(pl.when(late).then(1e12).otherwise("y").alias("y")), train=40)[2]
    one = predictor(codec, trained_like(codec))
    [other] = [codec.encode(s, 1) for s in spoilt.series]
    wanted = one.forecast(series, ORIGINS, 9).point
    assert np.array_equal(one.forecast(other, ORIGINS, 9).point, wanted)


@pytest.mark.parametrize("output", SIZES)
@pytest.mark.parametrize("steps, horizon", [(1, 1), (1, 4), (4, 4), (4, 2)])
def test_shapes_and_bits_repeat(output, steps, horizon):
    frame = noisy(80).with_columns(x=pl.col("y").shift(1, fill_value=0) ** 2)
    codec, [series], _ = coded(frame, targets=("y", "x"), steps=steps)
    asked = predictor(codec, trained_like(codec, output))
    y = outcomes(series.y, ORIGINS, horizon)
    found, again = (asked.forecast(series, ORIGINS, horizon, y) for _ in range(2))
    assert found.point.shape == (4, horizon, 2) and np.array_equal(found.point, again.point)
    if output == "point":
        assert found.quantiles is None and found.crps is None
        return
    assert found.quantiles.shape == (4, horizon, 2, 3) and np.array_equal(found.quantiles, again.quantiles)
    assert found.crps.shape == (4, horizon, 2) and np.array_equal(found.crps, again.crps)
    assert (np.diff(found.quantiles, axis=-1) >= 0).all()


def test_closed_distributions_in_the_units_of_the_file():
    """Against the normal distribution of the mean and deviation that the head gives, times the scale."""
    codec, [series], _ = coded(noisy(80), steps=3)
    made = trained_like(codec, "gaussian")
    asked, y = predictor(codec, made), outcomes(series.y, ORIGINS, 3)
    found = asked.forecast(series, ORIGINS, 3, y)
    with torch.no_grad():
        raw, _ = asked.context(series, ORIGINS)
    scaler = codec.scalers["target"]
    mean = raw[..., 0].numpy() * scaler.scale + scaler.mean
    deviation = (1e-3 + torch.nn.functional.softplus(raw[..., 1])).numpy() * scaler.scale
    np.testing.assert_allclose(found.quantiles[..., 2], mean + 1.2815515655 * deviation, rtol=1e-5)
    draws = mean[..., None] + deviation[..., None] * np.random.default_rng(0).standard_normal(20_000)
    np.testing.assert_allclose(found.crps, metrics.crps(draws, y), rtol=0.05)


@pytest.mark.parametrize("output", ["gaussian", "studentt", "quantiles"])
def test_sample_paths_of_a_random_walk_spread_with_the_square_root_of_time(output):
    """A residual network of zero weights draws independent steps: quantiles at step h widen by √h."""
    codec, [series], _ = coded(noisy(80))
    found = predictor(codec, network(codec, output, hidden=2), paths=4000).forecast(series, ORIGINS[:2], 16)
    spread = (found.quantiles[:, :, 0, 2] - found.quantiles[:, :, 0, 0]).mean(0)
    # The ratio of two spreads of 4,000 paths. Sums of numbers with heavy tails, ν = 2.69 here, approach the
    # normal law slowly: of 200,000 sums of numpy's standard_t it is 2.21.
    wanted = 2.2 if output == "studentt" else 2
    assert spread[15] / spread[3] == pytest.approx(wanted, rel=0.1)
    np.testing.assert_allclose(found.point[:, 15], series.y[ORIGINS[:2]], rtol=1e-5)


def test_paths_are_scored_by_their_draws():
    """The score of the fed-back forecast of one step is close to its closed form."""
    codec, [series], _ = coded(noisy(80))
    asked = predictor(codec, trained_like(codec, "gaussian"), paths=4000)
    y = outcomes(series.y, ORIGINS, 2)
    closed, drawn = (asked.forecast(series, ORIGINS, h, y[:, :h]) for h in (1, 2))
    np.testing.assert_allclose(drawn.crps[:, :1], closed.crps, rtol=0.1)
    np.testing.assert_allclose(drawn.quantiles[:, 0], closed.quantiles[:, 0], rtol=0.05, atol=0.05)


@pytest.mark.parametrize("together", [1, 100])
def test_the_number_of_origins_together_does_not_matter(monkeypatch, together):
    codec, [series], _ = coded(noisy(80))
    asked = predictor(codec, trained_like(codec))
    wanted = asked.forecast(series, ORIGINS, 3).point
    monkeypatch.setattr(paths, "ROWS_TOGETHER", together)
    np.testing.assert_allclose(asked.forecast(series, ORIGINS, 3).point, wanted, rtol=1e-5)  # float32
