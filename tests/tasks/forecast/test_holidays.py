"""Holidays: the days are those of the library when the training began, and the run needs it no more."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from unrolled import Forecaster, runtime, tasks
from unrolled.codecs.series import HOLIDAY
from unrolled.errors import ConfigError, DataError
from unrolled.tasks.forecast import pictures

SHORT = {"target": "y", "window": 9, "horizon": 3, "hidden": 5, "steps": 8, "refit": False, "threads": 1}
YEARLY = ("05-01", "12-25", "12-26")


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(tasks.pictures, "draw_history", lambda *arguments: None)
    monkeypatch.setattr(pictures, "draw_evaluation", lambda *arguments: None)


@pytest.fixture
def library(monkeypatch):
    """One of few holidays in the place of the real one; the years that it was asked for."""
    asked = []

    def country_holidays(country, subdiv, years):
        asked.append((country, subdiv, years))
        days = [*YEARLY, "06-15"] if subdiv else YEARLY
        return {np.datetime64(f"{year}-{day}").item(): "feast" for year in years for day in days}

    known = {"DE": ["BE", "BY"], "DK": []}
    stub = SimpleNamespace(country_holidays=country_holidays, list_supported_countries=lambda: known)
    monkeypatch.setitem(sys.modules, "holidays", stub)
    return asked


def daily(T, begin="2019-06-01", dips=YEARLY):
    """A week's wave with a dip on holidays."""
    steps = np.datetime64(begin, "us") + np.arange(T) * np.timedelta64(1, "D")
    feast = np.isin([str(day)[5:10] for day in steps], dips)
    noise = 0.5 * np.random.default_rng(0).standard_normal(T)
    return pl.DataFrame(
        {"day": steps, "y": 20 + 3 * np.sin(2 * np.pi * np.arange(T) / 7) - 8 * feast + noise}
    )


def test_dips_on_holidays_are_forecast():
    real = pytest.importorskip("holidays")
    days = np.datetime64("2018-01-01") + np.arange(2179)  # up to 2023-12-19
    feasts = np.array(list(real.country_holidays("DE", years=range(2018, 2024))), "datetime64[D]")
    frame = daily(len(days), "2018-01-01", dips=())
    frame = frame.with_columns(y=pl.col("y") - 8 * np.isin(days, feasts))
    options = {"target": "y", "horizon": 7, "window": 14, "hidden": 16, "season": 7, "refit": False}
    model = Forecaster(**options, holidays="DE", steps=400, learning_rate=0.01).fit(frame)
    wave = 20 + 3 * np.sin(2 * np.pi * np.arange(2179, 2186) / 7)
    fallen = wave - model.predict()["forecast"].to_numpy()  # from 20 to 26 December
    assert fallen[-2:].min() > 4 and np.abs(fallen[:-2]).max() < 3


def test_the_days_stand_in_the_run_and_the_library_is_needed_no_more(library, tmp_path, monkeypatch):
    frame = daily(300)
    model = Forecaster(holidays="de-by", **SHORT).fit(frame)
    [(country, part, years)] = library
    assert (country, part, years[0], years[-1]) == ("DE", "BY", 2019, 2050)
    assert model.codec.series.calendar[-1] == HOLIDAY and not model.codec.series.future
    model.save(tmp_path / "run")
    monkeypatch.setitem(sys.modules, "holidays", None)
    stored = json.loads((tmp_path / "run" / "runtime.json").read_text())["codec"]["holidays"]
    assert len(stored) == 4 * 32 and {"2019-06-15", "2050-12-26"} < set(stored)
    loaded, made = Forecaster.load(tmp_path / "run"), runtime.load(tmp_path / "run")
    wanted = model.predict()["forecast"].to_numpy()
    assert np.array_equal(loaded.predict(frame)["forecast"].to_numpy(), wanted)
    stream = made.stream()
    for step in frame.to_dicts()[-9:]:
        told = stream.step(step)
    assert np.array_equal(told["forecast"][:, 0], wanted)


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_a_mark_stands_at_every_step_of_a_holiday(library, strategy):
    hours = np.datetime64("2019-12-20", "us") + np.arange(240) * np.timedelta64(1, "h")
    frame = pl.DataFrame({"time": hours, "y": np.arange(240.0) % 7})
    model = Forecaster(holidays="DE", calendar="none", strategy=strategy, **SHORT).fit(frame)
    codec = model.codec.series
    assert codec.calendar == (HOLIDAY,) and codec.ahead == 1
    coded = codec.encode(model._training_file().series[0], 3)
    days = hours.astype("datetime64[D]").astype(str)
    wanted = np.isin(days, ["2019-12-25", "2019-12-26"])
    assert np.array_equal(coded.x[:-1, -1].numpy() == 1, wanted[1:]) and wanted.sum() == 48


def test_holidays_are_days_of_clocks(library):
    """In Berlin a holiday begins at 23:00 of the day before, UTC."""
    hours = pl.Series(np.datetime64("2019-12-20", "us") + np.arange(240) * np.timedelta64(1, "h"))
    frame = pl.DataFrame({"time": hours.dt.replace_time_zone("UTC"), "y": np.arange(240.0) % 7})
    model = Forecaster(holidays="DE", zone="Europe/Berlin", calendar="none", **SHORT).fit(frame)
    x = model.codec.series.encode(model._training_file().series[0], 3).x[:, -1].numpy()
    first = int(np.argmax(x)) + 1  # a row holds what is known of the step after it
    assert str(hours[first]) == "2019-12-24 23:00:00"


@pytest.mark.parametrize(
    "place, message",
    [
        (
            "Denmark",
            "no holidays of 'DENMARK' are known; wanted a country's .* or one of 'DE', 'DK', or that",
        ),
        ("DE-BX", "no part 'BX' of DE is known; those of DE are 'BE', 'BY'"),
        ("DK-BY", "no part 'BY' of DK is known; it has none"),
    ],
)
def test_a_place_that_is_not_known(library, place, message):
    with pytest.raises(ConfigError, match=message):
        Forecaster(holidays=place, **SHORT).fit(daily(100))


def test_without_the_library_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "holidays", None)
    with pytest.raises(ConfigError, match=r"needs the library holidays, .* pip install 'unrolled\[train\]'"):
        Forecaster(holidays="DE", **SHORT).fit(daily(100))


@pytest.mark.parametrize("step", ["1w", "1mo"])
def test_steps_of_several_days_have_no_holidays(library, step):
    begin = pl.datetime(2019, 1, 1)
    times = pl.select(pl.datetime_range(begin, begin.dt.offset_by("110w" if step == "1w" else "110mo"), step))
    frame = pl.DataFrame({"time": times.to_series(), "y": np.arange(111.0) % 5})
    with pytest.raises(DataError, match="holidays are of days; wanted times with a step of a day or less"):
        Forecaster(holidays="DE", **SHORT).fit(frame)
