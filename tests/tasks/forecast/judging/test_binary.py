"""Forecasts of 0 and 1: what is learnt of chains whose probabilities are known, and how they are judged."""

import math

import numpy as np
import polars as pl
import pytest

from unrolled import Forecaster
from unrolled.errors import ConfigError, DataError
from unrolled.tasks.forecast import pictures
from unrolled.tasks.forecast.judging import binary

STAY, COME = 0.9, 0.2  # of a 1 after a 1, and after a 0
OPTIONS = {"output": "bernoulli", "horizon": 1, "hidden": 8, "season": 1, "output_dropout": 0.0}
SMALL = OPTIONS | {"steps": 2, "refit": False}


@pytest.fixture(scope="module", autouse=True)
def no_pictures():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "draw_evaluation", lambda *arguments: None)
        yield


def chain(T, seed=0):
    """y is a Markov chain, a alternates, z is 0; of two series."""
    uniform, y = np.random.default_rng(seed).random(2 * T), [0.0]
    for u in uniform[1:]:
        y.append(float(u < (STAY if y[-1] else COME)))
    t = np.arange(2 * T)
    columns = {"y": y, "a": t % 2 * 1.0, "z": np.zeros(2 * T), "id": np.repeat(["one", "two"], T)}
    return pl.DataFrame(columns)


@pytest.fixture(scope="module")
def trained():
    training = {"steps": 150, "learning_rate": 0.02, "test": 0.4, "window": 60, "refit": False}
    return Forecaster(target=("y", "a", "z"), id="id", **OPTIONS, **training).fit(chain(600))


def test_the_probabilities_of_a_chain_are_learnt(trained):
    rows = {(row["target"], row["forecast"]): row for row in trained.evaluation.rows}
    entropies = [-p * math.log(p) - (1 - p) * math.log(1 - p) for p in (STAY, COME)]
    ones = COME / (COME + 1 - STAY)
    rate = ones * entropies[0] + (1 - ones) * entropies[1]
    model = rows["y", "model"]
    assert model["nll"] == pytest.approx(rate, abs=0.06)  # 480 outcomes of two kinds
    assert model["brier"] == pytest.approx(
        ones * STAY * (1 - STAY) + (1 - ones) * COME * (1 - COME), abs=0.03
    )
    assert model["accuracy"] == pytest.approx(ones * STAY + (1 - ones) * (1 - COME), abs=0.06)
    assert rows["a", "model"]["nll"] < 0.05 and rows["z", "model"]["nll"] < 0.02
    together = rows["all targets, scaled", "model"]["nll"]
    assert together == pytest.approx(sum(rows[name, "model"]["nll"] for name in "yaz"), rel=1e-9)
    p = trained.predict(pl.DataFrame({"y": [0.0, 1], "a": [0.0, 1], "z": [0.0, 0], "id": "new"}))["forecast"]
    assert np.abs(p.to_numpy() - [STAY, 0, 0]).max() < 0.08  # of a history much shorter than the window


def test_baselines_are_judged_by_their_probabilities(trained):
    rows = {(row["target"], row["forecast"]): row for row in trained.evaluation.rows}
    y = chain(600).filter(pl.int_range(600).over("id") < 306)["y"].mean()  # the training parts
    test = trained.evaluation.backtest.y[..., 0].mean()
    wanted = -test * math.log(y) - (1 - test) * math.log(1 - y)
    assert rows["y", "frequency"]["nll"] == pytest.approx(
        wanted, abs=0.003
    )  # half a 1 and half a 0 were added
    assert rows["y", "persistence"]["nll"] == math.inf and math.isnan(rows["y", "drift"]["nll"])
    assert rows["a", "persistence"]["accuracy"] == 0 == rows["z", "persistence"]["nll"]
    assert "mase" not in rows["y", "model"] and "coverage" not in rows["y", "model"]
    [said] = [line for line in trained.evaluation.verdict if "log-likelihood of a step" in line]
    assert "the sum over 3 targets" in said and "of the frequencies" in said


def test_figures_by_hand():
    y, f = np.array([1.0, 0, 1, np.nan]), np.array([0.8, 0.4, 0.3, 0.5])
    found = binary.figures(*(each.reshape(2, 2, 1) for each in (y, f)), None)
    assert found["nll"] == pytest.approx(-(math.log(0.8) + math.log(0.6) + math.log(0.3)) / 3)
    assert found["brier"] == pytest.approx((0.04 + 0.16 + 0.49) / 3) and found["accuracy"] == pytest.approx(
        2 / 3
    )


def test_drawn_futures_and_continuations_are_0_and_1(trained):
    history = chain(40).filter(id="one")
    drawn = trained.paths(200, history, horizon=6)
    assert set(drawn["value"].unique()) == {0, 1}
    a = drawn.filter(target="a").group_by("step", maintain_order=True).agg(pl.col("value").mean())["value"]
    assert np.abs(a.to_numpy() - [0, 1, 0, 1, 0, 1]).max() < 0.1
    likeliest = trained.generate(6, history).filter(target="a")["value"].to_list()
    assert likeliest == [0, 1, 0, 1, 0, 1]
    said = trained.predict(history, horizon=6).filter(target="a")["forecast"].to_numpy()
    assert np.abs(said - likeliest).max() < 0.1 and not set(said) <= {0, 1}


def test_the_untrained_network_says_how_frequent_a_1_is():
    frame = chain(100)
    model = Forecaster(target=("y", "z"), id="id", **SMALL, learning_rate=1e-9, test=0, validation=0).fit(
        frame
    )
    p = model.predict()["forecast"].to_numpy()
    wanted = [(frame["y"].sum() + 0.5) / 201, 0.5 / 201]
    np.testing.assert_allclose(p, wanted * 2, rtol=1e-5)


def test_what_was_chosen_is_told(trained):
    config = trained.config
    assert (config.forecast.strategy, config.forecast.residual, config.forecast.level) == (
        "recursive",
        False,
        None,
    )
    assert Forecaster(**SMALL).config.forecast.strategy is None
    one, two = chain(100).filter(id="one"), chain(100)
    windows = [
        Forecaster(target="y", id="id", **SMALL).fit(frame).config.forecast.window for frame in (one, two)
    ]
    assert windows == [17, 69]  # a quarter of the training part, or of several series all


@pytest.mark.parametrize(
    "options, message",
    [
        ({"residual": True}, "residual has no use with output='bernoulli'"),
        ({"level": "relative"}, "level has no use with output='bernoulli'"),
    ],
)
def test_options_that_do_not_apply_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Forecaster(**SMALL, **options)


def test_other_values_are_refused_with_their_row(trained):
    frame = chain(100).with_columns(y=pl.when(pl.int_range(200) == 107).then(0.5).otherwise("y"))
    wanted = "series 'two', row 8 of it .7.: 'y' is 0.5; output='bernoulli' wants 0 or 1"
    with pytest.raises(DataError, match=wanted):
        Forecaster(target="y", id="id", **SMALL).fit(frame)
    with pytest.raises(DataError, match=wanted):
        trained.predict(frame)
