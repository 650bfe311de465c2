"""The error at the horizon: by hand, in what judges forecasts, at which origins, and what it decides."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from tests.tasks.forecast.cases import (
    RECURSIVE,
    coded,
    daily_wave,
    network,
    noisy,
    plan,
    predictor,
    reader,
)
from unrolled.blocks.outputs import DISCRETE
from unrolled.tasks.forecast.config import ForecastConfig
from unrolled.tasks.forecast.data import read
from unrolled.tasks.forecast.estimator import Forecaster
from unrolled.tasks.forecast.prepared import prepare
from unrolled.tasks.forecast.recursive.validation import FARTHEST, PATHS, HorizonValidation
from unrolled.training.update import Update

SMALL = {"target": "y", "window": 12, "horizon": 4, "season": 24, "hidden": 6, "epochs": 2, "threads": 1}
SMALL |= RECURSIVE | {"refit": False}


def random(codec, output="point", relative=False):
    torch.manual_seed(3)
    made = network(codec, output, relative=relative, residual=output not in DISCRETE, hidden=6)
    torch.nn.init.normal_(made.head.weight, std=0.3)
    return made.eval()


def panel(gaps=()):
    """Two series of a wave, noise and a covariate that is known ahead."""
    frames = []
    for name, length in (("north", 90), ("south", 70)):
        f = np.random.default_rng(length).standard_normal(length)
        frame = noisy(length, seed=length, f=f, id=pl.lit(name))
        frames.append(
            frame.with_columns(y=pl.when(pl.int_range(length).is_in(gaps)).then(None).otherwise("y"))
        )
    return pl.concat(frames)


@torch.no_grad()
def by_hand(made, series, origin, window, horizon):
    """The squared errors of each forecast, written into a copy of the series, which is then read anew: the
    last W steps as first seen, and all that follow."""
    x, errors = series.x.clone(), []
    for h in range(horizon):
        value = made(x[None, origin - window + 1 : origin + h + 1])[0][0, -1, 0, :, 0]
        errors.append((value - series.z[origin + h + 1]).double() ** 2)
        if origin + h + 1 < len(x):
            x[origin + h + 1] = torch.cat([value, series.k[origin + h + 1]])
    return torch.stack(errors)


@pytest.mark.parametrize("relative", [False, True])
def test_of_points_it_is_the_mean_squared_error_of_what_is_fed_back(relative):
    """Two series, gaps, a covariate that is known ahead, the hour: every origin of their validation parts."""
    codec, series, _ = coded(
        panel(gaps=(30, 66, 67)), calendar=("hour_of_day_sin",), future=["f"], id="id", gaps="forward"
    )
    made, ends = random(codec, relative=relative), [(60, 80), (50, 69)]
    found = HorizonValidation.of(series, ends, codec, plan(horizon=5, season=1), False, 0)
    origins = [range(59, 75), range(49, 64)]
    assert [at.tolist() for at in found.origins] == [list(one) for one in origins]
    errors = [by_hand(made, s, o, 7, 5) for s, at in zip(series, origins, strict=True) for o in at]
    assert found(made) == pytest.approx(torch.stack(errors).nanmean().item(), rel=1e-5)  # float32
    assert found.measure == "MSE over 5 steps"


@pytest.mark.parametrize("output", ["gaussian", "studentt", "quantiles", "bernoulli"])
def test_of_distributions_it_is_the_crps_that_forecasts_are_judged_by(output):
    frame = noisy(80).with_columns(y=(pl.col("y") > 3).cast(float)) if output == "bernoulli" else noisy(80)
    codec, [series], _ = coded(frame, train=50)
    made = random(codec, output)
    found = HorizonValidation.of([series], [(50, 71)], codec, plan(horizon=6), True, 5)
    [at] = found.origins
    y = series.y[at[:, None] + np.arange(1, 7)]
    said = predictor(codec, made, paths=PATHS, seed=5).forecast(series, at, 6, y)
    wanted = said.crps.mean() / codec.scalers["target"].scale[0]
    assert found(made) == pytest.approx(wanted, rel=1e-5)  # float32
    assert found(made) == found(made) and found.measure == "CRPS over 6 steps"


def test_nothing_after_the_validation_part_is_looked_at():
    """All that comes later times a million, what is known ahead too."""
    codec, series, _ = coded(panel(), future=["f"], id="id")
    ends = [(60, 80), (50, 60)]

    def spoilt(tensor, end):
        return torch.cat([tensor[:end], tensor[end:] * 1e6])

    others = [
        replace(s, **{name: spoilt(getattr(s, name), end) for name in "xz"})
        for s, (_, end) in zip(series, ends, strict=True)
    ]
    # The row of the last step holds what is known of the one after it.
    others = [replace(s, k=spoilt(s.k, end - 1)) for s, (_, end) in zip(others, ends, strict=True)]
    for output in ("point", "gaussian"):
        one, two = (
            HorizonValidation.of(s, ends, codec, plan(horizon=5), output != "point", 0)(random(codec, output))
            for s in (series, others)
        )
        assert one == two


def test_what_is_not_finite_is_as_far_off_as_can_be_and_ends_no_training():
    codec, series, _ = coded(noisy(60))
    made = reader(codec, [[0]])
    with torch.no_grad():
        made.head.weight.mul_(1e20)
    found = HorizonValidation.of(series, [(40, 52)], codec, plan(window=1, horizon=4), False, 0)(made)
    assert FARTHEST**2 / 4 < found < FARTHEST**2


@pytest.mark.parametrize("distribution, most", [(False, 512), (True, 64)])
def test_origins_are_few_and_at_every_phase_of_the_season(distribution, most):
    codec, series, _ = coded(daily_wave(3000))
    found = HorizonValidation.of(series, [(1000, 2900)], codec, plan(horizon=24), distribution, 0)
    [at] = found.origins
    assert most / 2 < len(at) <= most
    assert at[0] == 999 and 2900 - 24 - 50 < at[-1] < 2900 - 24 and set(at % 24) == set(range(24))


def test_of_many_series_some_are_looked_at():
    codec, [series], _ = coded(noisy(30))
    found = HorizonValidation.of([series] * 200, [(20, 28)] * 200, codec, plan(), True, 0)
    assert 32 <= len(found.origins) <= 64 and 32 <= len(found.y) <= 128


@pytest.mark.parametrize("end, steps, note", [(66, 6, False), (64, 4, True), (62, 2, True), (61, 1, True)])
def test_a_horizon_beyond_the_validation_part_is_shortened_and_said(end, steps, note):
    codec, series, _ = coded(noisy(80))
    found = HorizonValidation.of(series, [(60, end)], codec, plan(horizon=6), False, 0)
    assert found is None if steps == 1 else found.y.shape[1] == steps
    options = SMALL | {"horizon": 6, "validation": end - 60, "test": 80 - end}
    prepared = prepare(Forecaster(**options)._options, read(noisy(80), ForecastConfig().data))
    assert prepared.validated == ("" if steps == 1 else f"MSE over {steps} steps")
    lines = [line for line in prepared.notes if line.startswith("validation: ")]
    told = f"validation: forecasts of {steps} step{'s' * (steps > 1)}; no series has 6 with"
    assert [line.startswith(told) for line in lines] == [True] * note


def test_series_without_a_whole_horizon_do_not_count():
    codec, series, _ = coded(panel(gaps=range(52, 70)), id="id", gaps="forward")
    found = HorizonValidation.of(series, [(75, 90), (50, 54)], codec, plan(horizon=6), False, 0)
    assert [s.name for s in found.series] == ["north"]
    assert HorizonValidation.of(series, [(0, 0), (52, 70)], codec, plan(), False, 0) is None


@pytest.mark.parametrize("output, horizon", [("point", 1), ("bernoulli", 1), ("bernoulli", 3)])
def test_one_step_ahead_the_loss_of_the_training_is_validated(output, horizon):
    frame = noisy(120).with_columns(y=(pl.col("y") > 3).cast(float))
    options = SMALL | {"horizon": horizon, "output": output}
    prepared = prepare(Forecaster(**options)._options, read(frame, ForecastConfig().data))
    assert prepared.validated == ("" if horizon == 1 else "CRPS over 3 steps")


@pytest.mark.parametrize("horizon, kept", [(1, 1), (12, 2)])
def test_weights_are_kept_by_the_error_at_the_horizon(monkeypatch, horizon, kept):
    """After the first epoch the network says the last value again, after the second the mean. Of a wave of 24
    steps the first errs least at the next step: 2 (1 - cos 15°) = 0.07 of the variance. Fed back for half a
    wave it errs by 2.2 of it in the mean, and the mean by 1."""
    networks = []

    def persistence_or_mean(cls, config, codec):
        networks.append(reader(codec.series, [[0]]))
        return networks[-1]

    weights = iter((1.0, 0.0))

    def scripted(self, loss, rate):
        with torch.no_grad():
            networks[-1].head.weight.fill_(next(weights))
        return loss.item(), 0.0

    monkeypatch.setattr(Forecaster, "_network", classmethod(persistence_or_mean))
    monkeypatch.setattr(Update, "__call__", scripted)
    options = SMALL | {"horizon": horizon, "batch_size": 1000, "calendar": "none", "validation": 48}
    forecaster = Forecaster(**options).fit(daily_wave(240))
    first, second = (row["validation_loss"] for row in forecaster.rows if row["kind"] == "epoch")
    assert forecaster.history.kept_epoch == kept
    wanted = 2 * (1 - np.cos(2 * np.pi * np.arange(1, horizon + 1) / 24)).mean()
    assert (first, second) == pytest.approx((wanted, 1), rel=0.1)  # origins of not quite two waves
    assert forecaster.network.head.weight.item() == (kept == 1)


def test_whole_series_of_the_validation_files_are_forecast_after_a_window():
    codec, series, _ = coded(panel(), id="id")
    found = HorizonValidation.of(series, [(60, 60), (0, 70)], codec, plan(horizon=5), False, 0)
    assert [s.name for s in found.series] == ["south"]
    assert found.origins[0].tolist() == list(range(6, 65))
