"""Where a time stands in its day, week and year, as points on a circle, so that the end meets the beginning.

For a phase p in [0, 1) each cycle gives two features, sin 2πp and cos 2πp:

    hour of day   p = time since midnight / 24 hours
    day of week   p = whole days since Monday / 7
    day of year   p = time since 1 January / length of that year

The waves are those of kernels/numpy/functions.py: the same bits on every machine and in any company.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from unrolled.files.steps import Step, Times
from unrolled.kernels.numpy.functions import waves

Phase = Callable[[Times], NDArray[np.float64]]

_DAY = np.timedelta64(86_400_000_000, "us")
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday, Monday is 0


def _hour_of_day(times: Times) -> NDArray[np.float64]:
    return np.asarray((times - times.astype("datetime64[D]")) / _DAY)


def _day_of_week(times: Times) -> NDArray[np.float64]:
    return (times.astype("datetime64[D]").astype(np.int64) + _EPOCH_WEEKDAY) % 7 / 7


def _day_of_year(times: Times) -> NDArray[np.float64]:
    years = times.astype("datetime64[Y]")
    begin, end = years.astype("datetime64[us]"), (years + 1).astype("datetime64[us]")
    return np.asarray((times - begin) / (end - begin))


# A cycle is given where a step of `count` units changes the phase, but not by whole turns.
_PHASES: dict[str, tuple[Phase, dict[str, int]]] = {
    "hour_of_day": (_hour_of_day, {"microsecond": 86_400_000_000}),
    "day_of_week": (_day_of_week, {"microsecond": 7 * 86_400_000_000, "weekday": 5}),
    "day_of_year": (_day_of_year, {"microsecond": 365 * 86_400_000_000, "month": 12, "weekday": 261}),
}


def calendar_features(times: Times, step: Step) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Names (C,) and features (T, C) of `times` (T,); which there are depends on the step alone.

    Times that are whole numbers have none, nor has a cycle that each step completes (a daily series' hour).
    """
    names, phases = _cycles(step)
    if not phases:
        return names, np.empty((len(times), 0))
    features = np.empty((len(times), len(phases), 2))
    sine, cosine = waves(np.array([phase(times) for phase in phases]).T)
    features[..., 0], features[..., 1] = sine, cosine
    return names, features.reshape(len(times), len(names))


@cache
def _cycles(step: Step) -> tuple[tuple[str, ...], tuple[Phase, ...]]:
    """The names of the features of a step, and the phases of its cycles."""
    cycles = {
        cycle: phase
        for cycle, (phase, turns) in _PHASES.items()
        if step.unit in turns and step.count % turns[step.unit]
    }
    return tuple(f"{cycle}_{wave}" for cycle in cycles for wave in ("sin", "cos")), tuple(cycles.values())
