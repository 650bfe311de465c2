"""The step of a series: from one time to the next.

A time is a position on the step's axis, a whole number of units, so that gaps and the times to come are
whole-number arithmetic:

    unit "number"        the times are whole numbers (years, counters)
    unit "microsecond"   the times are instants; steps of fixed duration
    unit "month"         the times stand at one point of their months, told from the first day or the last
    unit "weekday"       the times stand at one hour of days from Monday to Friday; the others are none

Bins of several units begin with a Monday, with January 1970, or with the number 0.

This module needs numpy alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from unrolled.files.messages import shown

Unit = Literal["number", "microsecond", "month", "weekday"]
Times = NDArray[Any]  # datetime64[us] or int64
Positions = NDArray[np.int64]

_SECOND = 1_000_000
_MINUTE, _HOUR, _DAY, _WEEK = 60 * _SECOND, 3600 * _SECOND, 86400 * _SECOND, 7 * 86400 * _SECOND
_YEAR = 365.25 * _DAY

_NAMES = {
    "number": ((1, "step"),),
    "month": ((12, "year"), (1, "month")),
    "weekday": ((1, "business day"),),
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

# How steps are written as options: a word for so many units. The first that divides a step names it.
_WRITTEN: dict[str, tuple[Unit, int]] = {
    "year": ("month", 12),
    "quarter": ("month", 3),
    "month": ("month", 1),
    "w": ("microsecond", _WEEK),
    "d": ("microsecond", _DAY),
    "h": ("microsecond", _HOUR),
    "min": ("microsecond", _MINUTE),
    "s": ("microsecond", _SECOND),
    "ms": ("microsecond", 1000),
    "us": ("microsecond", 1),
    "": ("number", 1),
}
_ALSO_WRITTEN = {
    "week": "w",
    "day": "d",
    "hour": "h",
    "minute": "min",
    "second": "s",
    "millisecond": "ms",
    "microsecond": "us",
}
_OPTION = re.compile(r"([1-9]\d{0,3}) ?([a-z]*)")

# Steps that people choose, from the shortest.
_USUAL = (
    "1ms 10ms 100ms 1s 5s 10s 30s 1min 5min 10min 15min 30min 1h 2h 3h 6h 12h 1d 1w 1month 1quarter 1year"
)

_ONE_DAY = np.timedelta64(1, "D")
_MONDAY = int(np.datetime64("1969-12-29", "us").astype(np.int64))

# For steps shorter than the bound, the human cycles that such a series may follow.
_CYCLES = ((_MINUTE, (_HOUR, _DAY)), (_DAY, (_DAY, _WEEK)), (_YEAR, (_WEEK, _YEAR)))


@dataclass(frozen=True)
class Step:
    """`count` units from one time to the next. month_end: the point of the month is told from its end, as in
    31 January, 28 February, 31 March. local: of times with an offset from UTC the steps are days or months of
    the local calendar, which need not be of one length; else they are those of UTC.
    """

    count: int
    unit: Unit
    month_end: bool = False
    local: bool = False

    @property
    def name(self) -> str:
        """ "1 hour", "30 minutes", "1 month", "1 step"."""
        size, word = next((size, word) for size, word in _NAMES[self.unit] if self.count % size == 0)
        number = self.count // size
        return f"{number} {word}{'' if number == 1 else 's'}"

    @property
    def written(self) -> str:
        """ "1h", "15min", "1month", "10": as an option takes it, see parse_step; of none but such a step."""
        sizes = ((word, size) for word, (unit, size) in _WRITTEN.items() if unit == self.unit)
        word, size = next((word, size) for word, size in sizes if self.count % size == 0)
        return f"{self.count // size}{word}"

    def periods(self) -> list[int]:
        """Natural season lengths in steps, shortest first: hourly [24, 168], daily [7, 365], monthly [12]."""
        if self.unit == "number":
            return []
        if self.unit == "month":
            return [12 // self.count] if 12 % self.count == 0 and self.count < 12 else []
        if self.unit == "weekday":
            return [5, 261]  # a week and a year of them
        cycles = next((cycles for bound, cycles in _CYCLES if self.count < bound), ())
        exact = [cycle / self.count for cycle in cycles if cycle == _YEAR or cycle % self.count == 0]
        return [round(length) for length in exact if round(length) > 1]

    def positions(self, times: Times) -> Positions:
        """(T,) the units from the axis' origin to each time."""
        if self.unit == "month":
            return self._month_times(times).astype("datetime64[M]").astype(np.int64)
        if self.unit == "weekday":
            weeks, day = np.divmod(_days_since_monday(times), 7)
            return np.asarray(5 * weeks + np.minimum(day, 4))
        return times.astype(np.int64)

    def times(self, positions: Positions, like: Times) -> Times:
        """The times at `positions`, at the point of month or day at which `like` (1 or more times) stand."""
        if self.unit == "number":
            return positions
        if self.unit == "microsecond":
            return positions.astype("datetime64[us]")
        if self.unit == "weekday":
            weeks, day = np.divmod(positions, 5)
            clock = like[0] - like[0].astype("datetime64[D]")
            return np.asarray(
                np.datetime64(_MONDAY, "us") + (7 * weeks + day) * np.timedelta64(_DAY, "us") + clock
            )
        anchor = self._month_times(like[:1])
        begin = positions.astype("datetime64[M]").astype("datetime64[us]")
        point = anchor - anchor.astype("datetime64[M]") - self._shift
        return np.asarray(begin + point)

    def extend(self, times: Times, n: int) -> Times:
        """(n,) the times that follow the last of `times`."""
        last = self.positions(times[-1:])
        return self.times(last + self.count * np.arange(1, n + 1), times[-1:])

    def following(self, times: Times) -> Times:
        """Of each time the one a step later, at the same point of its month or day."""
        if self.unit == "number":
            return times + self.count
        if self.unit == "microsecond":
            return times + np.timedelta64(self.count, "us")
        if self.unit == "weekday":
            clock = times - times.astype("datetime64[D]")
            midnight = np.zeros(1, "datetime64[us]")
            return np.asarray(self.times(self.positions(times) + self.count, midnight) + clock)
        shifted = self._month_times(times)
        months = shifted.astype("datetime64[M]")
        begin = (months + self.count).astype("datetime64[us]")
        return np.asarray(begin + (shifted - months) - self._shift)

    def bins(self, times: Times) -> Positions:
        """(T,) the positions at which the bins of `count` units begin that hold the times."""
        positions, origin = self.positions(times), _MONDAY if self.unit == "microsecond" else 0
        return positions - (positions - origin) % self.count

    @property
    def is_days(self) -> bool:
        """Whether it is made of whole days, or of months."""
        return self.unit in ("month", "weekday") or (self.unit == "microsecond" and self.count % _DAY == 0)

    @property
    def within_day(self) -> bool:
        """Whether no step is longer than a day."""
        return (self.unit, self.count) == ("weekday", 1) or (
            self.unit == "microsecond" and self.count <= _DAY
        )

    def regular(self, times: Times) -> bool:
        """Whether times (T,) rise by whole steps."""
        gaps = np.diff(self.positions(times))
        return self.fits(times) and bool(((gaps > 0) & (gaps % self.count == 0)).all())

    def fits(self, times: Times) -> bool:
        """Whether all of `times` stand at one point of their months, or of days from Monday to Friday; always
        so for the other units."""
        if self.unit == "weekday":
            clocks = times - times.astype("datetime64[D]")
            return bool((_days_since_monday(times) % 7 < 5).all() and (clocks == clocks[0]).all())
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

    Times at one point of their months are months apart, not days; days that leave out all week-ends are
    business days. Each series: 2 or more increasing times.
    """
    axis = _axis(series)
    gaps = np.concatenate([np.diff(axis.positions(times)) for times in series])
    values, counts = np.unique(gaps, return_counts=True)
    return business_days(series, replace(axis, count=int(values[np.argmax(counts)])))


def business_days(series: Sequence[Times], step: Step, known: bool = False) -> Step:
    """The step; of single days, where none is a Saturday or a Sunday and a Monday follows a Friday (or it is
    `known` that it does), that of business days."""
    if (step.unit, step.count) != ("microsecond", _DAY):
        return step
    days = replace(step, count=1, unit="weekday")
    if not all(days.fits(times) for times in series):
        return step
    skips = known or any(
        (np.diff(times)[np.diff(days.positions(times)) == 1] > _ONE_DAY).any() for times in series
    )
    return days if skips else step


def _days_since_monday(times: Times) -> Positions:
    monday = np.datetime64(_MONDAY, "us").astype("datetime64[D]")
    return np.asarray((times.astype("datetime64[D]") - monday).astype(np.int64))


def _axis(series: Sequence[Times]) -> Step:
    if series[0].dtype.kind == "i":
        return Step(1, "number")
    for month_end in (False, True):
        axis = Step(1, "month", month_end)
        if all(axis.fits(times) for times in series):
            return axis
    return Step(1, "microsecond")


def parse_step(text: str) -> Step:
    """ "15min", "1h", "1 day", "2 weeks", "1month"; "10" of whole numbers. ValueError for anything else."""
    match = _OPTION.fullmatch(text.strip().lower())
    if match is not None:
        count, word = int(match[1]), match[2]
        singular = word if word in _WRITTEN else word.removesuffix("s")
        known = _WRITTEN.get(_ALSO_WRITTEN.get(singular, singular))
        if known is not None:
            unit, size = known
            return Step(count * size, unit)
    wanted = "a step such as 15min, 1h, 1d, 1w, 1month or 1quarter (10 of whole numbers)"
    raise ValueError(f"wanted {wanted}, got {shown(text)}")


def usual_step(series: Sequence[Times]) -> Step | None:
    """The shortest step that people choose and that most neighbouring times, in whatever order, are no longer
    apart than, but for a tenth. None where no time differs from another."""
    gaps = np.concatenate([np.diff(np.unique(times)).astype(np.int64) for times in series])
    if not len(gaps):
        return None
    typical = float(np.median(gaps))
    if series[0].dtype.kind == "i":
        return Step(max(1, round(typical)), "number")
    steps = [parse_step(text) for text in _USUAL.split()]
    lengths = (step.count * (_YEAR / 12 if step.unit == "month" else 1) for step in steps)
    return next(
        (step for step, length in zip(steps, lengths, strict=True) if length >= 0.9 * typical), steps[-1]
    )


def spoken(time: np.datetime64 | np.int64) -> str:
    """ "2024-01-31", "2024-01-31 12:30:00", "1957": a time without the parts that are zero."""
    return str(time).replace("T", " ").removesuffix(".000000").removesuffix(" 00:00:00")
