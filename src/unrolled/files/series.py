"""Regular series from a table: every step of a series stands at one distance from the one before.

    table -> roles of the columns -> rows of each series (layouts.py), in bins where asked for -> step -> gaps
    found, refused or kept as NaN

K targets, P past and Q future covariates. A series ends with its last target; where there are future
covariates, F ≥ 0 further rows without targets are steps to predict.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files import zones
from unrolled.files.category_columns import Texts
from unrolled.files.cells import allow_gaps
from unrolled.files.covariates import Covariates
from unrolled.files.gaps import Grid, describe_gaps, on_grid
from unrolled.files.layouts import laid_out
from unrolled.files.left_out import LeftOut, or_skip, told, told_rows
from unrolled.files.messages import option
from unrolled.files.order import Origin, on_shared_step, read_times
from unrolled.files.query import Query
from unrolled.files.resampling import note, resampled
from unrolled.files.steps import Step, Times
from unrolled.files.times import precision

HOUR = 3600 * 1_000_000  # microseconds
SUNDAY = 3  # of days since 1970, modulo 7


@dataclass(frozen=True)
class Series:
    """times (T + F,) datetime64[us] or int64 on the axis of the step, offsets (T + F,) from UTC in seconds;
    target (T, K), past (T, P), future (T + F, Q), finite, or NaN where the file has no value. `part`: which
    part of a training all of it is, "validation" or "test"; "" where its steps are split in time. static
    (Z,): its values that do not change. `group`: those of one stay in one part (grouping.py); None: of
    none."""

    name: str
    times: Times
    offsets: zones.Seconds
    target: NDArray[np.float64]
    past: NDArray[np.float64]
    future: NDArray[np.float64]
    part: str = ""
    static: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    group: str | None = None


@dataclass(frozen=True)
class SeriesFile:
    """Series of one file, the names of their columns, their step, the zone of their times (zones.py), how
    exactly these are written (times.py) and in which format (dates.py), the decimal mark of numbers that are
    not written as a computer does, and notes on what was found; `left_out`: of other series in it by name why
    they could not be used; `static` columns, and the `texts` of columns whose values are their codes;
    `wrong_rows`: by place why rows, or cells in them, were left out.

    `covariates`: the columns of the file, with categories once their texts are numbers; `unseen`: notes
    on texts that are none."""

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
    left_out: Mapping[str, str]
    static: tuple[str, ...] = ()
    texts: Texts = field(default_factory=dict)
    wrong_rows: Mapping[str, str] = field(default_factory=dict)
    covariates: Covariates = field(default_factory=Covariates)
    unseen: tuple[str, ...] = ()

    @property
    def several(self) -> bool:
        """Whether there are several, those that could not be used among them."""
        return len(self.series) + len(self.left_out) > 1

    def told(self) -> tuple[str, ...]:
        """Lines on what was left out."""
        return (*told_rows(self.wrong_rows), *told(self.left_out, len(self.series)))

    def local(self, series: Series) -> Times:
        """(T + F,) what clocks show at the times of a series."""
        return zones.local_times(self.zone, series.times, self.step, series.offsets)


def read_series(source: str | Path | pl.DataFrame, query: Query) -> SeriesFile:
    """The series in a CSV or Parquet file, or in a polars frame. Without targets the only column of numbers
    that has no other role is one, or all are where each is a series; with an id rows of several series may be
    mixed, each in the order of time.

    Raises ConfigError for a column that has two roles and for a zone that there is not; DataError, with the
    place in the file, for everything that is not as said above.
    """
    laid = laid_out(query.unfolded(query.open(source)), query)
    origin, notes = laid.origin, list(laid.notes)
    roles, rows = origin.roles, origin.rows
    if query.zone is not None:
        zones.find(query.zone)
    left_out = LeftOut(len(rows) > 1, query.skip)
    times = read_times(origin, query.zone, left_out)
    if query.resample is None:
        times, step = on_shared_step(origin, times, left_out)
    else:
        origin, times, step = resampled(origin, times, query.resample, query.aggregate, left_out)
        notes.append(note(rows, origin.rows, step, query.aggregate))
    zone = next(iter(times.values())).zone
    by_name = left_out.each(times, lambda name: on_grid(origin, name, times[name], step))
    if left_out.allowed and left_out.several and not query.gaps:
        by_name = left_out.each(by_name, lambda name: _without_gaps(origin, by_name[name], step, zone))
    grids = list(by_name.values())
    description = describe_gaps(origin, grids, step, zone)
    if description and not query.gaps:
        forward = _set_forward(grids, step, zone)
        raise _of_gaps(origin, description, or_skip(left_out.several) + forward)
    if description:
        notes.append(f"gaps: {description}; what is missing is no outcome: no loss and no figure counts it")
    series = tuple(
        replace(_series(grid, roles, origin.static[grid.name]), group=origin.groups.get(grid.name))
        for grid in grids
    )
    columns = roles.targets, roles.past, roles.future, roles.time
    notation = _precision(origin), laid.date_format, laid.decimal
    about = tuple(notes), left_out.why
    file = SeriesFile(
        series, *columns, step, zone, *notation, *about, roles.static, origin.texts, laid.left_out
    )
    return replace(file, covariates=Covariates(roles.past, roles.future, roles.static))


def _without_gaps(origin: Origin, grid: Grid, step: Step, zone: str | None) -> Grid:
    """DataError where a series has gaps."""
    if description := describe_gaps(origin, [grid], step, zone):
        raise _of_gaps(origin, description)
    return grid


def _set_forward(grids: list[Grid], step: Step, zone: str | None) -> str:
    """The remedy where clocks skipped the hour of a gap; "" where none did: on a Sunday at night."""
    if zone is not None or step.unit != "microsecond" or HOUR % step.count:
        return ""
    for grid in grids:
        at = np.flatnonzero(grid.rows >= 0)
        skipped = np.diff(grid.times[at]) == np.timedelta64(HOUR + step.count, "us")
        for begin in grid.times[at[1:][skipped]] - np.timedelta64(HOUR, "us"):
            night = begin - begin.astype("datetime64[D]") <= np.timedelta64(2, "h")
            if night and begin.astype("datetime64[D]").astype(int) % 7 == SUNDAY:
                remedy = option("zone", "Europe/Berlin")
                return f", or name the zone ({remedy}) if clocks were set forward on {begin.astype('M8[D]')}"
    return ""


def _of_gaps(origin: Origin, description: str, more: str = "") -> DataError:
    longer = origin.roles.resample is not None
    remedy = f"name a longer step ({option('resample')})" if longer else "complete the file"
    return DataError(f"{origin.table.name}: {description}; {remedy}, or {allow_gaps()}{more}")


def _precision(origin: Origin) -> str:
    """How exactly the times are written that continue a series."""
    table, roles = origin.table, origin.roles
    if roles.resample is not None:
        return "day" if roles.resample.is_days else "instant"
    return "instant" if roles.time is None else precision(table.frame[roles.time])


def _series(grid: Grid, roles: Query, static: NDArray[np.float64]) -> Series:
    K, P = len(roles.targets), len(roles.past)
    steps = grid.values[: grid.length, :K], grid.values[: grid.length, K : K + P], grid.values[:, K + P :]
    return Series(grid.name, grid.times, grid.offsets, *steps, static=static)
