"""What the direct strategy forecasts where the right answer is known."""

import numpy as np
import polars as pl
import pytest
import torch

from tests.tasks.forecast.cases import hourly, noisy
from tests.tasks.forecast.direct.cases import SHORT
from tests.tasks.forecast.test_estimator import no_pictures, same_weights  # noqa: F401
from unrolled.tasks.forecast.direct import base
from unrolled.tasks.forecast.direct.base import framed
from unrolled.tasks.forecast.direct.reading import begin
from unrolled.tasks.forecast.estimator import Forecaster


def test_an_untrained_forecaster_is_its_base():
    """Steps too small for float32 leave the members at nothing: what it forecasts is the base that was fitted
    on the training part alone, of each target by its own window's frame."""
    frame = noisy(240).with_columns(x=pl.col("y").shift(2, fill_value=0) * 300 + 7)
    options = SHORT | {
        "target": ("y", "x"),
        "season": 24,
        "learning_rate": 1e-20,
        "weight_decay": 0,
        "test": 40,
        "validation": 20,
    }
    model = Forecaster(**options).fit(frame)
    series, reading = model.codec.series, model.codec.reading
    forecasts = model.predict()
    periods = base.natural_periods([frame[name].to_numpy()[:180] for name in "yx"], [24, 168], 24, 4)
    for k, name in enumerate("yx"):
        z = series.scaled("target", frame.select("y", "x").to_numpy())[:, k].astype(np.float64)
        fitted = base.fit([z[:180]], 4, 24, periods, reading.references[k][0], reading.frame)
        u, mean, spread = framed(z[None, -24:], reading.references[k][0], reading.frame)
        wanted = (mean + spread * (u @ fitted.weights.T))[0] * series.scalers["target"].scale[k]
        wanted += series.scalers["target"].mean[k]
        forecast = forecasts.filter(pl.col("target") == name)["forecast"].to_numpy()
        np.testing.assert_allclose(forecast, wanted, rtol=1e-4)  # float32


def many(S=3, T=160, seed=0, **columns):
    frames = [
        noisy(T, seed=seed + k).with_columns(id=pl.lit(f"s{k}"), y=pl.col("y") * 10.0**k) for k in range(S)
    ]
    return pl.concat(frames)


@pytest.mark.parametrize("output", ["point", "gaussian"])
def test_nothing_of_several_series_and_their_covariates_leaks_from_the_test_part(output):
    """All columns of the test part times a million: not a bit of what was fitted changes."""
    draws = np.random.default_rng(0)
    frame = many().with_columns(p=draws.standard_normal(480), f=draws.standard_normal(480))
    late = pl.int_range(160).over("id") >= 130
    spoilt = frame.with_columns(pl.when(late).then(pl.col(c) * 1e6).otherwise(c).alias(c) for c in "ypf")
    options = SHORT | {"id": "id", "past": "p", "future": "f", "output": output, "test": 30, "validation": 20}
    options |= {"calibrate": True}
    one, two = (Forecaster(**options).fit(data) for data in (frame, spoilt))
    assert same_weights(one, two) and one.rows == two.rows
    about, other = one.codec.about(), two.codec.about()
    assert about == other and about["reading"]["references"]
    assert one.network.p.base[0].weight.abs().sum() > 0 and one.network.p.offsets.abs().min() > 0
    assert not torch.allclose(one.network.p.shares, torch.tensor(1 / 2))


def test_five_series_of_very_unequal_scale():
    """s (5 + sin + noise): each is forecast as well as by the season of its own, whatever the others are."""
    generator, T = np.random.default_rng(0), 240
    frames = [
        pl.DataFrame(
            {
                "time": hourly(T),
                "y": s * (5 + np.sin(2 * np.pi * np.arange(T) / 24) + 0.2 * generator.standard_normal(T)),
                "id": f"{s}",
            }
        )
        for s in (1, 10, 100, 1_000, 100_000)
    ]
    options = {"target": "y", "id": "id", "horizon": 24, "hidden": 8, "steps": 20, "refit": False}
    model = Forecaster(**options).fit(pl.concat(frames))
    errors = model.evaluation.series.select("series", "mae model", "mae seasonal naive")
    assert len(errors) == 5
    for name, ours, naive in errors.iter_rows():
        assert ours < 1.1 * naive, name
        assert 0.14 * float(name) < ours, "noise of 0.2 s, 0.16 s in the mean, cannot be forecast"


@pytest.fixture(scope="module")
def trained():
    """A forecaster of three series on scales of 1 to 100."""
    return Forecaster(**SHORT | {"id": "id", "season": 24, "window": 48}).fit(many())


def test_a_series_that_training_never_saw_is_forecast_from_its_own_history(trained):
    """However short, and on a level and scale that training never saw either: by its own frame."""
    wave = 1e6 + 1e4 * np.sin(2 * np.pi * np.arange(124) / 24)
    for T, atol in ((120, 4e3), (30, 4e3)):
        frame = pl.DataFrame({"time": hourly(T), "y": wave[:T], "id": "new"})
        forecasts = trained.predict(frame)["forecast"].to_numpy()
        np.testing.assert_allclose(forecasts, wave[T : T + 4], atol=atol)
    for values in ([5.0, 5.0], [5.0, 6.0, 5.0, 7.0], [0.0] * 9):
        frame = pl.DataFrame({"time": hourly(len(values)), "y": values, "id": "short"})
        forecasts = trained.predict(frame)["forecast"].to_numpy()
        assert len(forecasts) == 4 and np.isfinite(forecasts).all()
        assert (np.abs(forecasts - np.mean(values)) < 2 * np.ptp(values) + 3).all()


def test_a_longer_window_than_any_series_is_filled_up():
    model = Forecaster(**SHORT | {"window": 500, "season": 24, "validation": 0.2}).fit(noisy(90))
    forecasts = model.predict(noisy(100))["forecast"].to_numpy()
    assert np.abs(forecasts - noisy(104)["y"].to_numpy()[100:]).max() < 2


@pytest.mark.parametrize("keep", ["average", "last"])
def test_a_refit_takes_over_the_shares_and_intervals_alone(keep, tmp_path):
    noisy(240).write_csv(tmp_path / "a.csv")
    options = SHORT | {"refit": True, "keep": keep, "steps": 30}
    model = Forecaster(**options).fit(tmp_path / "a.csv", out=tmp_path / "run")
    assert model.judged is not model
    first, again = model.judged.network.p, model.network.p
    assert torch.equal(first.offsets, again.offsets) and first.offsets.abs().min() > 0
    assert torch.equal(first.shares, again.shares) and not torch.allclose(again.shares, torch.tensor(0.5))
    assert not torch.equal(first.base[0].weight, again.base[0].weight), (
        "the base is fitted again, on all data"
    )
    loaded = Forecaster.load(tmp_path / "run")
    assert torch.equal(loaded.network.p.shares, again.shares)
    # From a model that was loaded too they are numbers, and no part of a graph.
    fresh = model._network(model.config, model.codec)
    begin(fresh, [])
    model._take_over(loaded, fresh)
    for name in ("shares", "offsets"):
        part = getattr(fresh.p, name)
        assert torch.equal(part, getattr(again, name)) and part.is_leaf and not part.requires_grad


def promotions(T=400, rows_after=4, seed=0):
    """y is 3 higher while f is 1, which is known ahead, and 2 higher two steps after p was 1."""
    generator = np.random.default_rng(seed)
    f, p = (generator.random((2, T + rows_after)) < 0.3).astype(float)
    y = 10 + 3 * f + 2 * np.concatenate([[0, 0], p[:-2]]) + 0.1 * generator.standard_normal(T + rows_after)
    after = pl.int_range(T + rows_after) >= T
    frame = pl.DataFrame({"time": hourly(T + rows_after), "y": y, "f": f, "p": p})
    return frame.with_columns(pl.when(after).then(None).otherwise(c).alias(c) for c in "yp"), y[T:]


def test_covariates_that_set_the_level_are_learnt():
    """Unexplained are f, of deviation 1.37, and p, of 0.92 — which is known for two of four steps."""
    frame, wanted = promotions()
    options = SHORT | {"season": 1, "calendar": "none", "window": 12, "hidden": 8, "steps": 120}
    options |= {"learning_rate": 0.02, "output_dropout": 0}
    columns = [{"future": "f", "past": "p"}, {"future": "f"}, {}]
    models = [Forecaster(**options, **some).fit(frame if some else frame.head(400)) for some in columns]
    both, future, neither = (one.evaluation for one in models)
    [by_step] = [row["rmse"] for row in both.by_step if row["forecast"] == "model"]
    assert max(by_step[:2]) < 0.5 < 0.8 < min(by_step[2:])
    assert future.rmse("y", "model") < 1.15 < 1.5 < neither.rmse("y", "model")
    forecasts = models[0].predict()["forecast"].to_numpy()
    np.testing.assert_allclose(forecasts[:2], wanted[:2], atol=1.5)  # f adds 3


def reactions(T=300, seed=0, prefix="s"):
    """Waves of four series; while f is 1, which is seldom and known ahead, two are 3 higher and two 3
    lower."""
    draws, frames = np.random.default_rng(seed), []
    for k in range(4):
        f = (draws.random(T) < 0.05).astype(float)
        y = 10 + 3 * np.sin(2 * np.pi * np.arange(T) / 6) + 3 * (-1) ** k * f + 0.1 * draws.standard_normal(T)
        frames.append(pl.DataFrame({"time": np.arange(T), "y": y, "f": f, "id": f"{prefix}{k}"}))
    return pl.concat(frames)


def test_what_each_series_makes_of_a_covariate_is_learnt_with_its_identity():
    """Windows seldom show it. A series that was never seen is not forecast worse than without identities."""
    options = SHORT | {"id": "id", "time": "time", "future": "f", "season": 6, "window": 12, "hidden": 8}
    options |= {"steps": 150, "learning_rate": 0.02, "output_dropout": 0}
    known, blind = (Forecaster(**options, identity=E).fit(reactions()) for E in (2, 0))
    rmse, without = (one.evaluation.rmse("y", "model") for one in (known, blind))
    new, before = (one.evaluate(reactions(seed=1, prefix="n")).rmse("y", "model") for one in (known, blind))
    assert rmse < 0.4 < 0.5 < without
    assert new < 1.1 * before


def test_a_series_that_stands_still_does_not_choose_for_the_others():
    """Nearly always at 0, with a burst in the training and in the validation part: in units of its windows'
    frames, whose floor is that of the smallest series, its errors would be beyond all others."""
    frames = [noisy(300, seed=k).with_columns(id=pl.lit(f"s{k}"), y=pl.col("y") / 1000) for k in range(3)]
    still = np.zeros(300)
    still[[20, 60, 215]] = 1e6
    frames.append(pl.DataFrame({"time": hourly(300), "y": still, "id": "still"}))
    model = Forecaster(**SHORT | {"id": "id", "steps": 30}).fit(pl.concat(frames))
    losses = [row["validation_loss"] for row in model.rows if row["kind"] == "epoch"]
    assert min(losses) < 100
    alone = Forecaster(**SHORT | {"id": "id", "steps": 30}).fit(pl.concat(frames[:3]))
    both = [one.evaluation.series.filter(pl.col("series") != "still")["mae model"] for one in (model, alone)]
    assert (both[0] < 1.3 * both[1]).all()
