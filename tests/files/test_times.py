"""Times in every form that is accepted, and the first cell that is in none."""

import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.errors import DataError
from unrolled.files.table import open_table
from unrolled.files.times import as_precise, form, parse_instants, precision

WANTED = "a time such as 2024-01-31 or 2024-01-31 12:30"


def parsed(*cells):
    return parse_instants(open_table(pl.DataFrame({"date": cells})), "date").times


def refused(*cells) -> str:
    with pytest.raises(DataError) as error:
        parsed(*cells)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "cell, wanted",
    [
        ("2024-01-31", "2024-01-31T00:00:00"),
        ("2024/1/31", "2024-01-31T00:00:00"),
        (" 2024-02 ", "2024-02-01T00:00:00"),
        ("20240229", "2024-02-29T00:00:00"),
        ("2024-01-31 7:05", "2024-01-31T07:05:00"),
        ("2024-01-31T12:30", "2024-01-31T12:30:00"),
        ("2024-01-31 12:30:15", "2024-01-31T12:30:15"),
        ("2024-01-31T12:30:15.25", "2024-01-31T12:30:15.25"),
        ("2024-01-31T12:30:15.123456789", "2024-01-31T12:30:15.123456"),
        ("2024-01-31T12:30:15Z", "2024-01-31T12:30:15"),
        ("2024-01-31T12:30:15+02:00", "2024-01-31T10:30:15"),
        ("2024-01-31 00:30 -0330", "2024-01-31T04:00:00"),
        ("2024-01-01T00:30:00+01", "2023-12-31T23:30:00"),
        ("0001-01-01", "0001-01-01"),
        ("1969-12-31 23:59:59.5", "1969-12-31T23:59:59.5"),
    ],
)
def test_iso_times(cell, wanted):
    times = parsed(cell)
    assert times.dtype == np.dtype("datetime64[us]")
    assert times[0] == np.datetime64(wanted, "us")


def test_forms_may_mix_so_long_as_all_tell_the_offset_or_none_does():
    times = parsed("2024-01-31", "2024-01-31 12:30", "2024-01-31 12:30:00.5")
    assert times.tolist() == [
        datetime.datetime(2024, 1, 31),
        datetime.datetime(2024, 1, 31, 12, 30),
        datetime.datetime(2024, 1, 31, 12, 30, 0, 500_000),
    ]
    assert parsed("2024-01-31T12:00Z", "2024-01-31T12:00+02:00").tolist() == [
        datetime.datetime(2024, 1, 31, 12),
        datetime.datetime(2024, 1, 31, 10),
    ]


@pytest.mark.parametrize(
    "cells, wanted",
    [
        (["1700", "1701"], [1700, 1701]),
        (["-5", "+7", "10000000000"], [-5, 7, 10_000_000_000]),
        (["20240131", "20240199"], [20240131, 20240199]),  # the second is no date, so neither is the first
        ([1700, 1701], [1700, 1701]),
        ([1700.0, 1701.0], [1700, 1701]),
    ],
)
def test_whole_numbers(cells, wanted):
    times = parsed(*cells)
    assert times.dtype == np.int64
    assert times.tolist() == wanted


def test_columns_that_are_times_already():
    instants = [datetime.datetime(2024, 3, 31, 1, 59, 59, 7), datetime.datetime(2024, 3, 31, 3)]
    wanted = np.array(instants, "datetime64[us]")
    series = pl.Series(instants)
    for unit in ("us", "ns"):
        np.testing.assert_array_equal(parsed(*series.cast(pl.Datetime(unit))), wanted)
    zoned = pl.DataFrame({"date": series.dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo")})
    np.testing.assert_array_equal(parse_instants(open_table(zoned), "date").times, wanted)
    days = parsed(datetime.date(1969, 12, 31))
    assert days.dtype == wanted.dtype and days[0] == np.datetime64("1969-12-31")


@settings(max_examples=200, deadline=None)
@given(st.datetimes(), st.sampled_from(["T", " "]), st.integers(-14 * 60, 14 * 60))
def test_every_time_that_python_writes_is_read(time, between, minutes):
    assert parsed(time.isoformat(between))[0] == np.datetime64(time, "us")
    zone = datetime.timezone(datetime.timedelta(minutes=minutes))
    wanted = np.datetime64(time, "us") - np.timedelta64(minutes, "m")
    assert parsed(time.replace(tzinfo=zone).isoformat(between))[0] == wanted


@pytest.mark.parametrize(
    "cell",
    [
        "31.01.2024",
        "01/31/2024",
        "2024-1-1-1",
        "2023-02-29",
        "2024-13-01",
        "2024-00-01",
        "2024-01-00",
        "2024-04-31",
        "2024-01-31 24:00",
        "2024-01-31 12:60",
        "2024-01-31 12:30:60",
        "12:30",
        "1700.5",
        "today",
        "2024-01-31 12",
    ],
)
def test_a_cell_that_is_no_time_is_named(cell):
    assert refused("2024-01-01", cell, "2024-01-03", cell) == (
        f"the table, row 2 of 4, column 'date': wanted {WANTED}, got '{cell}' (1 more such cell); "
        "write a time that exists, year first, or delete the row if it is none of a series"
    )


@pytest.mark.parametrize(
    "cells", [("2024-01-01", None), ("2024-01-01", " "), ("1700", "NA"), (1700, None), (1.0, None)]
)
def test_a_missing_time_is_named(cells):
    got = "nothing" if cells[1] is None else repr(cells[1])
    assert refused(*cells) == (
        f"the table, row 2 of 2, column 'date': wanted {WANTED}, got {got}; write the time of every row"
    )


def test_a_form_unlike_the_first_row_is_named():
    assert refused("1700", "1701", "1702-01-01") == (
        "the table, row 3 of 3, column 'date': wanted a whole number as in row 1 of 3, got '1702-01-01'; "
        "write all times in one form"
    )
    assert refused("2024-01-01T00:00", "2024-01-01T01:00Z") == (
        "the table, row 2 of 2, column 'date': wanted a time without an offset from UTC as in row 1 of 2, "
        "got '2024-01-01T01:00Z'; write all times in one form"
    )
    assert refused("2024-01-01T00:00+01:00", "2024-01-01T01:00") == (
        "the table, row 2 of 2, column 'date': wanted a time with an offset from UTC as in row 1 of 2, "
        "got '2024-01-01T01:00'; write all times in one form"
    )


def test_columns_that_cannot_be_times_are_refused():
    assert refused(True, False) == "the table, column 'date': wanted times, got Boolean values; name another"
    assert refused(1.5, 2.5) == "the table, column 'date': wanted times, got Float64 values; name another"
    far = pl.DataFrame({"date": pl.Series([0, 2**62]).cast(pl.Datetime("us"))})
    with pytest.raises(DataError) as error:
        parse_instants(open_table(far), "date")
    assert str(error.value) == (
        "the table, row 2 of 2, column 'date': "
        "wanted a time in the years 1 to 9999, got one beyond; correct it"
    )


@pytest.mark.parametrize(
    "cells, wanted",
    [
        (["2024-01-31"], "instants"),
        (["2024-01-31", "x", "2024-01-31 12:00"], "instants"),
        ([datetime.date(2024, 1, 31)], "instants"),
        (["1700", "1701"], "whole"),
        ([1, 2], "whole"),
        ([1.0, None], "whole"),
        (["1.5", "2"], "other"),
        ([1.5], "other"),
        (["x"], "other"),
        ([True], "other"),
        ([None], "other"),
    ],
)
def test_what_a_column_looks_like(cells, wanted):
    assert form(pl.Series(cells)) == wanted


@pytest.mark.parametrize(
    "cells, named, following",
    [
        (["1961-01", " 1961-02"], "month", "1961-01"),
        (["1961-01-01", "1961/2/1"], "day", datetime.date(1961, 1, 1)),
        (["19610101", "19610201"], "day", datetime.date(1961, 1, 1)),
        ([datetime.date(1961, 1, 1)], "day", datetime.date(1961, 1, 1)),
        (["1961-01-01 00:00", "1961-02-01 00:00"], "instant", datetime.datetime(1961, 1, 1)),
        (["1961-01", "1961-02-01"], "instant", datetime.datetime(1961, 1, 1)),
        ([datetime.datetime(1961, 1, 1)], "instant", datetime.datetime(1961, 1, 1)),
    ],
)
def test_times_go_on_as_they_are_written(cells, named, following):
    assert precision(pl.Series(cells)) == named
    assert as_precise(pl.Series([datetime.datetime(1961, 1, 1)]), named).to_list() == [following]
