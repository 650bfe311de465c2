"""The plots of a run are written from whatever a training and a backtest can give."""

import json
import warnings

import polars as pl
import pytest

from tests.tasks.forecast.cases import RECURSIVE, noisy
from tests.tasks.forecast.test_estimator import SMALL, T, overflowing, panel
from unrolled.tasks.forecast import pictures
from unrolled.tasks.forecast.estimator import Forecaster

NAMES = ("forecast", "gradient_norm", "loss", "residuals")


def fitted(frame, **options):
    return Forecaster(**(SMALL | {"epochs": 1, "refit": False} | options)).fit(frame)


def many(S=60):
    """Series of 40 steps on scales of 1 to 100,000; the first two are constant, and of the third the second
    target is known for a while only."""
    frames = [
        noisy(40, seed=k).with_columns(id=pl.lit(f"s{k}"), y=(pl.col("y") if k > 1 else 1.0) * 10 ** (k % 6))
        for k in range(S)
    ]
    known = (pl.col("id") != "s2") | (pl.int_range(pl.len()).over("id") < 20)
    return pl.concat(frames).with_columns(z=pl.when(known).then(pl.col("y") + 1))


CASES = {
    "point": lambda: fitted(noisy(T)),
    "intervals": lambda: fitted(noisy(T), output="quantiles", clip=0),
    "drawn": lambda: fitted(noisy(T), **RECURSIVE, output="gaussian", sample_paths=10, most_origins=20),
    "no season": lambda: fitted(noisy(T), season=1),
    "whole numbers": lambda: fitted(noisy(T).with_columns(time=pl.int_range(T))),
    "several targets": lambda: fitted(noisy(T).with_columns(z=pl.col("y") ** 2), target=("y", "z")),
    "several series": lambda: fitted(panel().filter(pl.col("id") != "tiny"), id="id"),
    "many series": lambda: fitted(many(), id="id", window=4, horizon=2, season=1, output="gaussian"),
    "many series with gaps": lambda: fitted(
        many(9), id="id", target=("y", "z"), gaps="mask", window=4, horizon=2, season=1
    ),
    "one origin": lambda: fitted(noisy(T), most_origins=1),
    "no test part": lambda: fitted(noisy(T), test=0),
}


@pytest.mark.parametrize("case", CASES)
def test_pictures_are_written(case, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CASES[case]().save(tmp_path / "run")
    names = NAMES[1:3] if case == "no test part" else NAMES
    wanted = [f"{name}.{kind}" for name in names for kind in ("png", "svg")]
    assert sorted(path.name for path in (tmp_path / "run/plots").iterdir()) == wanted


@pytest.mark.parametrize(
    "count, said", [(2, ["best", "worst"]), (3, ["best", "median", "worst"]), (1, ["only"])]
)
def test_each_series_is_drawn_once(count, said):
    """The one that never moves has no MASE, and stands for nothing."""
    still = noisy(60).with_columns(id=pl.lit("still"), y=1.0)
    frames = [noisy(60, seed=k).with_columns(id=pl.lit(f"s{k}")) for k in range(count)]
    evaluation = fitted(pl.concat([*frames, still]), id="id").evaluation
    drawn = list(pictures._chosen(evaluation, 0, 1))
    assert len({series for series, _ in drawn}) == count
    assert [detail.split(", the ")[1].split()[0] for _, detail in drawn] == said


def test_forecasts_that_are_not_finite_do_not_stop_a_run_from_being_written(tmp_path):
    forecaster = fitted(noisy(T), **RECURSIVE, cell="rnn", nonlinearity="relu")
    overflowing(forecaster)
    forecaster.save(tmp_path / "run")
    found = json.loads((tmp_path / "run/evaluation.json").read_text())
    assert found["table"][0]["rmse"] is None and "without bound" in found["verdict"][0]
    assert (tmp_path / "run/plots/residuals.png").is_file()
