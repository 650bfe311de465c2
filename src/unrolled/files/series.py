"""Regular series from a table: every step of a series stands at one distance from the one before.

    table -> roles of the columns -> rows of each series -> step -> gaps found, refused or kept as NaN

K targets, P past and Q future covariates. A series ends with its last target; where there are future
covariates, F ≥ 0 further rows without targets are steps to predict.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files import zones
from unrolled.files.cells import allow_gaps
from unrolled.files.date_columns import in_iso
from unrolled.files.gaps import Grid, describe_gaps, on_grid
from unrolled.files.groups import Groups
from unrolled.files.opening import plain_name
from unrolled.files.order import Origin, ordered_times
from unrolled.files.query import Query
from unrolled.files.roles import find_roles
from unrolled.files.steps import Positions, Step, Times
from unrolled.files.table import Table, open_table
from unrolled.files.times import precision


@dataclass(frozen=True)
class Series:
    """times (T + F,) datetime64[us] or int64 on the axis of the step, offsets (T + F,) from UTC in seconds;
    target (T, K), past (T, P), future (T + F, Q), finite, or NaN where the file has no value."""

    name: str
    times: Times
    offsets: zones.Seconds
    target: NDArray[np.float64]
    past: NDArray[np.float64]
    future: NDArray[np.float64]


@dataclass(frozen=True)
class SeriesFile:
    """Series of one file, the names of their columns, their step, the zone of their times (zones.py), how
    exactly these are written (times.py) and in which format (dates.py), the decimal mark of numbers that are
    not written as a computer does, and notes on what was found."""

    series: tuple[Series, ...]
    targets: tuple[str, ...]
    past: tuple[str, ...]
    future: tuple[str, ...]
    time: str | None
    step: Step
    zone: str | None
    precision: str
    date_format: str | None
    decimal: str | None
    notes: tuple[str, ...]

    def local(self, series: Series) -> Times:
        """(T + F,) what clocks show at the times of a series."""
        return zones.local_times(self.zone, series.times, self.step, series.offsets)


def read_series(source: str | Path | pl.DataFrame, query: Query) -> SeriesFile:
    """The series in a CSV or Parquet file, or in a polars frame. Without targets the only column of numbers
    that has no other role is one; with an id rows of several series may be mixed, each in the order of time.

    Raises ConfigError for a column that has two roles and for a zone that there is not; DataError, with the
    place in the file, for everything that is not as said above.
    """
    table = open_table(source, query.decimal)
    table, roles, notes = find_roles(table, query)
    dated = in_iso(table, roles.time, query.date_format)
    table = dated.table
    notes += dated.notes
    numbers = table.matrix(roles.numbers)
    notes += numbers.notes
    origin = Origin(table, roles, _rows_by_series(table, roles.id))
    if query.zone is not None:
        zones.find(query.zone)
    ordered = ordered_times(origin, query.zone)
    origin, step, zone = ordered.origin, ordered.step, ordered.zone
    notes += ordered.notes
    values = numbers.values
    grids = [
        on_grid(origin, name, ordered.times[name], step, values[rows]) for name, rows in origin.rows.items()
    ]
    description = describe_gaps(origin, grids, step, zone)
    if description and not query.gaps:
        raise DataError(f"{table.name}: {description}; complete the file, or {allow_gaps()}")
    if description:
        notes.append(f"gaps: {description}; what is missing is no outcome: no loss and no figure counts it")
    series = tuple(_series(grid, roles) for grid in grids)
    written = "instant" if roles.time is None else precision(table.frame[roles.time])
    columns = roles.targets, roles.past, roles.future, roles.time
    notation = written, dated.date_format, numbers.decimal or query.decimal
    return SeriesFile(series, *columns, step, zone, *notation, tuple(notes))


def _rows_by_series(table: Table, id: str | None) -> dict[str, Positions]:
    """Rows of each series in the order of the file; series in the order of their first rows."""
    if id is None:
        return {plain_name(Path(table.name)).stem: np.arange(table.frame.height)}
    cells = table.frame[id]
    if cells.dtype.is_temporal() or cells.dtype.is_nested() or cells.dtype == pl.Binary:
        raise table.unlike(id, "series' names")
    names = cells.cast(pl.String)
    unnamed = names.is_null() | (names == "")
    table.refuse(id, unnamed, "wanted the name of a series, got {}", "name the series of every row")
    groups = Groups.by(table, names)
    return dict(zip(groups.names, groups.split(np.arange(len(names))), strict=True))


def _series(grid: Grid, roles: Query) -> Series:
    cuts = np.cumsum([len(roles.targets), len(roles.past)])
    target, past, future = np.split(grid.values, cuts, axis=1)
    return Series(grid.name, grid.times, grid.offsets, target[: grid.length], past[: grid.length], future)
