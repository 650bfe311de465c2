"""Rows at any times in bins of one step: values that are known without binning, where bins begin, what is a
gap."""

import numpy as np
import polars as pl
import pytest

from unrolled.errors import DataError
from unrolled.files.query import Query
from unrolled.files.series import read_series
from unrolled.files.steps import Step, parse_step

MINUTE = 60 * 10**6
BEGIN = np.datetime64("2024-02-28T22:00", "us")


def read(frame, resample, aggregate="mean", **columns):
    query = {"targets": ("y",), "resample": parse_step(resample), "aggregate": aggregate}
    return read_series(frame, Query(**(query | columns)))


def values(file, number=0):
    return file.series[number].target[:, 0].tolist()


def begins(file, number=0):
    return [str(time)[:16] for time in file.series[number].times]


def test_a_sine_sampled_irregularly_has_the_known_means():
    """Times lie in pairs c - d and c + d about the centre c of each hour: the mean of sin ωt over a pair is
    sin ωc · cos ωd, whatever d is."""
    rng, hours, pairs = np.random.default_rng(3), 50, 4
    omega = 2 * np.pi / (24 * 60 * MINUTE)
    centres = np.arange(hours) * 60 * MINUTE + 30 * MINUTE
    d = rng.integers(1, 30 * MINUTE, (hours, pairs))
    t = np.concatenate([centres[:, None] - d, centres[:, None] + d], 1).reshape(-1)
    rng.shuffle(t)  # resampling needs no order
    file = read(pl.DataFrame({"time": BEGIN + t.astype("m8[us]"), "y": np.sin(omega * t)}), "1h")
    assert file.step == Step(60 * MINUTE, "microsecond") and file.precision == "instant"
    np.testing.assert_array_equal(file.series[0].times, BEGIN + np.arange(hours) * np.timedelta64(1, "h"))
    wanted = np.sin(omega * centres) * np.cos(omega * d).mean(1)
    np.testing.assert_allclose(file.series[0].target[:, 0], wanted, atol=1e-12)
    assert file.notes == (
        "time: column 'time'",
        "resampled: 400 rows are 50 steps of 1 hour, each the mean of its rows",
    )


ROWS = {
    "time": [
        "2024-01-01 09:50",
        "2024-01-01 08:10",
        "2024-01-01 08:10",
        "2024-01-01 09:01",
        "2024-01-01 10:00",
    ],
    "y": [4.0, 7.0, 1.0, None, 3.0],
    "p": [None, 2.0, 3.0, None, 1.0],
}


@pytest.mark.parametrize(
    "aggregate, y, p",
    [
        ("mean", [4.0, 4.0, 3.0], [2.5, None, 1.0]),
        ("sum", [8.0, 4.0, 3.0], [5.0, None, 1.0]),
        ("first", [7.0, 4.0, 3.0], [2.0, None, 1.0]),  # of equal times the one that stands first
        ("last", [1.0, 4.0, 3.0], [3.0, None, 1.0]),
        ("min", [1.0, 4.0, 3.0], [2.0, None, 1.0]),
        ("max", [7.0, 4.0, 3.0], [3.0, None, 1.0]),
    ],
)
def test_what_is_taken_of_the_rows_in_a_bin(aggregate, y, p):
    file = read(pl.DataFrame(ROWS), "1h", aggregate, past=("p",), gaps=True)
    assert begins(file) == ["2024-01-01T08:00", "2024-01-01T09:00", "2024-01-01T10:00"]
    assert values(file) == y
    np.testing.assert_array_equal(file.series[0].past[:, 0], np.array(p, np.float64))


@pytest.mark.parametrize(
    "resample, first, others, precision",
    [
        ("30min", "2024-01-03T05:00", 3, "instant"),
        ("6h", "2024-01-03T00:00", 1, "instant"),
        ("1d", "2024-01-03T00:00", 1, "day"),
        ("1w", "2024-01-01T00:00", 1, "day"),  # a Monday
        ("1month", "2024-01-01T00:00", 1, "day"),
        ("1quarter", "2024-01-01T00:00", 1, "day"),
        ("1year", "2024-01-01T00:00", 1, "day"),
    ],
)
def test_bins_begin_where_clocks_and_calendars_have_a_mark(resample, first, others, precision):
    """Whatever the first time of a file is, so that other files have the same."""
    step = parse_step(resample)
    times = np.array(["2024-01-03T05:07:11", "2024-01-03T05:29:59"], "M8[us]")
    later = step.extend(np.array([first], "M8[us]"), 2)
    frame = pl.DataFrame({"date": np.concatenate([times, later]), "y": [1.0, 3.0, 5.0, 7.0]})
    file = read(frame, resample)
    assert begins(file)[0] == first and values(file) == [2.0, 5.0, 7.0]
    assert file.precision == precision
    np.testing.assert_array_equal(file.series[0].times[1:], later)


def test_counters():
    file = read(pl.DataFrame({"year": [-3, 1, 9, 10, 25], "y": [9.0, 2, 4, 5, 6]}), "10", gaps=True)
    assert file.step == Step(10, "number") and file.series[0].times.tolist() == [-10, 0, 10, 20]
    assert values(file) == [9, 3, 5, 6]


def test_days_are_of_the_local_calendar_and_hours_begin_with_those_of_utc():
    """The day of 25 hours holds them all."""
    utc = np.datetime64("2026-10-23T22:30", "us") + np.arange(73) * np.timedelta64(1, "h")
    times = pl.Series(utc).dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    ones = pl.DataFrame({"time": times, "y": np.ones(73)})
    file = read(ones, "1d", "sum")
    assert begins(file) == ["2026-10-24T00:00", "2026-10-25T00:00", "2026-10-26T00:00"]
    assert values(file) == [24, 25, 24] and file.zone == "Europe/Berlin" and file.step.local
    hourly = read(ones, "1h")
    assert begins(hourly)[0] == "2026-10-23T22:00" and len(values(hourly)) == 73
    assert file.notes[-1].endswith(
        "each the sum of its rows; the first and the last step of a series may be of a part of their time "
        "alone"
    )


def test_days_that_leave_out_week_ends_are_business_days():
    hours = ["2024-05-02 09:00", "2024-05-03 10:00", "2024-05-03 12:00", "2024-05-06 11:00"]
    frame = pl.DataFrame({"time": hours, "y": [1.0, 2.0, 4.0, 5.0]})
    file = read(frame, "1d")
    assert file.step == Step(1, "weekday") and values(file) == [1, 3, 5]
    short = read(frame[:3], "1d", step=Step(1, "weekday"))  # a model's step, which three days do not show
    assert short.step == Step(1, "weekday") and read(frame[:3], "1d").step == parse_step("1d")
    assert read(frame, "1d", step=parse_step("1d"), gaps=True).step == parse_step("1d")


def test_each_series_has_its_bins():
    frame = pl.DataFrame(
        {
            "id": ["a", "b", "a", "b", "b"],
            "date": [
                "2024-01-01 01:00",
                "2024-01-01 23:00",
                "2024-01-02",
                "2024-01-01 22:00",
                "2024-01-02 05:00",
            ],
            "y": [1.0, 2, 3, 4, 5],
        }
    )
    file = read(frame, "1d", id="id")
    assert (values(file, 0), values(file, 1)) == ([1, 3], [3, 5])


def test_an_empty_bin_is_a_gap_and_the_error_names_gaps_and_a_longer_step(tmp_path):
    path = tmp_path / "y.csv"
    path.write_text(
        "time,y\n2024-01-01 00:10,1\n2024-01-01 01:50,2\n2024-01-01 03:20,3\n2024-01-01 04:59,4\n"
    )
    with pytest.raises(DataError) as error:
        read(path, "1h")
    assert str(error.value) == (
        f"{path}: 1 gap with 1 missing step of 1 hour, the longest, 1 step, from 2024-01-01 02:00:00 on, "
        "after line 3; name a longer step (resample), or train with gaps='forward', zero or mask"
    )
    np.testing.assert_array_equal(values(read(path, "1h", gaps=True)), [1, 2, np.nan, 3, 4])
    with pytest.raises(DataError, match=r"steps of 1 millisecond after line 2.*or name a longer step"):
        read(path, "1ms")


@pytest.mark.parametrize(
    "time, resample, message",
    [
        (
            [1, 2, 3],
            "1h",
            "resample='1h', but the times are whole numbers; wanted a number alone, such as 10",
        ),
        (
            ["2024-01-01", "2024-01-02", "2024-01-03"],
            "10",
            "but the times are dates; wanted a step of time, such as 1h",
        ),
        (
            None,
            "1h",
            "resample='1h' puts times into steps, and there is no column of them; name it with time",
        ),
    ],
)
def test_steps_of_another_kind_than_the_times_are_refused(time, resample, message):
    frame = pl.DataFrame({"y": [1.0, 2.0, 3.0]} | ({} if time is None else {"time": time}))
    with pytest.raises(DataError) as error:
        read(frame, resample)
    assert message in str(error.value)
