"""The step of a series: from one time to the next.

A time is a position on the step's axis, a whole number of units, so that gaps and the times to come are
whole-number arithmetic:

    unit "number"        the times are whole numbers (years, counters)
    unit "microsecond"   the times are instants; steps of fixed duration
    unit "month"         the times stand at one point of their months, told from the first day or the last

This module needs numpy alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Times = NDArray[Any]  # datetime64[us] or int64
Positions = NDArray[np.int64]

_SECOND = 1_000_000
_MINUTE, _HOUR, _DAY, _WEEK = 60 * _SECOND, 3600 * _SECOND, 86400 * _SECOND, 7 * 86400 * _SECOND
_YEAR = 365.25 * _DAY

_NAMES = {
    "number": ((1, "step"),),
    "month": ((12, "year"), (1, "month")),
    "microsecond": (
        (_WEEK, "week"),
        (_DAY, "day"),
        (_HOUR, "hour"),
        (_MINUTE, "minute"),
        (_SECOND, "second"),
        (1000, "millisecond"),
        (1, "microsecond"),
    ),
}

# For steps shorter than the bound, the human cycles that such a series may follow.
_CYCLES = ((_MINUTE, (_HOUR, _DAY)), (_DAY, (_DAY, _WEEK)), (_YEAR, (_WEEK, _YEAR)))


@dataclass(frozen=True)
class Step:
    """`count` units from one time to the next. month_end: the point of the month is told from its end, as in
    31 January, 28 February, 31 March. local: of times with an offset from UTC the steps are days or months of
    the local calendar, which need not be of one length; else they are those of UTC.
    """

    count: int
    unit: Literal["number", "microsecond", "month"]
    month_end: bool = False
    local: bool = False

    @property
    def name(self) -> str:
        """ "1 hour", "30 minutes", "1 month", "1 step"."""
        size, word = next((size, word) for size, word in _NAMES[self.unit] if self.count % size == 0)
        number = self.count // size
        return f"{number} {word}{'' if number == 1 else 's'}"

    def periods(self) -> list[int]:
        """Natural season lengths in steps, shortest first: hourly [24, 168], daily [7, 365], monthly [12]."""
        if self.unit == "number":
            return []
        if self.unit == "month":
            return [12 // self.count] if 12 % self.count == 0 and self.count < 12 else []
        cycles = next((cycles for bound, cycles in _CYCLES if self.count < bound), ())
        exact = [cycle / self.count for cycle in cycles if cycle == _YEAR or cycle % self.count == 0]
        return [round(length) for length in exact if round(length) > 1]

    def positions(self, times: Times) -> Positions:
        """(T,) the units from the axis' origin to each time."""
        if self.unit == "month":
            return self._month_times(times).astype("datetime64[M]").astype(np.int64)
        return times.astype(np.int64)

    def times(self, positions: Positions, like: Times) -> Times:
        """The times at `positions`, at the point of the month at which `like` (1 or more times) stand."""
        if self.unit == "number":
            return positions
        if self.unit == "microsecond":
            return positions.astype("datetime64[us]")
        anchor = self._month_times(like[:1])
        begin = positions.astype("datetime64[M]").astype("datetime64[us]")
        point = anchor - anchor.astype("datetime64[M]") - self._shift
        return np.asarray(begin + point)

    def extend(self, times: Times, n: int) -> Times:
        """(n,) the times that follow the last of `times`."""
        last = self.positions(times[-1:])
        return self.times(last + self.count * np.arange(1, n + 1), times[-1:])

    def following(self, times: Times) -> Times:
        """Of each time the one a step later, months at the same point of theirs."""
        if self.unit == "number":
            return times + self.count
        if self.unit == "microsecond":
            return times + np.timedelta64(self.count, "us")
        shifted = self._month_times(times)
        months = shifted.astype("datetime64[M]")
        begin = (months + self.count).astype("datetime64[us]")
        return np.asarray(begin + (shifted - months) - self._shift)

    @property
    def is_days(self) -> bool:
        """Whether it is made of whole days, or of months."""
        return self.unit == "month" or (self.unit == "microsecond" and self.count % _DAY == 0)

    def regular(self, times: Times) -> bool:
        """Whether times (T,) rise by whole steps."""
        gaps = np.diff(self.positions(times))
        return self.fits(times) and bool(((gaps > 0) & (gaps % self.count == 0)).all())

    def fits(self, times: Times) -> bool:
        """Whether all of `times` stand at one point of their months; always so for the other units."""
        if self.unit != "month":
            return True
        shifted = self._month_times(times)
        points = shifted - shifted.astype("datetime64[M]")
        return bool((points == points[0]).all())

    @property
    def _shift(self) -> np.timedelta64:
        return np.timedelta64(_DAY if self.month_end else 0, "us")

    def _month_times(self, times: Times) -> Times:
        """A month's last day becomes the next one's first, which needs no calendar."""
        return times + self._shift


def find_step(series: Sequence[Times]) -> Step:
    """The step that most neighbouring times of all series keep; the shortest where several are as frequent.

    Times at one point of their months are months apart, not days. Each series: 2 or more increasing times.
    """
    axis = _axis(series)
    gaps = np.concatenate([np.diff(axis.positions(times)) for times in series])
    values, counts = np.unique(gaps, return_counts=True)
    return replace(axis, count=int(values[np.argmax(counts)]))


def _axis(series: Sequence[Times]) -> Step:
    if series[0].dtype.kind == "i":
        return Step(1, "number")
    for month_end in (False, True):
        axis = Step(1, "month", month_end)
        if all(axis.fits(times) for times in series):
            return axis
    return Step(1, "microsecond")


def spoken(time: np.datetime64 | np.int64) -> str:
    """ "2024-01-31", "2024-01-31 12:30:00", "1957": a time without the parts that are zero."""
    return str(time).replace("T", " ").removesuffix(".000000").removesuffix(" 00:00:00")
