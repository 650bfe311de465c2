"""Offsets of named zones against the standard library, one time after the other."""

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from unrolled.errors import ConfigError
from unrolled.files import zones

PLACES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata"]


def instants(begin, n, minutes):
    return np.datetime64(begin, "us") + np.arange(n) * np.timedelta64(minutes, "m")


@pytest.mark.parametrize("place", [*PLACES, "UTC", "America/Sao_Paulo"])
def test_offsets_are_those_of_the_database(place):
    utc = instants("2017-12-31T13:00", 4000, 331)
    wanted = [t.replace(tzinfo=UTC).astimezone(ZoneInfo(place)).utcoffset() for t in utc.tolist()]
    assert zones.offsets(place, utc).tolist() == [offset.total_seconds() for offset in wanted]


@pytest.mark.parametrize("minutes", [15, 30, 60])
@pytest.mark.parametrize("place", PLACES)
def test_local_times_in_order_come_back_as_the_instants_that_they_were(place, minutes):
    """Through both changes of a year: in autumn the first of two equal hours is the earlier one."""
    utc = instants("2025-12-31T00:00", 366 * 24 * 60 // minutes, minutes)
    offsets = zones.offsets(place, utc)
    local = zones.shifted(utc, offsets)
    found, missing = zones.local_offsets(place, local)
    assert not missing.any()
    if place == "Australia/Lord_Howe" and minutes == 60:  # half an hour comes twice: no step shows it
        assert (found != offsets).sum() <= 1
    else:
        assert np.array_equal(found, offsets)


def test_an_hour_that_does_not_come_is_missing():
    local = instants("2026-03-29T01:00", 4, 30)
    missing = zones.local_offsets("Europe/Berlin", local)[1]
    assert missing.tolist() == [False, False, True, True]


def test_after_a_lost_hour_the_first_of_two_is_taken():
    local = np.array(["2026-10-25T01:00", "2026-10-25T02:00", "2026-10-25T03:00"], "datetime64[us]")
    assert zones.local_offsets("Europe/Berlin", local)[0].tolist() == [7200, 7200, 3600]


@pytest.mark.parametrize("zone", ["Europe/Berln", "../etc/passwd", "", "Europe", "offsets "])
def test_no_such_zone(zone):
    with pytest.raises(ConfigError, match=r"no time zone .*; wanted a name such as Europe/Berlin") as caught:
        zones.find(zone)
    assert ("did you mean 'Europe/Berlin'" in str(caught.value)) == (zone == "Europe/Berln")


def test_a_machine_without_zones_says_what_to_do(monkeypatch):
    monkeypatch.setattr(zones.zoneinfo, "available_timezones", set)
    with pytest.raises(ConfigError, match="this machine has no data of time zones; pip install tzdata"):
        zones.find("Nowhere/Land")
    assert zones.find("UTC") is UTC


@pytest.mark.parametrize(
    "offset, text", [(3600, "+01:00"), (0, "+00:00"), (-12600, "-03:30"), (-75, "-00:01:15")]
)
def test_suffixes_are_those_that_python_writes(offset, text):
    assert zones.suffix(offset) == text
    tz = datetime(2000, 1, 1, tzinfo=UTC).astimezone(timezone(timedelta(seconds=offset)))
    assert tz.isoformat().endswith(text)


def test_times_at_the_ends_of_the_calendar_have_offsets():
    ends = np.array(["0001-01-01T00:00", "9999-12-31T23:59"], "datetime64[us]")
    assert zones.offsets("Asia/Kolkata", ends)[1] == 19800
    assert zones.local_offsets("Asia/Kolkata", ends)[0][1] == 19800


def test_times_for_a_person_keep_their_midnight_where_there_is_an_offset():
    day = np.datetime64("2026-02-01", "us")
    assert zones.spelt(day, 0, None) == "2026-02-01"
    assert zones.spelt(day, 3600, zones.OFFSETS) == "2026-02-01 00:00:00+01:00"
    assert zones.spelt(day + np.timedelta64(90, "m"), -3600, "Etc/GMT+1") == "2026-02-01 01:30:00-01:00"
