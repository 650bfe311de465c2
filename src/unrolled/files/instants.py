"""One time, given as a text or as Python has it, and how texts write times; of whole columns: times.py.

This module needs numpy alone.
"""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from unrolled.errors import DataError
from unrolled.files.steps import Step
from unrolled.files.wording import shown

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


def position(value: Any, step: Step) -> int:
    """The whole number of a series' time: of microseconds since 1970, or the number that it is.

    `value`: a text as files have it, a datetime, date or numpy datetime64, or a whole number where the
    series' times are. DataError for any other.
    """
    try:
        found = _number(value) if step.unit == "number" else _microseconds(value)
    except (ValueError, OverflowError, TypeError):
        found = None
    if found is None or abs(found) >= _FAR:
        wanted = "a whole number" if step.unit == "number" else WANTED
        raise DataError(f"wanted {wanted}, got {shown(value)}; give each step's time as the training had it")
    return found


def _number(value: Any) -> int | None:
    if isinstance(value, str):
        return int(value) if _DIGITS.match(value.strip()) else None
    whole = isinstance(value, int | np.integer) or (isinstance(value, float) and value.is_integer())
    return int(value) if whole else None


def _microseconds(value: Any) -> int | None:
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else int(np.int64(value.astype("datetime64[us]")))
    instant = _read(value.strip()) if isinstance(value, str) else value
    if isinstance(instant, date) and not isinstance(instant, datetime):
        instant = datetime(instant.year, instant.month, instant.day)
    if not isinstance(instant, datetime):
        return None
    if instant.tzinfo is not None:
        instant = instant.astimezone(UTC).replace(tzinfo=None)
    since: timedelta = instant - _EPOCH
    return since // timedelta(microseconds=1)


def _read(text: str) -> datetime | None:
    """The instant in UTC, or as written where there is no offset."""
    found = _INSTANT.match(text) or _COMPACT.match(text)
    if found is None:
        return None
    parts = found.groupdict()
    month, day, hour, minute, second = (int(parts.get(name) or low) for name, (low, _) in BOUNDS.items())
    fraction = int((parts.get("fraction") or "").ljust(6, "0")[:6])
    instant = datetime(int(parts["year"]), month, day, hour, minute, second, fraction)
    offset = parts.get("offset") or "Z"
    if offset == "Z":
        return instant
    digits = offset[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return instant - timedelta(minutes=minutes if offset[0] == "+" else -minutes)
