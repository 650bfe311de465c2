"""Times as files write them: ISO 8601 dates and times, year first, or whole numbers.

    2024-01-31   2024-01   20240131   2024-01-31 12:30   2024-01-31T12:30:15.250   2024-01-31T12:30:15+02:00

Times with an offset or Z are converted to UTC, and their offsets kept; those without are taken as written,
whatever daylight saving did, unless their zone is named. Fractions of a second are kept to the microsecond.
Whole numbers are years or counters.
"""

import re
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.files import dates, zones
from unrolled.files.instants import BOUNDS, ISO, WANTED, WHOLE, minutes_east
from unrolled.files.number_columns import is_missing
from unrolled.files.steps import Step, Times
from unrolled.files.table import Table

_FIRST, _LAST = (int(np.datetime64(day, "us").astype(np.int64)) for day in ("0001-01-01", "9999-12-31"))


_FORMS = {"month": r"^\s*\d{4}[-/]\d{1,2}\s*$", "day": r"^\s*\d{4}[-/]\d{1,2}[-/]\d{1,2}\s*$"}
_FIXED = re.compile(r"[+-]\d\d:\d\d")  # a zone of a column that is an offset


@dataclass(frozen=True)
class Instants:
    """times (rows,) in UTC, or as they are written where zone (zones.py) is None; int64 where they are whole
    numbers. offsets (rows,) from UTC, in seconds."""

    times: Times
    offsets: zones.Seconds
    zone: str | None

    @property
    def local(self) -> Times:
        """(rows,) what clocks show."""
        return self.times if self.zone is None else zones.shifted(self.times, self.offsets)

    def on(self, step: Step) -> Times:
        """(rows,) the times on the axis of the step."""
        return self.local if step.local else self.times

    def spoken(self, row: int) -> str:
        return zones.spelt(self.local[row], int(self.offsets[row]), self.zone)


def parse_instants(table: Table, column: str) -> Instants:
    """The column as datetime64[us], or as int64 where it holds whole numbers, and the offsets of its cells,
    or of its zone where it has one.

    Raises DataError with place and content of the first cell that is missing, no time, or of another form
    than the first row's: an instant among numbers, an offset from UTC among times without.
    """
    table.require(column)
    cells = table.frame[column]
    if cells.dtype.is_float() and ((cells.round() == cells) | cells.is_null()).all():
        cells = cells.cast(pl.Int64)  # years that a table library turned into floats
    if cells.dtype.is_integer():
        cells = cells.cast(pl.String)
    if cells.dtype == pl.String:
        cells = cells.str.strip_chars()
    table.refuse(column, is_missing(cells), f"wanted {WANTED}, got {{}}", "write the time of every row")
    if cells.dtype == pl.String:
        is_whole = bool(cells.head(1).str.contains(WHOLE)[0])
        return naive(_whole_numbers(table, column, cells)) if is_whole else _instants(table, column, cells)
    if cells.dtype == pl.Date or cells.dtype == pl.Datetime:
        instants = _utc(cells)
        far = ~instants.to_physical().is_between(_FIRST, _LAST)
        table.refuse(column, far, "wanted a time in the years 1 to 9999, got one beyond", "correct it")
        return _zoned(instants.to_numpy(), getattr(cells.dtype, "time_zone", None))
    raise table.unlike(column, "times")


def naive(times: Times) -> Instants:
    """Times without an offset, or whole numbers."""
    return Instants(times, np.zeros(len(times), np.int64), None)


def _zoned(utc: Times, zone: str | None) -> Instants:
    """Times of a column whose type names their zone."""
    if zone is None:
        return naive(utc)
    if _FIXED.fullmatch(zone):
        return Instants(utc, np.full(len(utc), 60 * minutes_east(zone)), zones.OFFSETS)
    return Instants(utc, zones.offsets(zone, utc), zone)


def column_of(times: Times, offsets: zones.Seconds, zone: str | None, step: Step) -> pl.Series:
    """Times (T,) on the axis of the step, with their offsets, as a column: of a named zone in that zone, else
    with offsets as text."""
    if zone is None:
        return pl.Series(times)
    local = zones.local_times(zone, times, step, offsets)
    if zone == zones.OFFSETS:
        texts = pl.Series(local).dt.strftime("%Y-%m-%dT%H:%M:%S%.f")
        return texts + pl.Series([zones.suffix(offset) for offset in offsets.tolist()], dtype=pl.String)
    utc = pl.Series(zones.shifted(local, -offsets))
    return utc.dt.replace_time_zone("UTC").dt.convert_time_zone(zone)


def precision(cells: pl.Series) -> str:
    """How exactly a column of times is written: "month", "day" or "instant"."""
    if cells.dtype == pl.Date:
        return "day"
    if cells.dtype.is_integer() or (cells.dtype == pl.String and cells.str.contains(r"^\s*\d+\s*$").all()):
        return "day"  # 20240131
    if cells.dtype != pl.String:
        return "instant"
    for name, pattern in _FORMS.items():
        if cells.str.contains(pattern).all():
            return name
    return "instant"


def as_precise(times: pl.Series, precision: str) -> pl.Series:
    """Times that continue a column of this precision, written like it: 1961-01, and dates as dates."""
    if times.dtype != pl.Datetime or times.dtype.time_zone is not None:  # type: ignore[attr-defined]
        return times
    if precision == "month":
        return times.dt.strftime("%Y-%m")
    return times.cast(pl.Date) if precision == "day" else times


def form(cells: pl.Series) -> str:
    """What a column looks like, by type or most of its first 100 cells: "instants", "whole" or "other"."""
    if cells.dtype == pl.Date or cells.dtype == pl.Datetime:
        return "instants"
    sample = cells.head(100).drop_nulls()
    if sample.dtype.is_float():
        return "whole" if (sample.round() == sample).all() else "other"
    if sample.dtype.is_integer():
        return "whole"
    if sample.dtype == pl.String and len(sample):
        text = sample.str.strip_chars()
        if 2 * int(text.str.contains(WHOLE).sum()) > len(text):
            return "whole"
        if 2 * text.cast(pl.Float64, strict=False).count() <= len(text) < 2 * sum(map(dates.is_time, text)):
            return "instants"
    return "other"


def _utc(cells: pl.Series) -> pl.Series:
    if cells.dtype == pl.Date:
        return cells.cast(pl.Datetime("us"))
    if cells.dtype.time_zone is not None:  # type: ignore[attr-defined]
        cells = cells.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return cells.dt.cast_time_unit("us")


def _whole_numbers(table: Table, column: str, cells: pl.Series) -> Times:
    """Counters as they are; 20240131 and its like as dates where every cell is one."""
    wrong = ~cells.str.contains(WHOLE)
    wanted = f"wanted a whole number as in {table.row(0)}, got {{}}"
    table.refuse(column, wrong, wanted, "write all times in one form")
    numbers = cells.cast(pl.Int64).to_numpy()
    if (cells.str.len_bytes() == 8).all():
        dates, right = _days(numbers // 10_000, numbers // 100 % 100, numbers % 100)
        if right.all():
            return dates.astype("datetime64[us]")
    return numbers


def _instants(table: Table, column: str, cells: pl.Series) -> Instants:
    fields = cells.str.extract_groups(ISO).struct.unnest()
    number = {
        name: fields[name].cast(pl.Int64).fill_null(BOUNDS.get(name, (0, 0))[0]).to_numpy()
        for name in ("year", *BOUNDS)
    }
    days, right = _days(number["year"], number["month"], number["day"])
    for name, (low, high) in BOUNDS.items():
        right &= (number[name] >= low) & (number[name] <= high)
    wrong = fields["year"].is_null() | ~pl.Series(right)
    table.refuse(
        column,
        wrong,
        f"wanted {WANTED}, got {{}}",
        "write a time that exists, year first, or delete the row if it is none of a series",
    )

    offsets = fields["offset"]
    mixed = offsets.is_null() != (offsets[0] is None)
    form = "without" if offsets[0] is None else "with"
    wanted = f"wanted a time {form} an offset from UTC as in {table.row(0)}, got {{}}"
    table.refuse(column, mixed, wanted, "write all times in one form")
    east = {offset: 60 * minutes_east(offset) for offset in offsets.unique()}
    seconds_east = offsets.replace_strict(east, return_dtype=pl.Int64).to_numpy()
    seconds = (number["hour"] * 60 + number["minute"]) * 60 + number["second"] - seconds_east
    fractions = fields["fraction"].str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64).fill_null(0).to_numpy()
    within = (seconds * 1_000_000 + fractions).astype("timedelta64[us]")
    times = np.asarray(days.astype("datetime64[us]") + within)
    return Instants(times, seconds_east, None if offsets[0] is None else zones.OFFSETS)


def _days(
    year: NDArray[np.int64], month: NDArray[np.int64], day: NDArray[np.int64]
) -> tuple[Times, NDArray[np.bool_]]:
    """The dates, and which of them exist."""
    months = ((year - 1970) * 12 + month - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (day - 1)
    right = (month >= 1) & (month <= 12) & (days.astype("datetime64[M]") == months)
    return days, right
