"""Calendar features against Python's own calendar."""

import calendar
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.codecs.calendar import calendar_features
from unrolled.files.steps import Step

HOUR = 3600 * 10**6
CYCLES = ("hour_of_day", "day_of_week", "day_of_year")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.datetimes(), min_size=1, max_size=4))
def test_each_pair_is_a_point_on_the_circle_at_the_phase_that_python_tells(times):
    names, features = calendar_features(np.array(times, "datetime64[us]"), Step(HOUR, "microsecond"))
    assert names == tuple(f"{cycle}_{wave}" for cycle in CYCLES for wave in ("sin", "cos"))
    for time, row in zip(times, features, strict=True):
        hour = (time - time.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds() / 86400
        days = 365 + calendar.isleap(time.year)
        year = (time.timetuple().tm_yday - 1 + hour) / days
        phases = (hour, time.weekday() / 7, year)
        wanted = [wave(2 * math.pi * p) for p in phases for wave in (math.sin, math.cos)]
        np.testing.assert_allclose(row, wanted, atol=1e-12)  # phases differ by roundings of 2⁻⁵³ of a turn


@pytest.mark.parametrize(
    "step, cycles",
    [
        (Step(HOUR, "microsecond"), CYCLES),
        (Step(36 * HOUR, "microsecond"), CYCLES),  # half a day forth at each step
        (Step(24 * HOUR, "microsecond"), ("day_of_week", "day_of_year")),
        (Step(7 * 24 * HOUR, "microsecond"), ("day_of_year",)),
        (Step(1, "weekday"), ("day_of_week", "day_of_year")),
        (Step(1, "month"), ("day_of_year",)),
        (Step(3, "month", month_end=True), ("day_of_year",)),
        (Step(12, "month"), ()),
    ],
)
def test_only_cycles_that_the_step_moves_along_are_given(step, cycles):
    times = step.extend(np.array(["2024-01-31"], "datetime64[us]"), 30)
    names, features = calendar_features(times, step)
    assert names == tuple(f"{cycle}_{wave}" for cycle in cycles for wave in ("sin", "cos"))
    assert features.shape == (30, len(names)) and features.dtype == np.float64
    pairs = features.reshape(30, -1, 2)
    assert (np.ptp(pairs, axis=0).max(-1) > 1e-3).all()  # an hour of a year moves 7e-4, thirty 0.02


def test_a_time_has_the_same_bits_in_any_company():
    times = np.datetime64("2023-12-28T17:31:07", "us") + np.arange(1003) * np.timedelta64(
        12_345_678_901, "us"
    )
    step = Step(HOUR, "microsecond")
    _, whole = calendar_features(times, step)
    for at in (slice(0, 1), slice(3, 8), slice(900, 1003), slice(5, None, 7)):
        assert np.array_equal(calendar_features(times[at], step)[1], whole[at])


def test_whole_numbers_have_no_calendar():
    names, features = calendar_features(np.arange(1700, 1705), Step(1, "number"))
    assert names == () and features.shape == (5, 0)


def test_splits_scalers_and_calendars_need_numpy_alone():
    codecs = (f"unrolled.codecs.{name}" for name in ("calendar", "scaling", "series"))
    modules = ", ".join([*codecs, "unrolled.batching.splits"])
    program = (
        f"import sys, {modules}\nprint([m for m in ('torch', 'polars', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
