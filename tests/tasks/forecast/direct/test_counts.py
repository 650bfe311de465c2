"""What the direct strategy forecasts of counts whose rates are known."""

import numpy as np
import polars as pl
import pytest
import torch

from tests.tasks.forecast.test_estimator import no_pictures, same_weights  # noqa: F401
from unrolled import Forecaster
from unrolled.tasks.forecast.direct import base
from unrolled.tasks.forecast.direct.base import framed
from unrolled.tasks.outputs import criterion

SEASON = np.array([0.2, 1.0, 0.6, 2.2])  # of mean 1
LEVELS = {"rare": 0.3, "some": 5.0, "many": 500.0}
OPTIONS = {"target": "y", "id": "id", "horizon": 4, "hidden": 6, "season": 4, "calendar": "none"}
OPTIONS |= {"refit": False, "learning_rate": 0.01, "most_origins": 200}


def rates(level, T, first=0):
    return level * np.roll(SEASON, -first)[np.arange(T) % 4]


def series(name, level, T, seed=0, alpha=0.0):
    draws = np.random.default_rng(seed)
    spread = draws.gamma(1 / alpha, alpha, T) if alpha else 1.0
    return pl.DataFrame({"id": name, "y": draws.poisson(rates(level, T) * spread).astype(np.float64)})


def panel(T=400, **options):
    return pl.concat([series(name, level, T, k, **options) for k, (name, level) in enumerate(LEVELS.items())])


@pytest.fixture(scope="module", params=["poisson", "negbinomial"])
def trained(request):
    return Forecaster(output=request.param, test=0.4, steps=150, **OPTIONS).fit(panel())


def test_each_series_has_its_rates_whatever_the_others_are(trained):
    test = trained.evaluation.backtest
    assert trained.config.forecast.strategy == "direct" and test.names == tuple(LEVELS)
    phases = (test.origins[:, None] + np.arange(1, 5)) % 4
    points = test.forecasts["model"].point[..., 0]
    for at, level in enumerate(LEVELS.values()):
        of = test.series == at
        said = np.array([points[of][phases[of] == phase].mean() for phase in range(4)])
        # The mean of 50 draws of a phase is off by √(rate / 50); and few draws are pulled to the mean of all.
        wanted = level * SEASON
        assert (np.abs(said - wanted) < 3 * np.sqrt(wanted / 50) + 0.1 * level).all(), (level, said)


def test_intervals_hold_what_they_say_and_are_of_whole_numbers(trained):
    test = trained.evaluation.backtest
    q = test.forecasts["model"].quantiles
    assert (q >= 0).all() and (q == q.round()).all() and (np.diff(q, axis=-1) >= 0).all()
    for at in range(3):
        of = test.series == at
        y, low, high = test.y[of], q[of][..., 0], q[of][..., -1]
        assert ((low <= y) & (y <= high)).mean() > 0.84 and (y > high).mean() > 0.005
    assert trained.evaluation.rows[0]["crps"] < 0.8 * min(one["mae"] for one in trained.evaluation.rows[1:])


def test_a_series_that_training_never_saw_is_forecast_by_its_own_mean(trained):
    """However short, and where it counts a thousand times what training saw."""
    for level, T in ((30.0, 80), (500_000.0, 80), (500_000.0, 9)):
        said = trained.predict(series("new", level, T, seed=9))
        actual, wanted = said["forecast"].to_numpy(), rates(level, 4, T)
        assert (np.abs(np.log(actual / wanted)) < (0.4 if T > 50 else 1)).all(), (level, T, actual, wanted)
        whole = said.select(pl.selectors.starts_with("q")).to_numpy()
        assert (whole == whole.round()).all() and (whole >= 0).all()


@pytest.mark.parametrize("values", [[0.0] * 2, [0.0] * 60, [3.0] * 40 + [0.0] * 60, [0.0] * 40 + [2.0**24]])
def test_zeros_and_sudden_counts_have_forecasts_that_can_be(trained, values):
    frame = pl.DataFrame({"id": "new", "y": values})
    said = trained.predict(frame).select("forecast", pl.selectors.starts_with("q")).to_numpy()
    assert np.isfinite(said).all() and (said >= 0).all() and (said[:, 0] > 0).all()
    if not any(values[-40:]):
        assert (said[:, 0] < 0.2).all() and (said[:, 1:-1] == 0).all()
    exact = trained.runtime().predict([frame.to_dicts()])
    assert np.array_equal(exact["forecast"][0, :, 0], said[:, 0])
    assert np.array_equal(exact["quantiles"][0, :, 0], said[:, 1:])


def test_draws_of_the_next_step_are_whole_and_have_its_mean(trained):
    drawn = trained.paths(2000, panel(), horizon=1).partition_by("series", as_dict=True)
    assert {name for (name,) in drawn} == set(LEVELS)
    for (name,), values in ((name, one["value"].to_numpy()) for name, one in drawn.items()):
        assert (values == values.round()).all() and (values >= 0).all()
        said = trained.predict(panel(), horizon=1).filter(pl.col("series") == name)["forecast"].item()
        assert abs(values.mean() - said) < 4 * values.std() / np.sqrt(2000)


@pytest.mark.parametrize("output", ["poisson", "negbinomial"])
def test_nothing_of_counts_leaks_from_the_test_part(output):
    """Their test part times a thousand: not a bit of what was fitted changes."""
    frame, late = panel(160), pl.int_range(160).over("id") >= 130
    spoilt = frame.with_columns(y=pl.when(late).then(1000 * pl.col("y")).otherwise("y"))
    options = OPTIONS | {"output": output, "steps": 4, "test": 30, "validation": 20}
    one, two = (Forecaster(**options).fit(data) for data in (frame, spoilt))
    assert same_weights(one, two) and one.rows == two.rows and one.codec.about() == two.codec.about()
    assert one.network.p.base[0].weight.abs().sum() > 0
    assert not torch.allclose(one.network.p.shares, torch.tensor(1 / 2))


def test_a_base_of_counts_is_linear_in_the_window_itself():
    """With its ridge: what is said of windows less their mean, by their mean, and the mean again."""
    part, floor = series("a", 20.0, 400)["y"].to_numpy().copy(), 1 / 16
    part[3:] += 2 * part[:-3] - part[1:-2].clip(max=30)  # which no mix of naive forecasts has
    fitted = base.fit([part], 4, 16, (4,), floor, 12, by_mean=True)
    assert fitted.strength is not None
    np.testing.assert_allclose(fitted.weights.sum(1), 1, rtol=1e-12)
    z, mean, spread = framed(part[None, -16:], floor, 12, by_mean=True)
    np.testing.assert_allclose(spread, part[-12:].mean())
    said = fitted.weights @ part[-16:]
    np.testing.assert_allclose(said, (mean + spread * (z @ fitted.weights.T))[0], rtol=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_a_training_begins_with_the_dispersion_around_the_base(alpha):
    options = OPTIONS | {"output": "negbinomial", "steps": 1, "learning_rate": 1e-20, "weight_decay": 0}
    model = Forecaster(**options).fit(panel(300, alpha=alpha))
    output = criterion(model.network.block.output)
    for member in model.network.p.members:
        bias = member.head.bias.detach().view(-1, 2)
        actual = torch.nn.functional.softplus(bias[:, 1]).numpy()
        # Around forecasts, which are off themselves, it is more than around the rates.
        assert (actual > alpha).all() and (actual < alpha + 0.4 if alpha else actual < 0.08).all()
        assert (bias[:, 0].abs() < 1e-10).all()
    assert output.output.kind == "negbinomial"


def test_zeros_and_ones_have_their_frequencies():
    """Of each phase, where every series has another shift; a training step or none, they stay within 0 and
    1."""
    draws, wanted = np.random.default_rng(0), np.array([0.05, 0.9, 0.5, 0.3])
    frames = [
        pl.DataFrame({"id": f"s{k}", "y": (draws.random(400) < np.resize(np.roll(wanted, k), 400)) * 1.0})
        for k in range(3)
    ]
    options = OPTIONS | {"output": "bernoulli", "strategy": "direct", "steps": 60, "test": 0.3}
    model = Forecaster(**options).fit(pl.concat(frames))
    test = model.evaluation.backtest
    points = test.forecasts["model"].point[..., 0]
    assert ((points > 0) & (points < 1)).all()
    phases = (test.origins[:, None] + np.arange(1, 5) - test.series[:, None]) % 4
    actual = np.array([points[phases == phase].mean() for phase in range(4)])
    # √(p (1 - p) / 180) is at most 0.04; and few draws are pulled to the mean of all.
    np.testing.assert_allclose(actual, wanted, atol=0.12)
    ours, frequency = model.evaluation.rows[:2]
    assert ours["nll"] < 0.9 * frequency["nll"]
