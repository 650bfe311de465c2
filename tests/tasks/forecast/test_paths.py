"""Forecasts of networks whose answers are known: alignment of every input, feeding back, and
distributions."""

import numpy as np
import polars as pl
import pytest
import torch

from tests.tasks.forecast.cases import (
    coded,
    daily_wave,
    direct_network,
    hourly,
    network,
    noisy,
    predictor,
    reader,
)
from unrolled.blocks.direct import Steps
from unrolled.blocks.outputs import DISCRETE, SIZES
from unrolled.tasks import metrics
from unrolled.tasks.forecast import paths
from unrolled.tasks.forecast.direct.reading import STEPS

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


def test_known_future_covariates_line_up_with_the_predicted_step():
    """The covariate is the target itself; the oracle hands it on."""
    y, horizon = np.random.default_rng(0).standard_normal(90), 5
    codec, [series], _ = coded(pl.DataFrame({"time": hourly(90), "y": y, "f": y}), future=["f"])
    found = predictor(codec, reader(codec, [[1]])).forecast(series, ORIGINS, horizon)
    np.testing.assert_allclose(found.point, outcomes(series.y, ORIGINS, horizon), atol=1e-5)


def windows_of(series, window=7):
    """(N, W) that end at the origins, in the units of the file."""
    return series.y[ORIGINS[:, None] + np.arange(1 - window, 1), 0]


def said_by(monkeypatch, pick):
    """Every member of a direct network that reads steps says `pick` of what it sees (N, S)."""
    monkeypatch.setattr(Steps, "__call__", lambda self, ops, p, seen: pick(seen)[..., None])
    return ((STEPS, 7, 1),)


def test_a_direct_network_sees_the_covariates_of_every_step(monkeypatch):
    """The oracle hands them on: in units of the window's frame."""
    y, f = np.random.default_rng(0).standard_normal((2, 90))
    codec, [series], _ = coded(pl.DataFrame({"time": hourly(90), "y": y, "f": f}), steps=5, future=["f"])
    made = direct_network(codec, members=said_by(monkeypatch, lambda seen: seen.ahead[..., 0]))
    found = predictor(codec, made).forecast(series, ORIGINS, 5).point[..., 0]
    window = windows_of(series)
    scaled = codec.scaled("future", f[:, None])[:, 0]
    wanted = window.mean(1)[:, None] + window.std(1)[:, None] * outcomes(scaled, ORIGINS, 5)
    np.testing.assert_allclose(found, wanted, rtol=1e-4)  # float32


def test_a_direct_network_sees_the_past_covariates_of_the_origin(monkeypatch):
    y, p = np.random.default_rng(0).standard_normal((2, 90))
    codec, [series], _ = coded(pl.DataFrame({"time": hourly(90), "y": y, "p": p}), steps=2, past=["p"])
    members = said_by(monkeypatch, lambda seen: seen.rows[:, -2:, 1])
    found = predictor(codec, direct_network(codec, members=members)).forecast(series, ORIGINS, 2)
    window, scaled = windows_of(series), codec.scaled("past", p[:, None])[:, 0]
    wanted = window.mean(1)[:, None] + window.std(1)[:, None] * np.stack(
        [scaled[ORIGINS - 1], scaled[ORIGINS]], 1
    )
    np.testing.assert_allclose(found.point[..., 0], wanted, rtol=1e-4)  # float32


@pytest.mark.parametrize("frame", [4, 7])
def test_the_base_of_a_direct_network_reads_the_window_as_it_stands(frame):
    """Step s is the value s + 2 steps before the origin: of every target its own, whatever frames it."""
    y = np.random.default_rng(0).standard_normal((90, 2)) * [1, 300] + [50, 9000]
    data = pl.DataFrame({"time": hourly(90), "y": y[:, 0], "x": y[:, 1]})
    codec, [series], _ = coded(data, targets=("y", "x"), steps=3)
    made = direct_network(codec, frame=frame)
    with torch.no_grad():
        for k, linear in enumerate(made.p.base):
            for s in range(3):
                linear.weight[s, 7 - 1 - (s + 2 + k)] = 1
    found = predictor(codec, made).forecast(series, ORIGINS, 3).point
    for k in range(2):
        wanted = np.stack([y[ORIGINS - (s + 2 + k), k] for s in range(3)], 1)
        np.testing.assert_allclose(found[..., k], wanted, rtol=1e-5)  # float32


@pytest.mark.parametrize("known", [1, 2, 5])
def test_a_short_series_is_filled_up_in_whole_periods_before_its_first_step(known):
    """Of five steps and a period of three, what stands five and six before the origin is what stood two and
    three before it; of two steps the two again and again."""
    codec, [series], _ = coded(noisy(80), steps=1)
    made, at = direct_network(codec), np.array([known - 1])
    for before in range(7):
        with torch.no_grad():
            made.p.base[0].weight.zero_()
            made.p.base[0].weight[0, 6 - before] = 1
        step, period = known - 1 - before, min(3, known)
        wanted = series.y[step if step >= 0 else step % period, 0]
        found = predictor(codec, made).forecast(series, at, 1).point
        assert found.item() == pytest.approx(wanted, rel=1e-5)


def trained_like(codec, output="point", relative=False, seed=0):
    """A network of random weights."""
    torch.manual_seed(seed)
    made = network(codec, output, relative=relative, residual=output not in DISCRETE, hidden=6)
    torch.nn.init.normal_(made.head.weight, std=0.3)
    return made.eval()


def random_direct(codec, output="point", seed=0):
    """The same of one that gives all steps at once."""
    torch.manual_seed(seed)
    made = direct_network(codec, output)
    for name, part in made.named_parameters():
        if name.startswith(("base", "members")):
            torch.nn.init.normal_(part, std=0.3)
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


@pytest.mark.parametrize("steps", [1, 9])
def test_nothing_past_the_origin_is_read(steps):
    frame = noisy(80)
    codec, [series], _file = coded(frame, train=40, calendar=("hour_of_day_sin",), steps=steps)
    late = pl.int_range(80) > 50
    spoilt = coded(frame.with_columns(pl.when(late).then(1e12).otherwise("y").alias("y")), train=40)[2]
    one = predictor(codec, trained_like(codec) if steps == 1 else random_direct(codec))
    [other] = [codec.encode(s, steps) for s in spoilt.series]
    wanted = one.forecast(series, ORIGINS, 9).point
    assert np.array_equal(one.forecast(other, ORIGINS, 9).point, wanted)


@pytest.mark.parametrize("output", SIZES)
@pytest.mark.parametrize("steps, horizon", [(1, 1), (1, 4), (4, 4), (4, 2)])
def test_shapes_and_bits_repeat(output, steps, horizon):
    frame = noisy(80).with_columns(x=pl.col("y").shift(1, fill_value=0) ** 2)
    codec, [series], _ = coded(frame, targets=("y", "x"), steps=steps)
    asked = predictor(codec, trained_like(codec, output) if steps == 1 else random_direct(codec, output))
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
    """Against the normal distribution of the mean and deviation that the network gives in units of the
    window's frame."""
    codec, [series], _ = coded(noisy(80), steps=3)
    made = random_direct(codec, "gaussian")
    asked, y = predictor(codec, made), outcomes(series.y, ORIGINS, 3)
    found = asked.forecast(series, ORIGINS, 3, y)
    with torch.no_grad():
        raw, _ = asked.context(series, ORIGINS)
    window = windows_of(series)
    location, spread = window.mean(1)[:, None, None], window.std(1)[:, None, None]
    mean = raw[..., 0].numpy() * spread + location
    deviation = (1e-3 + torch.nn.functional.softplus(raw[..., 1])).numpy() * spread
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
@pytest.mark.parametrize("steps", [1, 3])
def test_the_number_of_origins_together_does_not_matter(monkeypatch, together, steps):
    codec, [series], _ = coded(noisy(80), steps=steps)
    asked = predictor(codec, trained_like(codec) if steps == 1 else random_direct(codec))
    wanted = asked.forecast(series, ORIGINS, 3).point
    monkeypatch.setattr(paths, "ROWS_TOGETHER", together)
    np.testing.assert_allclose(asked.forecast(series, ORIGINS, 3).point, wanted, rtol=1e-5)  # float32
