"""The step between times: found, named, extended; and the seasons that fit it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.files.steps import Step, find_step, parse_step, spoken, usual_step

UNITS = {
    "second": 10**6,
    "minute": 60 * 10**6,
    "hour": 3600 * 10**6,
    "day": 86400 * 10**6,
    "week": 7 * 86400 * 10**6,
}


def times(*texts):
    return np.array(texts, "datetime64[us]")


def every(count, unit):
    return Step(count * UNITS[unit], "microsecond")


@pytest.mark.parametrize(
    "step, name, periods",
    [
        (every(1, "second"), "1 second", [3600, 86400]),
        (every(30, "second"), "30 seconds", [120, 2880]),
        (every(1, "minute"), "1 minute", [1440, 10080]),
        (every(15, "minute"), "15 minutes", [96, 672]),
        (every(30, "minute"), "30 minutes", [48, 336]),
        (every(1, "hour"), "1 hour", [24, 168]),
        (every(90, "minute"), "90 minutes", [16, 112]),
        (every(7, "hour"), "7 hours", [24]),  # a day is no whole number of them, a week is
        (every(1, "day"), "1 day", [7, 365]),
        (every(2, "day"), "2 days", [183]),
        (every(1, "week"), "1 week", [52]),
        (every(2, "week"), "2 weeks", [26]),
        (every(60, "week"), "60 weeks", []),
        (Step(1, "month"), "1 month", [12]),
        (Step(3, "month"), "3 months", [4]),
        (Step(5, "month"), "5 months", []),
        (Step(12, "month"), "1 year", []),
        (Step(24, "month"), "2 years", []),
        (Step(1, "weekday"), "1 business day", [5, 261]),
        (Step(1, "number"), "1 step", []),
        (Step(10, "number"), "10 steps", []),
        (Step(1500, "microsecond"), "1500 microseconds", [2_400_000, 57_600_000]),
        (Step(2000, "microsecond"), "2 milliseconds", [1_800_000, 43_200_000]),
    ],
)
def test_names_and_periods(step, name, periods):
    assert step.name == name
    assert step.periods() == periods


@pytest.mark.parametrize(
    "given, step, following",
    [
        (["2024-01-31", "2024-02-29", "2024-03-31"], Step(1, "month", True), ["2024-04-30", "2024-05-31"]),
        (
            ["2023-11-30 23:59", "2023-12-31 23:59"],
            Step(1, "month", True),
            ["2024-01-31 23:59", "2024-02-29 23:59"],
        ),
        (["2024-01-15", "2024-02-15"], Step(1, "month"), ["2024-03-15", "2024-04-15"]),
        (["2023-10-01", "2024-01-01"], Step(3, "month"), ["2024-04-01", "2024-07-01"]),
        (["2019-01-01", "2020-01-01", "2021-01-01"], Step(12, "month"), ["2022-01-01", "2023-01-01"]),
        (["2023-12-31", "2024-03-31", "2024-06-30"], Step(3, "month", True), ["2024-09-30", "2024-12-31"]),
        (["2023-02-28", "2024-02-29"], Step(12, "month", True), ["2025-02-28", "2026-02-28"]),
        (["2024-02-27", "2024-02-28"], every(1, "day"), ["2024-02-29", "2024-03-01"]),
        (["2024-02-29", "2024-03-01", "2024-03-04"], Step(1, "weekday"), ["2024-03-05", "2024-03-06"]),
        (
            ["1969-12-25 16:00", "1969-12-26 16:00", "1969-12-29 16:00", "1969-12-30 16:00"],
            Step(1, "weekday"),
            ["1969-12-31 16:00", "1970-01-01 16:00"],
        ),
        # Single days, but without a week-end between them, with a Saturday, and at no one hour.
        (["2024-02-26", "2024-02-27", "2024-03-01"], every(1, "day"), ["2024-03-02", "2024-03-03"]),
        (["2024-02-29", "2024-03-01", "2024-03-02"], every(1, "day"), ["2024-03-03", "2024-03-04"]),
        (
            ["2024-03-01 16:00", "2024-03-04 17:00", "2024-03-05 17:00", "2024-03-06 17:00"],
            every(1, "day"),
            ["2024-03-07 17:00", "2024-03-08 17:00"],
        ),
        (["2024-01-01", "2024-01-08"], every(1, "week"), ["2024-01-15", "2024-01-22"]),
        (
            ["2024-03-31 01:00", "2024-03-31 02:00"],
            every(1, "hour"),
            ["2024-03-31 03:00", "2024-03-31 04:00"],
        ),
        (
            ["1969-12-31 23:59:59.5", "1970-01-01"],
            Step(500_000, "microsecond"),
            ["1970-01-01 00:00:00.5", "1970-01-01 00:00:01"],
        ),
    ],
)
def test_steps_are_found_and_extended(given, step, following):
    found = find_step([times(*given)])
    assert found == step
    np.testing.assert_array_equal(found.extend(times(*given), 2), times(*following))


def test_whole_numbers():
    years = np.array([1700, 1702, 1706])
    found = find_step([years])
    assert found == Step(2, "number")
    assert found.extend(years, 3).tolist() == [1708, 1710, 1712]


def test_business_days_are_those_of_the_calendar():
    step, friday = Step(1, "weekday"), np.datetime64("1964-07-03", "us")
    days = step.extend(np.array([friday]), 4000)
    assert (np.diff(days) > np.timedelta64(0)).all() and np.is_busday(days.astype("datetime64[D]")).all()
    assert np.busday_count(friday.astype("datetime64[D]"), days[-1].astype("datetime64[D]")) == 4000
    assert not step.fits(times("2024-03-02")) and not step.fits(times("2024-03-01", "2024-03-04 01:00"))


def test_the_most_frequent_distance_of_all_series_counts_and_the_shortest_of_equals():
    assert find_step([np.array([0, 5, 10]), np.array([0, 1, 2, 3])]) == Step(1, "number")
    assert find_step([np.array([0, 3, 5, 8, 10])]) == Step(2, "number")


def test_one_series_off_the_month_makes_all_steps_durations():
    monthly, daily = times("2024-01-01", "2024-02-01"), times("2024-01-01", "2024-01-02", "2024-01-03")
    assert find_step([monthly, monthly]).unit == "month"
    assert find_step([monthly, daily]) == every(1, "day")


steps = st.one_of(
    st.builds(Step, st.integers(1, 50), st.just("number")),
    st.builds(Step, st.integers(1, 10**12), st.just("microsecond")),
    st.builds(Step, st.integers(1, 24), st.just("month"), st.booleans()),
    st.builds(Step, st.integers(1, 9), st.just("weekday")),
)


@settings(max_examples=200, deadline=None)
@given(steps, st.integers(0, 10**15), st.integers(1, 30))
def test_extending_in_parts_is_extending_at_once_and_positions_come_back(step, origin, n):
    first = np.array([origin]) if step.unit == "number" else np.array([origin], "datetime64[us]")
    if step.unit == "month":  # a day that every month has, told from its first or its last
        month = first.astype("datetime64[M]").astype("datetime64[us]")
        first = (
            month + np.timedelta64(27, "D") * (not step.month_end) - np.timedelta64(1, "D") * step.month_end
        )
    if step.unit == "weekday":
        first += np.timedelta64(2, "D") * ((first.astype("datetime64[D]").astype(int) + 3) % 7 > 4)
    whole = step.extend(first, n + 3)
    part = step.extend(first, 3)
    np.testing.assert_array_equal(step.extend(part, n), whole[3:])
    positions = step.positions(whole)
    assert set(np.diff(positions)) == {step.count}
    np.testing.assert_array_equal(step.times(positions, first), whole)
    assert step.fits(np.concatenate([first, whole]))
    np.testing.assert_array_equal(step.following(np.concatenate([first, whole[:-1]])), whole)


@pytest.mark.parametrize(
    "time, words",
    [
        (np.datetime64("2024-01-31", "us"), "2024-01-31"),
        (np.datetime64("2024-01-31T12:30", "us"), "2024-01-31 12:30:00"),
        (np.datetime64("2024-01-31T00:00:00.25", "us"), "2024-01-31 00:00:00.250000"),
        (np.int64(1957), "1957"),
    ],
)
def test_times_in_words(time, words):
    assert spoken(time) == words


@pytest.mark.parametrize(
    "text, step, written",
    [
        ("15min", every(15, "minute"), "15min"),
        ("60 minutes", every(1, "hour"), "1h"),
        (" 1H ", every(1, "hour"), "1h"),
        ("7days", every(1, "week"), "1w"),
        ("1 day", every(1, "day"), "1d"),
        ("1month", Step(1, "month"), "1month"),
        ("2 quarters", Step(6, "month"), "2quarter"),
        ("1 year", Step(12, "month"), "1year"),
        ("250ms", Step(250_000, "microsecond"), "250ms"),
        ("10", Step(10, "number"), "10"),
    ],
)
def test_steps_as_options_take_them(text, step, written):
    assert parse_step(text) == step and step.written == written
    assert parse_step(written) == step


@pytest.mark.parametrize(
    "text", ["", "h", "0h", "-1h", "1.5h", "1m", "1 fortnight", "12345d", "1hs1", "\u0661h"]
)
def test_other_texts_are_no_steps(text):
    with pytest.raises(ValueError, match="wanted a step such as 15min, 1h, 1d, 1w, 1month or 1quarter"):
        parse_step(text)


@pytest.mark.parametrize(
    "given, written",
    [
        (["2024-01-01 00:00:07", "2024-01-01 00:01:01", "2024-01-01 00:02:11"], "1min"),
        (["2024-01-01 02:00", "2024-01-01", "2024-01-01"], "2h"),  # in any order, one of them twice
        (["2023-12-29", "2024-01-31", "2024-02-29", "2024-03-29"], "1month"),  # last working days
        (["1900-01-01", "1990-01-01"], "1year"),
        (["2024-01-01", "2024-01-01"], None),
    ],
)
def test_the_step_that_irregular_times_suggest(given, written):
    step = usual_step([times(*given)])
    assert (step and step.written) == written
    assert usual_step([np.array([1, 4, 7, 9])]) == Step(3, "number")
