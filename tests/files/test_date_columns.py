"""Columns of dates that people wrote: what the column as a whole tells of day and month."""

import numpy as np
import polars as pl
import pytest

from unrolled.errors import ConfigError, DataError
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences
from unrolled.files.series import read_series


def frame(cells):
    return pl.DataFrame({"date": cells, "y": np.arange(len(cells), dtype=float)})


def read(cells, **options):
    return read_series(frame(cells), Query(targets=("y",), **options))


def written(times, strftime):
    return [time.strftime(strftime) for time in times.tolist()]


def days(begin, n):
    return (np.datetime64(begin, "D") + np.arange(n)).astype("datetime64[us]")


def months(begin, n):
    return (np.datetime64(begin, "M") + np.arange(n)).astype("datetime64[us]")


def hours(begin, n):
    return np.datetime64(begin, "us") + np.arange(n) * np.timedelta64(1, "h")


KINDS = {
    "days": (
        days("2019-12-25", 40),
        ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%m-%d-%y", "%y-%m-%d", "%d %b %Y"],
    ),
    "first days of months": (months("2018-03", 30), ["%d/%m/%Y", "%m/%d/%Y", "%B %d, %Y", "%d-%b-%y"]),
    "months": (months("2018-03", 30), ["%b-%y", "%B %Y", "%m/%Y", "%YM%m", "%Y %b"]),
    "weeks": (days("2020-01-06", 560)[::7], ["%GW%V", "%G-W%V", "%G-W%V-%u", "%d/%m/%Y"]),
    "hours": (hours("2020-02-10T00:00", 60), ["%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M %p", "%d.%m.%YT%H:%M:%S"]),
    "hours of few days": (hours("2020-02-03T00:00", 60), ["%d/%m/%Y %H:%M", "%m/%d/%Y %I:%M %p"]),
}


@pytest.mark.parametrize("kind, strftime", [(kind, one) for kind, (_, all) in KINDS.items() for one in all])
def test_times_come_back_however_they_were_written(kind, strftime, tmp_path):
    times = KINDS[kind][0]
    cells = written(times, strftime)
    file = read(cells)
    np.testing.assert_array_equal(file.series[0].times, times)
    assert any("read" in note for note in file.notes)
    frame(cells).write_csv(tmp_path / "t.csv", separator=";")
    again = read_series(tmp_path / "t.csv", Query(targets=("y",), date_format=file.date_format))
    np.testing.assert_array_equal(again.series[0].times, times)
    if not strftime.endswith("V"):  # of which strptime makes no day
        np.testing.assert_array_equal(read(cells, date_format=strftime).series[0].times, times)


def test_quarters():
    file = read(["2019-Q3", "2019-Q4", "2020-Q1"])
    assert file.step.name == "3 months" and file.precision == "month"
    assert file.notes[-1] == "times: '2019-Q3' in row 1 of 3 is read as 2019-07"


@pytest.mark.parametrize(
    "cells, order, note",
    [
        (
            written(days("2020-01-01", 31), "%d/%m/%Y"),
            "day-first",
            "dates are read day first: '13/01/2020' in row 13 of 31 is 2020-01-13",
        ),
        (
            written(days("2020-01-01", 31), "%m/%d/%Y"),
            "month-first",
            "dates are read month first: '01/13/2020' in row 13 of 31 is 2020-01-13",
        ),
        (
            written(months("2020-01", 20), "%d/%m/%Y"),
            "day-first",
            "dates are read day first, so that all times are 1 month apart: '01/02/2020' in row 2 of 20 is "
            "2020-02-01",
        ),
    ],
)
def test_a_note_tells_the_order_and_why(cells, order, note):
    file = read(cells)
    assert (file.date_format, file.notes[-1]) == (order, note)


@pytest.mark.parametrize("strftime", ["%d/%m/%Y", "%m/%d/%Y"])
def test_twelve_days_of_one_month_could_be_twelve_months(strftime):
    """Regular both ways: 1 to 12 May, or the fifth of every month."""
    cells = written(days("2020-05-01", 12), strftime)
    with pytest.raises(
        DataError, match=r"could be .* and no row tells; name one with date_format='day-first'"
    ):
        read(cells)
    named = "day-first" if strftime.startswith("%d") else "month-first"
    np.testing.assert_array_equal(read(cells, date_format=named).series[0].times, days("2020-05-01", 12))


@pytest.mark.parametrize("strftime", ["%d.%m.%y", "%m/%d/%y"])
def test_a_short_year_comes_last_but_between_hyphens(strftime):
    """The days of a March are those of the 24th of March in twenty years."""
    times = days("2024-03-01", 20)
    np.testing.assert_array_equal(read(written(times, strftime)).series[0].times, times)
    with pytest.raises(DataError, match=r"could be 2024-03-01 \(day-first\) or 2001-03-24 \(year-first\)"):
        read(written(times, "%d-%m-%y"))


def test_a_date_that_its_named_order_does_not_have_is_refused():
    with pytest.raises(DataError) as error:
        read(["01/13/2020", "01/14/2020"], date_format="day-first")
    assert str(error.value) == (
        "the table, row 1 of 2, column 'date': wanted a date that exists, day first, got '01/13/2020' (1 "
        "more such cell); correct it, or name another date_format"
    )
    with pytest.raises(DataError, match=r"wanted a time as '%d/%m/%Y' says, got '01/14/2020'; correct it"):
        read(["01/12/2020", "01/14/2020"], date_format="%d/%m/%Y")
    with pytest.raises(ConfigError, match="wanted day-first"):
        read(["01/12/2020", "01/14/2020"], date_format="dmy")


def test_whole_numbers_are_dates_where_a_format_says_so():
    for cells in ([201911, 201912, 202001], ["201911", "201912", "202001"]):
        assert read(cells, gaps=True).step.name == "1 step"
        file = read(cells, date_format="%Y%m")
        assert (file.step.name, file.precision) == ("1 month", "month")
        np.testing.assert_array_equal(file.series[0].times, months("2019-11", 3))


def test_times_in_iso_and_times_that_are_no_text_are_left_alone():
    for cells in (written(days("2020-01-01", 3), "%Y-%m-%d"), days("2020-01-01", 3)):
        file = read(cells, date_format="month-first")
        assert file.notes == ("time: column 'date'",) and file.date_format == "month-first"
        np.testing.assert_array_equal(file.series[0].times, days("2020-01-01", 3))


def test_the_order_of_a_table_of_several_series_is_told_by_all_of_them():
    cells = written(months("2020-01", 20), "%d/%m/%Y")
    both = pl.DataFrame({"id": ["a", "b"] * 20, "date": np.repeat(cells, 2), "y": np.arange(40.0)})
    file = read_series(both, Query(targets=("y",), id="id"))
    assert file.step.name == "1 month" and file.date_format == "day-first"


def test_a_million_rows_are_read_by_their_distinct_days_and_clocks():
    minutes = np.datetime64("2020-01-01", "us") + np.arange(10**5) * np.timedelta64(1, "m")
    cells = pl.Series(minutes).dt.strftime("%d/%m/%Y %H:%M")
    file = read(cells)
    np.testing.assert_array_equal(file.series[0].times, minutes)


def test_rows_of_sequences_are_sorted_by_such_dates_too():
    """The days of a month in which some day is beyond the 12th; the first of February comes last."""
    table = pl.DataFrame(
        {
            "id": ["a"] * 3 + ["b"] * 3,
            "date": ["01/02/2020", "31/01/2020", "02/01/2020"] * 2,
            "x": [3.0, 2.0, 1.0, 6.0, 5.0, 4.0],
            "label": ["yes"] * 3 + ["no"] * 3,
        }
    )
    data = read_sequences(table)
    assert [one[:, 0].tolist() for one in data.inputs] == [[1, 2, 3], [4, 5, 6]]
    assert "dates are read day first: '31/01/2020' in row 2 of 6 is 2020-01-31" in data.notes
    with pytest.raises(DataError, match=r"wanted a date that exists, month first, got '31/01/2020'"):
        read_sequences(table, Query(date_format="month-first"))
