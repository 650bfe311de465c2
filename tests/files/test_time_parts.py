"""Times whose parts stand in several columns, however these are called."""

import numpy as np
import polars as pl
import pytest

from unrolled.errors import DataError
from unrolled.files.query import Query
from unrolled.files.series import read_series
from unrolled.files.time_parts import find_layout, layout_of

TIMES = np.datetime64("2020-01-30T21:00", "us") + np.arange(60) * np.timedelta64(1, "h")
S = pl.Series(TIMES)
Y = np.arange(60.0)
PARTS = {
    "numbers": {"year": S.dt.year(), "month": S.dt.month(), "day": S.dt.day(), "hour": S.dt.hour()},
    "names": {"YEAR": S.dt.year(), "Month": S.dt.strftime("%B"), "Day": S.dt.day(), "hr": S.dt.hour()},
    "another order": {"hour": S.dt.hour(), "day": S.dt.day(), "month": S.dt.month(), "year": S.dt.year()},
    "a date and an hour": {"dteday": S.dt.strftime("%Y-%m-%d"), "hr": S.dt.hour()},
    "day first and an hour": {"Date": S.dt.strftime("%d.%m.%Y"), "hour": S.dt.hour()},
    "a date and a clock": {"Date": S.dt.strftime("%d/%m/%Y"), "Time": S.dt.strftime("%H:%M:%S")},
    "a clock with points": {"Date": S.dt.strftime("%d/%m/%Y"), "Time": S.dt.strftime("%H.%M.%S")},
    "dates and hours": {"date": S.dt.date(), "hour": S.dt.hour()},
}  # fmt: skip


@pytest.mark.parametrize("case", PARTS)
@pytest.mark.parametrize("form", ["frame", "csv"])
def test_times_of_parts_are_found(case, form, tmp_path):
    source = pl.DataFrame(PARTS[case] | {"y": Y})
    if form == "csv":
        source.write_csv(tmp_path / "t.csv")
        source = tmp_path / "t.csv"
    file = read_series(source, Query())
    assert file.targets == ("y",) and set(file.time.split(",")) == set(PARTS[case])
    assert file.notes[0] == f"time: columns {', '.join(map(repr, file.time.split(',')))}"
    np.testing.assert_array_equal(file.series[0].times, TIMES)
    named = read_series(source, Query(targets=("y",), time=", ".join(PARTS[case])))
    np.testing.assert_array_equal(named.series[0].times, TIMES)


def test_several_series_have_the_same_parts():
    both = pl.DataFrame({"id": ["a", "b"] * 60} | {k: np.repeat(v, 2) for k, v in PARTS["numbers"].items()})
    file = read_series(both.with_columns(y=np.arange(120.0)), Query(targets=("y",), id="id"))
    assert all(np.array_equal(series.times, TIMES) for series in file.series)


def test_months_quarters_and_years_that_a_table_library_made_floats():
    frame = pl.DataFrame({"year": [2019.0, 2019.0, 2020.0], "month": [11.0, 12.0, 1.0], "y": Y[:3]})
    file = read_series(frame, Query(targets=("y",)))
    assert (file.step.name, file.precision, file.time) == ("1 month", "month", "year,month")
    quarters = pl.DataFrame({"Year": [2019, 2019, 2020], "Quarter": [3, 4, 1], "y": Y[:3]})
    file = read_series(quarters, Query(targets=("y",)))
    assert file.step.name == "3 months" and str(file.series[0].times[0]).startswith("2019-07-01")


def test_what_looks_like_parts_and_is_none_is_left_alone():
    counters = pl.DataFrame({"year": [1, 2, 3], "month": [1, 2, 3], "y": Y[:3]})
    assert read_series(counters, Query(targets=("y",))).time == "year"
    daily = pl.DataFrame({"date": S.dt.date().unique(maintain_order=True), "hour": 9, "y": Y[:4]})
    assert read_series(daily, Query(targets=("y",))).time == "date"
    weather = PARTS["numbers"] | {"min": S.dt.day(), "y": Y}
    assert read_series(pl.DataFrame(weather), Query(targets=("y",))).time == "year,month,day,hour"


def test_the_first_wrong_part_is_named():
    frame = pl.DataFrame(PARTS["numbers"] | {"y": Y}).with_columns(
        day=pl.when(pl.int_range(60) == 40).then(32).otherwise("day")
    )
    with pytest.raises(
        DataError, match=r"row 41 of 60, column 'year,month,day,hour': .* got '2020-02-32 13:00'"
    ):
        read_series(frame, Query(targets=("y",)))
    with pytest.raises(DataError, match=r"time='year,hour': wanted year,month,day with hour and minute"):
        read_series(frame, Query(targets=("y",), time="year,hour"))
    with pytest.raises(DataError, match=r"no column 'weak' .did you mean"):
        read_series(frame.rename({"month": "week"}), Query(targets=("y",), time="year,weak"))


@pytest.mark.parametrize(
    "columns, name, text",
    [
        (["min", "hh", "dd", "mm", "yyyy"], "yyyy,mm,dd,hh,min", "07-07-07 07:07"),
        (["minute", "h", "dd", "mo", "yyyy"], "yyyy,mo,dd,h,minute", "07-07-07 07:07"),
        (["day", "Year", "month", "clock"], "Year,month,day,clock", "07-07-07 07"),
        (["when", "at"], "when,at", "07 07"),
        (["year", "year"], None, None),
        (["when", "at", "where"], None, None),
        (["day"], None, None),
    ],
)
def test_which_columns_make_a_time(columns, name, text):
    layout = layout_of(columns)
    assert (None if layout is None else layout.name) == name
    assert layout is None or layout.text(dict.fromkeys(columns, 7)) == text


def test_a_year_and_more_is_found_by_full_names_alone():
    assert find_layout(["min", "hour", "day", "month", "year"]).name == "year,month,day,hour"
    assert find_layout(["year", "day", "hour"]) is None
    assert find_layout(["mm", "year"]) is None
