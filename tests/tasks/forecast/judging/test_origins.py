"""The rows of every origin: each outcome and forecast beside the time that it is of."""

from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest

from tests.tasks.forecast.cases import hourly, noisy
from tests.tasks.forecast.test_estimator import SMALL
from unrolled.tasks.forecast.estimator import Forecaster


def fitted(frame, **options):
    return Forecaster(**(SMALL | {"epochs": 1} | options)).fit(frame)


@pytest.fixture(scope="module")
def frame():
    """Two series that begin at other times and are of unequal length; x tells the series and the row."""
    parts = []
    for k, (name, T, day) in enumerate([("a", 150, 1), ("b", 120, 3)]):
        part = noisy(T, seed=k).with_columns(
            time=pl.Series(hourly(T, f"2024-01-{day:02}T00:00")),
            id=pl.lit(name),
            x=1000.0 * k + pl.int_range(T).cast(float),
        )
        parts.append(part)
    return pl.concat(parts)


def test_each_row_stands_at_its_time(frame):
    found = fitted(frame, target=("y", "x"), id="id", output="gaussian", sample_paths=20).evaluation
    rows, N = found.forecasts(), len(found.backtest.origins)
    assert len(rows) == N * 2 * 4 and set(rows["series"]) == {"a", "b"}
    assert rows.columns[:7] == ["series", "origin", "step", "time", "target", "actual", "forecast"]
    assert rows.columns[7:12] == ["q0.05", "q0.25", "q0.5", "q0.75", "q0.95"]
    ahead = (rows["time"] - rows["origin"]).to_list()
    assert ahead == [timedelta(hours=step) for step in rows["step"]] and set(rows["step"]) == {1, 2, 3, 4}
    # What stands at that time in the file, and what persistence says from the origin.
    known = frame.unpivot(["y", "x"], index=["id", "time"], variable_name="target")
    for time, column in (("time", "actual"), ("origin", "persistence")):
        beside = rows.join(
            known, left_on=["series", time, "target"], right_on=["id", "time", "target"], how="left"
        )
        assert beside[column].to_list() == beside["value"].to_list()
    one = rows.filter(pl.col("target") == "x")
    error = (one["forecast"] - one["actual"]).to_numpy()
    assert np.sqrt(np.mean(error**2)) == pytest.approx(found.rmse("x", "model"))


def test_one_series_of_dates_with_a_gap():
    days = [datetime(2024, 1, 1) + timedelta(days=k) for k in range(120)]
    y = np.sin(np.arange(120.0))
    y[115] = np.nan
    frame = pl.DataFrame({"time": [day.date() for day in days], "y": y})
    rows = fitted(frame, gaps="forward", season=1).evaluation.forecasts()
    assert rows.columns[:5] == ["origin", "step", "time", "target", "actual"]
    assert rows["time"].dtype == rows["origin"].dtype == pl.Date
    empty = rows.filter(pl.col("actual").is_null())
    assert set(empty["time"]) == {days[115].date()} and empty["forecast"].is_not_null().all()
