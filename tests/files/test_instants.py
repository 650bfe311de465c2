"""One time alone is what the reader of columns makes of it."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.errors import DataError
from unrolled.files.instants import position
from unrolled.files.steps import Step
from unrolled.files.table import open_table
from unrolled.files.times import parse_times

HOURLY, NUMBERS = Step(3600 * 10**6, "microsecond"), Step(1, "number")
TEXTS = [
    "2024-01-31",
    "2024/2/9",
    "2024-01",
    "20240131",
    "2024-01-31 12:30",
    " 2024-01-31T2:30:15.25 ",
    "2024-01-31T12:30:15.1234567",
    "2024-02-29T12:30:15+02:00",
    "2024-01-31 12:30 -0530",
    "2024-01-31T23:30Z",
    "0001-01-01",
    "9999-12-31",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_is_read_as_in_a_column(text):
    wanted = parse_times(open_table(pl.DataFrame({"t": [text]})), "t")
    assert position(text, HOURLY) == wanted.astype(np.int64)[0]


@settings(max_examples=100, deadline=None)
@given(st.datetimes(), st.integers(-1439, 1439))
def test_whatever_python_has_for_a_time(time, minutes):
    wanted = int(np.datetime64(time, "us").astype(np.int64))
    for form in (time, np.datetime64(time, "us"), time.isoformat(" "), time.replace(tzinfo=UTC)):
        assert position(form, HOURLY) == wanted
    if 2 < time.year < 9998:
        zone = timezone(timedelta(minutes=minutes))
        local = time.replace(tzinfo=UTC).astimezone(zone)
        assert position(local, HOURLY) == position(local.isoformat(), HOURLY) == wanted
    assert position(time.date(), HOURLY) == wanted // 86_400_000_000 * 86_400_000_000


@pytest.mark.parametrize(
    "value, wanted", [(1957, 1957), ("1957", 1957), ("-3", -3), (1957.0, 1957), (np.int64(5), 5)]
)
def test_whole_numbers(value, wanted):
    assert position(value, NUMBERS) == wanted


@pytest.mark.parametrize(
    "value, step",
    [
        *(
            (value, HOURLY)
            for value in ("soon", "2024-02-30", "2024-13-01", "2024-01-01 25:00", "", "1957", 1957)
        ),
        *(
            (value, HOURLY)
            for value in (None, 2.5, np.datetime64("NaT"), "٢٠٢٤-01-01", "2024-01-01+99:99x", [])
        ),
        *(
            (value, NUMBERS)
            for value in ("2024-01-31", 2.5, float("nan"), 10**18, "1" * 19, None, date(2024, 1, 1))
        ),
        (np.datetime64(2**62, "us"), HOURLY),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9))), HOURLY),
    ],
)
def test_what_is_no_time_is_refused_in_one_line(value, step):
    with pytest.raises(
        DataError, match=r"wanted a (time such as|whole number).*, got .*; give each"
    ) as caught:
        position(value, step)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "step, first",
    [
        (Step(1, "month", month_end=True), "2023-12-31T07:00"),
        (Step(3, "month"), "2024-01-28T23:00"),
        (HOURLY, "2024-02-28T23:00"),
        (NUMBERS, None),
    ],
)
def test_the_following_time_is_that_of_extending(step, first):
    begin = np.array([1700]) if first is None else np.array([first], "datetime64[us]")
    times = np.concatenate([begin, step.extend(begin, 60)])
    assert np.array_equal(step.following(times[:-1]), times[1:])
    assert np.array_equal(step.following(times[None, :-1]), times[None, 1:])
