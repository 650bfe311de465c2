"""One time alone is what the reader of columns makes of it."""

import time
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
from unrolled.files.times import parse_instants
from unrolled.files.zones import OFFSETS

HOURLY, NUMBERS = Step(3600 * 10**6, "microsecond"), Step(1, "number")
DAILY = Step(24 * 3600 * 10**6, "microsecond", local=True)
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
    wanted = parse_instants(open_table(pl.DataFrame({"t": [text]})), "t")
    assert position(text, HOURLY, wanted.zone) == (wanted.times.astype(np.int64)[0], wanted.offsets[0])


@settings(max_examples=100, deadline=None)
@given(st.datetimes(), st.integers(-1439, 1439))
def test_whatever_python_has_for_a_time(now, minutes):
    wanted = int(np.datetime64(now, "us").astype(np.int64))
    for form in (now, np.datetime64(now, "us"), now.isoformat(" ")):
        assert position(form, HOURLY) == (wanted, 0)
    assert position(now.replace(tzinfo=UTC), HOURLY, OFFSETS) == (wanted, 0)
    if 2 < now.year < 9998:
        zone = timezone(timedelta(minutes=minutes))
        local = now.replace(tzinfo=UTC).astimezone(zone)
        for form in (local, local.isoformat()):
            assert position(form, HOURLY, OFFSETS) == (wanted, 60 * minutes)
            assert position(form, DAILY, OFFSETS).at == wanted + 60_000_000 * minutes
            assert position(form, HOURLY, "UTC") == (wanted, 0)
    assert position(now.date(), HOURLY).at == wanted // 86_400_000_000 * 86_400_000_000


BERLIN = "Europe/Berlin"


@pytest.mark.parametrize(
    "value, zone, utc, offset",
    [
        ("2026-03-01T00:00:00+01:00", BERLIN, "2026-02-28T23:00", 3600),
        ("2026-03-01 00:00", BERLIN, "2026-02-28T23:00", 3600),
        ("2026-07-01 00:00Z", BERLIN, "2026-07-01T00:00", 7200),
        ("2026-10-25 02:30", BERLIN, "2026-10-25T00:30", 7200),
        (datetime(2026, 10, 25, 2, 30, fold=1), BERLIN, "2026-10-25T01:30", 3600),
        ("2026-10-25T02:30+01:00", BERLIN, "2026-10-25T01:30", 3600),
    ],
)
def test_a_time_in_a_zone(value, zone, utc, offset):
    wanted = int(np.datetime64(utc, "us").astype(np.int64))
    assert position(value, HOURLY, zone) == (wanted, offset)
    assert position(value, DAILY, zone) == (wanted + offset * 10**6, offset)


@pytest.mark.parametrize(
    "value, zone, message",
    [
        (
            "2026-03-01T00:00+01:00",
            None,
            "wanted a time without an offset from UTC, as the training had them",
        ),
        ("2026-03-01T00:00", OFFSETS, "wanted a time with an offset from UTC, as the training had them"),
        ("2026-03-29 02:30", BERLIN, "no clock of Europe/Berlin shows 2026-03-29 02:30:00; correct the time"),
    ],
)
def test_a_time_of_another_form_is_refused(value, zone, message):
    with pytest.raises(DataError, match=message):
        position(value, HOURLY, zone)


@pytest.mark.parametrize(
    "value, wanted", [(1957, 1957), ("1957", 1957), ("-3", -3), (1957.0, 1957), (np.int64(5), 5)]
)
def test_whole_numbers(value, wanted):
    assert position(value, NUMBERS) == (wanted, 0)


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
    ],
)
def test_what_is_no_time_is_refused_in_one_line(value, step):
    with pytest.raises(
        DataError, match=r"wanted a (time such as|whole number).*, got .*; give each"
    ) as caught:
        position(value, step)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("zone", [OFFSETS, "Asia/Tokyo"])
def test_a_time_before_the_first_year_is_refused(zone):
    with pytest.raises(DataError, match="wanted a time such as"):
        position(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9))), HOURLY, zone)


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


@pytest.mark.parametrize("machine", ["America/New_York", "Asia/Kolkata"])
def test_where_the_machine_stands_changes_nothing(machine, monkeypatch):
    def read():
        whole = parse_instants(open_table(pl.DataFrame({"t": ["2026-10-25T02:30+02:00"] * 2})), "t")
        return position("2026-10-25 02:30", HOURLY, BERLIN), whole.times.tolist(), whole.local.tolist()

    before = read()
    monkeypatch.setenv("TZ", machine)
    time.tzset()
    try:
        assert read() == before
    finally:
        monkeypatch.undo()
        time.tzset()
