"""Targets that are read as logarithms, square roots or powers."""

from statistics import NormalDist

import numpy as np
import polars as pl
import pytest

from tests.tasks.forecast.cases import STRATEGIES, hourly
from tests.tasks.forecast.test_estimator import no_pictures, same_weights  # noqa: F401
from tests.tasks.forecast.test_refits import Notes
from unrolled import Detector, Forecaster
from unrolled.errors import ConfigError, DataError

SHORT = {"target": "y", "horizon": 4, "season": 12, "window": 24, "hidden": 5, "steps": 8, "refit": False}
SHORT |= {"validation": 20, "test": 30}


def growing(T=160, seed=0, **columns):
    """Above 0, with a season and noise that grow with the level."""
    noise, t = np.random.default_rng(seed).standard_normal(T), np.arange(T)
    y = np.exp(1 + t / 100 + 0.5 * np.sin(2 * np.pi * t / 12) + 0.2 * noise)
    return pl.DataFrame({"time": hourly(T), "y": y} | columns)


def with_value(frame, row, value):
    return frame.with_columns(y=pl.when(pl.int_range(len(frame)) == row).then(value).otherwise("y"))


@pytest.mark.parametrize("transform", ["nonnegative", "log", "sqrt", "boxcox"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_runtime_stream_and_a_loaded_run_say_what_the_model_does(strategy, transform, tmp_path):
    options = SHORT | STRATEGIES[strategy] | {"transform": transform, "output": "gaussian"}
    model = Forecaster(**options).fit(growing(), out=tmp_path / "run")
    said = model.predict()
    loaded = Forecaster.load(tmp_path / "run")
    assert loaded.predict(growing()).equals(said) and loaded.config.forecast.transform == (transform,)
    runtime, steps = model.runtime(), growing().to_dicts()
    exact = runtime.predict([steps], horizon=4)
    assert np.array_equal(exact["forecast"][0, :, 0], said["forecast"])
    if strategy == "direct":
        quantiles = said.select(pl.selectors.starts_with("q")).to_numpy()
        assert np.array_equal(exact["quantiles"][0, :, 0], quantiles)
        stream = runtime.stream()
        for at in range(0, 160, 40):
            answers = stream.feed(steps[at : at + 40])
        assert np.array_equal(answers["forecast"][-1], exact["forecast"][0])


@pytest.mark.parametrize("seed", [0, 2])
def test_a_season_that_grows_is_forecast_better_in_logarithms(seed):
    """By an untrained network, its base. The noise, of a tenth, is a sMAPE of 8."""
    noise, t = np.random.default_rng(seed).standard_normal(300), np.arange(300)
    y = np.exp(t / 100 + np.sin(2 * np.pi * t / 12) + 0.1 * noise)
    frame, options = pl.DataFrame({"time": hourly(300), "y": y}), SHORT | {"steps": 1, "learning_rate": 1e-20}
    errors = {
        transform: Forecaster(**options | {"test": 60}, transform=transform)
        .fit(frame)
        .evaluation.rows[0]["smape"]
        for transform in ("none", "log")
    }
    assert 8 < errors["log"] < 0.8 * errors["none"]


@pytest.mark.parametrize("output", ["point", "gaussian", "studentt", "quantiles"])
@pytest.mark.parametrize("transform", ["nonnegative", "log", "sqrt", "boxcox"])
def test_no_forecast_and_no_quantile_is_below_0(transform, output):
    """Near 0, with an untrained network, whose intervals are wide; without a transform some are."""
    y = np.random.default_rng(0).gamma(0.7, 1.0, 160)
    options = SHORT | {"output": output, "steps": 1, "validation": 30}
    frame = growing().with_columns(y=y)

    def low(transform):
        model = Forecaster(**options, transform=transform).fit(frame)
        numbers = model.predict().select("forecast", pl.selectors.starts_with("q")).to_numpy()
        assert (np.diff(numbers[:, 1:], axis=1) >= 0).all()
        stream = model.runtime().stream()
        told = np.array([stream.step(step)["adaptive"].min() for step in frame.to_dicts()])
        quantiles = model.evaluation.backtest.forecasts["model"].quantiles
        return min(numbers.min(), quantiles.min(), np.nanmin(told))

    assert low("none") < 0 <= low(transform)


def test_figures_are_in_the_unit_of_the_file():
    """The CRPS of a normal distribution of logarithms has a closed form; its mean over 99 levels is a little
    less, which has no tails."""
    model = Forecaster(**SHORT, transform="log", output="gaussian").fit(growing())
    test = model.evaluation.backtest
    y, said = test.y[..., 0], test.forecasts["model"]
    low, mu, high = np.moveaxis(np.log(said.quantiles[..., 0, [0, 2, 4]]), -1, 0)
    cdf = np.vectorize(NormalDist().cdf)
    sigma = (high - low) / (2 * NormalDist().inv_cdf(0.95))
    np.testing.assert_allclose(said.point[..., 0], np.exp(mu))
    z, mean = (np.log(y) - mu) / sigma, np.exp(mu + sigma**2 / 2)
    wanted = y * (2 * cdf(z) - 1) - 2 * mean * (cdf(z - sigma) + cdf(sigma / 2**0.5) - 1)
    np.testing.assert_allclose(said.crps[..., 0], wanted, rtol=0.03)
    deviation = model.codec.series.scalers["target"].deviation
    np.testing.assert_allclose(deviation, growing()["y"].to_numpy()[:110].std(), rtol=1e-12)


def test_values_from_0_on_are_read_and_learnt_as_they_are():
    """Whatever is above 0 is forecast to the same bits."""
    free, bounded = (Forecaster(**SHORT, transform=kind).fit(growing()) for kind in ("none", "nonnegative"))
    assert same_weights(free, bounded) and free.predict().equals(bounded.predict())
    assert free.evaluation.rows[0]["rmse"] == bounded.evaluation.rows[0]["rmse"]


def test_each_target_has_its_own():
    frame = growing(x=-np.arange(160.0) + 50 * np.random.default_rng(0).standard_normal(160))
    options = SHORT | {"target": ("y", "x"), "transform": ("log", "none")}
    model = Forecaster(**options).fit(frame)
    assert model.codec.series.scalers["target"].curve.power.tolist() == [0, 1]
    said = model.predict().group_by("target", maintain_order=True).agg(pl.col("forecast").min())
    assert said["forecast"][0] > 0 > said["forecast"][1]
    with pytest.raises(ConfigError, match="transform: wanted one for all targets or 2, one each; got 3"):
        Forecaster(**options | {"transform": ("log", "none", "none")}).fit(frame)


LEAST = [("log", 0.0), ("boxcox", 0.0), ("sqrt", -1.0), ("nonnegative", -1.0)]


@pytest.mark.parametrize("transform, wrong", LEAST)
def test_a_value_that_has_no_logarithm_is_refused_in_training_and_read_as_the_least_later(transform, wrong):
    model = Forecaster(**SHORT, transform=transform)
    numbers = "above 0" if wrong == 0 else "from 0 on"
    for row in (3, 120):  # of the training and of the validation part
        with pytest.raises(
            DataError,
            match=rf"row {row + 1} .*: 'y' is {wrong:g}; transform='{transform}' wants numbers {numbers}",
        ):
            model.fit(with_value(growing(), row, wrong))
    later = with_value(growing(), 159, wrong)
    refitted = Forecaster(**SHORT | {"transform": transform, "refit": True}).fit(later)
    assert refitted.predict()["forecast"].is_finite().all()
    model.fit(growing())
    least = model.codec.series.scalers["target"].curve.least
    assert model.predict(later).equals(model.predict(with_value(growing(), 159, least[0])))
    line = f"1 value of 'y' below {least[0]:g}, the least that transform reads, read as that"
    assert model.notices(later) == [line] and model.notices(growing()) == []
    stream = model.runtime().stream()
    said = [stream.step(step)["forecast"] for step in later.to_dicts()]
    assert np.array_equal(said[-1].ravel(), model.predict(later)["forecast"])
    evaluation = model.fit(later).evaluation
    assert evaluation.backtest.y.min() == wrong and evaluation.verdict[-1] == line


WRONG = [
    ({"output": "lognormal"}, "output='lognormal', which has a form of its own"),
    ({"output": "poisson"}, "output='poisson', which has a form of its own"),
    (
        {"gaps": "zero"},
        "gaps='zero' puts 0 in place of what is missing; set gaps='forward', or transform='sqrt'",
    ),
]


@pytest.mark.parametrize("options, message", WRONG)
def test_what_does_not_go_together_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Forecaster(**options, transform="log")
    Forecaster(**options, transform="none")


@pytest.mark.parametrize("transform", ["log", "sqrt", "boxcox"])
def test_the_power_that_was_found_is_told(transform):
    notes = Notes()
    Forecaster(**SHORT, transform=transform).fit(growing(), report=notes)
    assert [line for line in notes.lines if line.startswith("boxcox")] == (
        ["boxcox: 'y' to the power 0 (its logarithm)"] if transform == "boxcox" else []
    )


@pytest.mark.parametrize("of_one", [{"scale": "pooled"}, {"transform": "log"}, {"output": "poisson"}, {}])
def test_the_least_spread_of_a_window_is_told_in_the_unit_of_the_file(of_one):
    """A twentieth of the deviation of the training part, where windows are framed by themselves."""
    notes, frame = Notes(), growing().with_columns(y=pl.col("y").round())
    Forecaster(**SHORT | of_one).fit(frame, report=notes)
    told = [line for line in notes.lines if line.startswith("spread")]
    least = 0.05 * frame["y"].to_numpy()[:110].std()
    assert told == ([] if of_one else [f"spread of a window: counts as {least:.3g} at least"])


def test_nothing_leaks_from_the_test_part():
    spoilt = growing().with_columns(
        y=pl.when(pl.int_range(160) >= 130).then(pl.col("y") * 1e6).otherwise("y")
    )
    for transform in ("log", "boxcox"):
        one, two = (Forecaster(**SHORT, transform=transform).fit(data) for data in (growing(), spoilt))
        assert same_weights(one, two) and one.rows == two.rows
        arrays, others = one.codec.arrays(), two.codec.arrays()
        assert all(np.array_equal(arrays[name], others[name]) for name in arrays) and "target.power" in arrays


def test_a_detector_scores_logarithms():
    frame = with_value(growing(300), 290, 0.01)
    model = Detector(target="y", hidden=5, steps=8, season=12, transform="log", test=60).fit(frame)
    scores = model.predict(frame)["score"].to_numpy()
    assert np.nanargmax(scores) == 290
    stream = model.runtime().stream()
    exact = [float(stream.step(step)["score"]) for step in frame.to_dicts()]
    assert np.array_equal(exact, scores, equal_nan=True)
