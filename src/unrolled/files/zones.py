"""Offsets from UTC: local time = UTC + offset, in whole seconds.

    zone None          times are taken as they are written; their offset is not known, and 0 stands for it
    zone "offsets"     every time is written with its own offset
    zone "Area/City"   offsets follow the rules of a zone of the IANA database

An hour that comes twice, when clocks are set back, is read as the earlier one until a time does not rise, and
from there on as the later. The database is that of the machine or of the package tzdata; where the machine
itself stands changes nothing. This module needs numpy alone.
"""

import zoneinfo
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigError
from unrolled.files.messages import nearest, shown
from unrolled.files.steps import Step, Times, spoken

OFFSETS = "offsets"

Seconds = NDArray[np.int64]

# Beyond, some time within two days is none that Python has.
_FIRST, _LAST = np.datetime64("0001-01-03", "us"), np.datetime64("9999-12-28", "us")
_SECOND = timedelta(seconds=1)


@cache
def find(zone: str) -> tzinfo:
    """ConfigError for a zone that the database does not have."""
    if zone == "UTC":
        return UTC
    try:
        return zoneinfo.ZoneInfo(zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        known = zoneinfo.available_timezones()
    if not known:
        raise ConfigError(f"zone {shown(zone)}: this machine has no data of time zones; pip install tzdata")
    raise ConfigError(
        f"no time zone {shown(zone)}{nearest(zone, sorted(known))}; wanted a name such as Europe/Berlin"
    )


def offsets(zone: str, utc: Times) -> Seconds:
    """utc (T,) -> (T,) the offsets of a named zone."""
    place, utc = find(zone), np.clip(utc, _FIRST, _LAST)
    days, at = np.unique(utc.astype("datetime64[D]"), return_inverse=True)
    begins, ends = (
        np.array([_of_instant(place, day) for day in (days + more).tolist()], np.int64) for more in (0, 1)
    )
    east = begins[at]
    for i in np.flatnonzero((begins != ends)[at]):
        east[i] = _of_instant(place, utc[i].item())
    return east


def local_offsets(zone: str, local: Times) -> tuple[Seconds, NDArray[np.bool_]]:
    """local (T,), in order -> (T,) their offsets, and which of them no clock of the zone shows."""
    place, local = find(zone), np.clip(local, _FIRST, _LAST)
    days, at = np.unique(local.astype("datetime64[D]"), return_inverse=True)
    # Days around which the offset is the same have no hour twice, and lack none.
    before, after = (
        np.array([_of_instant(place, day) for day in (days + more).tolist()], np.int64) for more in (-1, 2)
    )
    east, missing = before[at], np.zeros(len(local), np.bool_)
    last, later = None, False
    for i in np.flatnonzero((before != after)[at]):
        moment = local[i].item()
        first, second = readings(place, moment)
        twice = first > second
        later = twice and last is not None and (later or moment <= last)
        last = moment if twice else None
        east[i], missing[i] = second if later else first, first < second
    return east, missing


def readings(place: tzinfo, local: datetime) -> tuple[int, int]:
    """The offsets of a local time without one: the greater one first where it comes twice, the smaller one
    first where it does not come."""
    first, second = (local.replace(tzinfo=place, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    return first // _SECOND, second // _SECOND


def offsets_after(zone: str | None, times: Times, step: Step, last: Seconds) -> Seconds:
    """The offsets of times (T,) on the axis of the step that follow others, whose last ones are `last`, (T,)
    or ()."""
    if zone is None or zone == OFFSETS:
        return np.broadcast_to(last, times.shape)
    return local_offsets(zone, times)[0] if step.local else offsets(zone, times)


def local_times(zone: str | None, times: Times, step: Step, offsets: Seconds) -> Times:
    """What clocks show at times (T,) on the axis of the step."""
    return times if zone is None or step.local else shifted(times, offsets)


def shifted(times: Times, seconds: Seconds) -> Times:
    """times + seconds."""
    return np.asarray(times + seconds.astype("timedelta64[s]"))


def notation(zone: str | None) -> str:
    """How the times of a zone are written."""
    if zone is None or zone == OFFSETS:
        return f"{'without' if zone is None else 'with'} an offset from UTC"
    return f"in zone {zone}"


def spelt(local: np.datetime64 | np.int64, offset: int, zone: str | None) -> str:
    """ "2024-01-31 00:00:00+01:00": a time for a person; without a zone as short as it is."""
    text = spoken(local)
    if zone is None:
        return text
    return text + ("" if ":" in text else " 00:00:00") + suffix(offset)


def suffix(offset: int) -> str:
    """ "+01:00", "-03:30"; of past times also with seconds."""
    minutes, seconds = divmod(abs(offset), 60)
    text = f"{'-' if offset < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"
    return f"{text}:{seconds:02}" if seconds else text


def _of_instant(place: tzinfo, utc: date) -> int:
    """Of an instant, or of midnight UTC of a day."""
    moment = utc if isinstance(utc, datetime) else datetime(utc.year, utc.month, utc.day)
    offset = moment.replace(tzinfo=UTC).astimezone(place).utcoffset() or timedelta()
    return offset // _SECOND
