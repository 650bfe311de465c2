"""One time, given as a text or as Python has it, and how texts write times; of whole columns: times.py.

This module needs numpy alone.
"""

import re
from datetime import date, datetime, timedelta, timezone
from typing import Any, NamedTuple

import numpy as np

from unrolled.errors import DataError
from unrolled.files import dates, zones
from unrolled.files.messages import shown
from unrolled.files.steps import Step

_DATE = r"(?P<year>\d{4})[-/](?P<month>\d{1,2})(?:[-/](?P<day>\d{1,2}))?"
_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.(?P<fraction>\d{1,9}))?)?"
ISO = rf"^{_DATE}(?:[T ]{_CLOCK})?\s?(?P<offset>Z|[+-]\d{{2}}(?::?\d{{2}})?)?$"
WHOLE = r"^[+-]?\d{1,18}$"
WANTED = "a time such as 2024-01-31 or 2024-01-31 12:30"

# The least and greatest value of each part; the day's end depends on the month.
BOUNDS = {"month": (1, 12), "day": (1, 31), "hour": (0, 23), "minute": (0, 59), "second": (0, 59)}

_DIGITS = re.compile(WHOLE, re.ASCII)
_INSTANT = re.compile(ISO, re.ASCII)
_COMPACT = re.compile(r"^(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})$", re.ASCII)
_EPOCH = datetime(1970, 1, 1)
_FAR = 10**18  # beyond any year of four digits, and any counter that a file may hold


class Position(NamedTuple):
    """A whole number of a series' step, and the offset from UTC in seconds, 0 where there is none."""

    at: int
    offset: int


def position(
    value: Any, step: Step, zone: str | None = None, later: bool = False, date_format: str | None = None
) -> Position:
    """Of one time of a series whose times are of this zone (zones.py): microseconds since 1970, in local time
    where the step is, else in UTC; or the number that it is.

    `value`: a text as files have it, its dates in this format (dates.py), a datetime, date or numpy
    datetime64, or a whole number where the series' times are; `later`: of a local time that comes twice it is
    the second. DataError for any other, and for a time with an offset where the series has none, or without.
    """
    numbered = step.unit == "number"
    try:
        result = _counted(value) if numbered else _placed(_instant(value, date_format), step, zone, later)
    except DataError:
        raise
    except (ValueError, OverflowError, TypeError):
        result = None
    if result is None or abs(result.at) >= _FAR:
        wanted = "a whole number" if numbered else WANTED
        if date_format is not None and not numbered:
            wanted += f", or in the format {date_format}"
        raise DataError(f"wanted {wanted}, got {shown(value)}; give each step's time as the training had it")
    return result


def _placed(instant: datetime | None, step: Step, zone: str | None, later: bool) -> Position | None:
    """The microseconds and the offset of an instant."""
    if instant is None:
        return None
    offset, local = instant.utcoffset(), instant.replace(tzinfo=None)
    if zone == zones.OFFSETS if offset is None else zone is None:
        form = "without" if zone is None else "with"
        raise DataError(
            f"wanted a time {form} an offset from UTC, as the training had them, got {shown(str(instant))}"
        )
    if zone is not None and zone != zones.OFFSETS:
        place = zones.find(zone)
        if offset is None:
            first, second = zones.readings(place, local)
            if first < second:
                raise DataError(f"no clock of {zone} shows {instant}; correct the time")
            offset = timedelta(seconds=second if instant.fold or later else first)
        else:
            instant = instant.astimezone(place)
            offset, local = instant.utcoffset(), instant.replace(tzinfo=None)
    offset = offset or timedelta()
    since = (local if step.local else local - offset) - _EPOCH
    return Position(since // timedelta(microseconds=1), offset // timedelta(seconds=1))


def _counted(value: Any) -> Position | None:
    if isinstance(value, str):
        whole = _DIGITS.match(value.strip()) is not None
    else:
        whole = isinstance(value, int | np.integer) or (isinstance(value, float) and value.is_integer())
    return Position(int(value), 0) if whole else None


def _instant(value: Any, date_format: str | None) -> datetime | None:
    """With its offset where it has one."""
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[us]").item()
    instant = _read(value.strip(), date_format) if isinstance(value, str) else value
    if isinstance(instant, date) and not isinstance(instant, datetime):
        instant = datetime(instant.year, instant.month, instant.day)
    return instant if isinstance(instant, datetime) else None


def _read(text: str, date_format: str | None) -> datetime | None:
    if date_format is not None or not _INSTANT.match(text):
        text = dates.iso(text, date_format) or text
    match = _INSTANT.match(text) or _COMPACT.match(text)
    if match is None:
        return None
    fields = match.groupdict()
    month, day, hour, minute, second = (int(fields.get(name) or low) for name, (low, _) in BOUNDS.items())
    fraction = int((fields.get("fraction") or "").ljust(6, "0")[:6])
    instant = datetime(int(fields["year"]), month, day, hour, minute, second, fraction)
    offset = fields.get("offset")
    if offset is None:
        return instant
    return instant.replace(tzinfo=timezone(timedelta(minutes=minutes_east(offset))))


def minutes_east(offset: str | None) -> int:
    """Of UTC: "+02:00", "+0200" and "+02" -> 120, "Z" or none -> 0."""
    if offset in (None, "Z"):
        return 0
    digits = offset[1:].replace(":", "").ljust(4, "0")
    return int(offset[0] + "1") * (int(digits[:2]) * 60 + int(digits[2:]))
