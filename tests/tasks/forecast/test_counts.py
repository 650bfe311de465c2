"""Counts, fed back, and numbers above 0: what is learnt of series whose rates are known."""

import numpy as np
import polars as pl
import pytest

from unrolled import Forecaster
from unrolled.errors import DataError
from unrolled.tasks.forecast import pictures

RATES = np.array([2.0, 9.0, 5.0, 30.0])  # of a season of four steps
DISPERSION = 0.5
OPTIONS = {"horizon": 4, "hidden": 6, "season": 4, "calendar": "none", "refit": False}
TRAINING = OPTIONS | {"steps": 250, "learning_rate": 0.01, "test": 0.4, "window": 16, "most_origins": 100}
SMALL = OPTIONS | {"steps": 2}


@pytest.fixture(scope="module", autouse=True)
def no_pictures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "draw_evaluation", lambda *arguments: None)
        yield


def series(kind, T=1200, seed=0):
    draws, rates = np.random.default_rng(seed), np.resize(RATES, T)
    r = 1 / DISPERSION
    y = {
        "poisson": lambda: draws.poisson(rates),
        "negbinomial": lambda: draws.negative_binomial(r, r / (r + rates)),
        "lognormal": lambda: rates * np.exp(0.4 * draws.standard_normal(T) - 0.08),  # whose means are rates
    }
    return pl.DataFrame({"y": y[kind]().astype(np.float64)})


@pytest.fixture(scope="module", params=["poisson", "negbinomial", "lognormal"])
def trained(request):
    strategy = None if request.param == "lognormal" else "recursive"
    return Forecaster(target="y", output=request.param, strategy=strategy, **TRAINING).fit(
        series(request.param)
    )


def test_rates_are_learnt_and_intervals_hold_what_they_should(trained):
    kind, row = trained.config.forecast.output, trained.evaluation.rows[0]
    test = trained.evaluation.backtest
    phases = (test.origins[:, None] + np.arange(1, 5)) % 4
    points = test.forecasts["model"].point[..., 0]
    rates = np.array([points[phases == phase].mean() for phase in range(4)])
    # Of 162 draws of each rate that are trained on, the mean is off by some √((1/λ + α) / 162) < 0.08.
    assert np.abs(np.log(rates / RATES)).max() < 0.2
    # Where many outcomes are equal, an interval holds more than it should.
    assert 0.85 < row["coverage"] < (0.96 if kind == "lognormal" else 0.98)
    quantiles = trained.predict().select(pl.selectors.starts_with("q")).to_numpy()
    assert (quantiles > 0).all() if kind == "lognormal" else (quantiles >= 0).all()
    assert (quantiles == quantiles.round()).all() == (kind != "lognormal")
    assert row["crps"] < 0.8 * min(one["mae"] for one in trained.evaluation.rows[1:])


def test_draws_have_the_rates_and_the_spread(trained):
    kind = trained.config.forecast.output
    if kind == "lognormal":
        pytest.skip("all steps at once are not drawn together")
    drawn = trained.paths(2000)["value"].to_numpy().reshape(2000, 4)
    np.testing.assert_allclose(drawn.mean(0), RATES, rtol=0.3)
    dispersion = ((drawn.var(0) - drawn.mean(0)) / drawn.mean(0) ** 2).mean()
    assert abs(dispersion - (DISPERSION if kind == "negbinomial" else 0)) < 0.2
    assert (drawn == drawn.round()).all()


def test_a_short_history_is_gone_on_from_and_values_are_told_in_their_units(trained):
    begin = series(trained.config.forecast.output, 5, seed=3)
    said = trained.predict(begin)["forecast"].to_numpy()
    assert np.abs(np.log(said / np.roll(RATES, -1))).max() < 1
    exact = trained.runtime().predict([begin.to_dicts()], horizon=4)["forecast"][0, :, 0]
    assert np.array_equal(exact, said)


WRONG = [("poisson", 0.5), ("negbinomial", -1.0), ("poisson", 2.0**25), ("lognormal", 0.0)]


@pytest.mark.parametrize("kind, wrong", WRONG)
def test_other_values_are_refused_with_their_row(kind, wrong):
    frame = series(kind, 100).with_columns(y=pl.when(pl.int_range(100) == 41).then(wrong).otherwise("y"))
    with pytest.raises(DataError, match=rf"row 42 of it .41.: 'y' is .*; output='{kind}' wants .*numbers"):
        Forecaster(target="y", output=kind, **SMALL).fit(frame)


def test_counts_of_nothing_are_refused():
    with pytest.raises(DataError, match=r"column 'y' is 0 in all .* steps"):
        Forecaster(target="y", output="poisson", **SMALL).fit(pl.DataFrame({"y": [0.0] * 100}))


def test_nothing_is_fitted_on_the_test_part():
    for kind, strategy in (("poisson", "recursive"), ("lognormal", "direct")):
        frame = series(kind, 100)
        late = pl.int_range(100) >= 80
        spoilt = frame.with_columns(y=pl.when(late).then(1000 * pl.col("y")).otherwise("y"))
        options = SMALL | {"target": "y", "output": kind, "test": 20, "strategy": strategy}
        one, two = (Forecaster(**options).fit(data) for data in (frame, spoilt))
        arrays = (one.codec.arrays(), two.codec.arrays())
        assert all(np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[0])
        states = (one.network.state_dict(), two.network.state_dict())
        assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])
