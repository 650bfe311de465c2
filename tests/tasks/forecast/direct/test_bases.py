"""The frames that windows are scaled by, in the fit of bases and in the network."""

import numpy as np
import polars as pl
import pytest

from tests.tasks.forecast.cases import hourly
from tests.tasks.forecast.direct.cases import SHORT
from tests.tasks.forecast.test_estimator import no_pictures, same_weights  # noqa: F401
from unrolled import Forecaster
from unrolled.tasks.forecast.direct import base
from unrolled.tasks.forecast.direct.bases import FLOOR, fixed_frames, of_each_series

LONG, BRIEF = 160, 40
# Too little is learnt to move the weights: a forecast is that of the base.
UNTRAINED = SHORT | {
    "id": "id",
    "season": 1,
    "window": 6,
    "steps": 1,
    "learning_rate": 1e-20,
    "weight_decay": 0,
}
UNTRAINED |= {"validation": 12, "test": 12}


def returning(steps, seed=0):
    y = np.random.default_rng(seed).standard_normal(steps)
    for t in range(1, steps):
        y[t] += 0.9 * y[t - 1]
    return y


def panel():
    """Two long series that return to levels of their own, and a short one."""
    series = {"a": 50 + returning(LONG), "b": 1e4 + 100 * returning(LONG, 1), "c": 3 + returning(BRIEF, 2)}
    frames = [pl.DataFrame({"time": hourly(len(y)), "y": y, "id": name}) for name, y in series.items()]
    return pl.concat(frames)


def test_a_frame_is_fixed_where_its_spread_is_not_0():
    windows = np.random.default_rng(0).normal(5, 2, (3, 8))
    z, mean, spread = base.framed(windows, 0.1, 4)
    fixed = np.array([[1.0, 3.0], [0.0, 0.0], [7.0, 0.5]])
    other, means, spreads = base.framed(windows, 0.1, 4, fixed)
    np.testing.assert_array_equal(other[1], z[1])
    np.testing.assert_array_equal(means[:, 0], [1, mean[1, 0], 7])
    np.testing.assert_array_equal(spreads[:, 0], [3, spread[1, 0], 0.5])
    np.testing.assert_array_equal(other[0], (windows[0] - 1) / 3)


def test_what_returns_to_its_mean_is_forecast_by_a_base_that_knows_it():
    """Of noise of 1, h steps ahead √(1 - 0.9²ʰ) / √(1 - 0.9²) at the best: 2.1 in the mean of 20 steps."""
    y, rmse = returning(4000), {}
    for name, fixed in (("window", None), ("pooled", fixed_frames(1, "pooled"))):
        fitted = base.fit([y[:2000]], 20, 4, [], 0.05, 4, fixed)
        windows = np.stack([y[t - 4 : t] for t in range(2000, 3900)])
        u, mean, spread = base.framed(
            windows, 0.05, 4, np.repeat(fixed, 1900, 0) if fixed is not None else None
        )
        wanted = np.stack([y[t : t + 20] for t in range(2000, 3900)])
        rmse[name] = np.sqrt(np.mean((wanted - mean - spread * (u @ fitted.weights.T)) ** 2))
    assert 2.0 < rmse["pooled"] < 2.3 < 0.95 * rmse["window"]


def test_series_of_their_own_base_have_their_own_frame():
    parts = [5 + 2 * returning(200), returning(20, 1), np.full(200, 3.0), 100 + returning(200, 2)]
    parts[3][[7, 90]] = np.nan
    how = 3, 6, [], 6
    assert not of_each_series(parts, *how, "window")[1].any()
    bases, fixed = of_each_series(parts, *how, "series")
    known = [(np.nanmean(parts[i]), np.nanstd(parts[i])) for i in (0, 3)]
    np.testing.assert_allclose(fixed, [known[0], (0, 0), (0, 0), known[1], (0, 0)])
    assert bases[1] is bases[2] is bases[4] and len({id(one) for one in bases}) == 3
    alone = base.fit([(parts[0] - known[0][0]) / known[0][1]], 3, 6, [], FLOOR, 6, fixed_frames(1, "pooled"))
    np.testing.assert_allclose(bases[0].weights, alone.weights, atol=1e-9)
    bases, fixed = of_each_series(parts, *how, "pooled")
    assert fixed.tolist() == [[0, 1]] * 5


@pytest.mark.parametrize("scale", ["window", "series", "pooled"])
def test_an_untrained_forecaster_is_its_base_in_its_frame(scale):
    """Also of a series that training never saw, and in streams and without torch, to the bit."""
    model = Forecaster(**UNTRAINED, scale=scale).fit(panel())
    series, reading = model.codec.series, model.codec.reading
    parts = [panel().filter(id=name)["y"].to_numpy() for name in "abc"]
    scaler = series.scalers["target"]
    z = [scaler.transform(part[:-24, None])[:, 0].astype(np.float32).astype(np.float64) for part in parts]
    bases, fixed = of_each_series(z, 4, 6, [], reading.frame, scale)
    new = panel().filter(id="b").with_columns(pl.col("y") * 2, id=pl.lit("new"))
    said = model.predict(pl.concat([panel(), new]))
    cases = [("a", parts[0], 0), ("b", parts[1], 1), ("c", parts[2], 2), ("new", 2 * parts[1], 3)]
    for name, y, at in cases:
        window = scaler.transform(y[-6:, None]).astype(np.float32).astype(np.float64).T
        u, mean, spread = base.framed(window, reading.references[0][0], reading.frame, fixed[[at]])
        wanted = scaler.inverse((mean + spread * (u @ bases[at].weights.T)).T)[:, 0]
        forecast = said.filter(series=name)["forecast"].to_numpy()
        np.testing.assert_allclose(forecast, wanted, rtol=1e-4, atol=1e-4 * scaler.scale[0])
        steps = [
            {"time": t, "y": v, "id": name} for t, v in zip(hourly(len(y)).tolist(), y.tolist(), strict=True)
        ]
        exact = model.runtime().predict([steps])["forecast"][0, :, 0]
        assert np.array_equal(exact, forecast)
        assert np.array_equal(model.runtime().stream().feed(steps)["forecast"][-1, :, 0], forecast)


@pytest.mark.parametrize("scale", ["series", "pooled"])
def test_fixed_frames_are_kept_by_training_saving_and_starting_from(scale, tmp_path):
    options = UNTRAINED | {"steps": 8, "learning_rate": 0.01, "output": "gaussian", "scale": scale}
    model = Forecaster(**options).fit(panel(), out=tmp_path / "run")
    fixed = model.network.p.fixed
    frames = of_each_series([np.ones(9)], 1, 3, [], 3, scale)[1] if scale == "pooled" else None
    assert fixed.shape == (4, 2) and not fixed.requires_grad
    assert frames is None or np.array_equal(fixed, np.tile(frames[0], (4, 1)))
    loaded = Forecaster.load(tmp_path / "run")
    assert same_weights(loaded, model) and loaded.predict(panel()).equals(model.predict())
    again = Forecaster(**options | {"start_from": str(tmp_path / "run")}).fit(panel())
    assert np.array_equal(again.network.p.fixed, fixed) and again.config.forecast.scale == scale
    spoilt = panel().with_columns(
        y=pl.when(pl.int_range(pl.len()).over("id") >= pl.len().over("id") - 12)
        .then(pl.col("y") * 1e6)
        .otherwise("y")
    )
    assert same_weights(Forecaster(**options).fit(spoilt), model)


def test_the_scale_of_a_single_series_is_that_of_all():
    frame = panel().filter(id="a").drop("id")
    options = {name: value for name, value in UNTRAINED.items() if name != "id"}
    one, other = (Forecaster(**options, scale=scale).fit(frame) for scale in ("series", "pooled"))
    assert one.network.p.fixed.tolist() == [[0, 1]] and same_weights(one, other)
