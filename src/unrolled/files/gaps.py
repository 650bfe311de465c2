"""Gaps are steps of a regular series for which the file has no row, or a row with a missing cell. They hold
NaN: what a network reads in their place is told by codecs/gaps.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files import zones
from unrolled.files.messages import counted, listed
from unrolled.files.order import Origin
from unrolled.files.steps import Positions, Step, Times
from unrolled.files.times import Instants


@dataclass(frozen=True)
class Grid:
    """One series on regular steps: times (L,) with their offsets (L,), values (L, K + P + Q) with NaN where
    the file has none, rows (L,) of the table with -1 where there is none, length T up to the last target.
    """

    name: str
    times: Times
    offsets: zones.Seconds
    values: NDArray[np.float64]
    rows: Positions
    length: int


def on_grid(origin: Origin, name: str, instants: Instants, step: Step) -> Grid:
    """The rows of a series, each at its step.

    Raises DataError where fewer than 2 rows have a target.
    """
    times, values = instants.on(step), origin.values[name]
    positions = step.positions(times)
    index = (positions - positions[0]) // step.count
    rows, cells, offsets, every = origin.rows[name], np.ascontiguousarray(values), instants.offsets, positions
    if len(index) <= index[-1]:  # steps are missing
        every = positions[0] + step.count * np.arange(index[-1] + 1)
        rows, cells = np.full(len(every), -1), np.full((len(every), values.shape[1]), np.nan)
        rows[index], cells[index] = origin.rows[name], values
        offsets = offsets[np.searchsorted(index, np.arange(len(every)), "right") - 1]
    targets = origin.roles.targets
    present = np.flatnonzero(~np.isnan(cells[:, : len(targets)]).all(1))
    if len(present) < 2:
        columns = listed(origin.columns(name)[: len(targets)])
        raise DataError(
            f"{origin.table.name}: {counted(len(present), 'value')} in column {columns}{origin.of(name)}; "
            "wanted 2 or more, add rows"
        )
    length = int(present[-1]) + 1 if origin.roles.future else len(every)
    every = step.times(every, times[:1])
    offsets = zones.offsets_after(instants.zone, every, step, offsets)
    return Grid(name, every, offsets, cells, rows, length)


def describe_gaps(origin: Origin, grids: Sequence[Grid], step: Step, zone: str | None) -> str:
    """How many gaps there are and where the longest begins; "" where there is none."""
    lengths, longest, where = [], 0, ""
    ending = len(origin.roles.targets) + len(origin.roles.past)  # columns that end with the last target
    for grid in grids:
        missing = np.isnan(grid.values)
        if not missing.any():
            continue
        missing[grid.length :, :ending] = False
        edges = np.flatnonzero(np.diff(missing.any(1).astype(np.int8), prepend=0, append=0))
        begins, lasts = edges[::2], edges[1::2] - edges[::2]  # of runs of missing steps
        lengths += lasts.tolist()
        if max(lasts, default=0) > longest:
            longest, at = int(lasts.max()), int(begins[np.argmax(lasts)])
            local = zones.local_times(zone, grid.times, step, grid.offsets)[at]
            time = zones.spelt(local, int(grid.offsets[at]), zone)
            where = f"from {time} on, {_spot(origin, grid, at, missing[at])}"
    if not lengths:
        return ""
    return (
        f"{counted(len(lengths), 'gap')} with {counted(sum(lengths), 'missing step')} of {step.name}, "
        f"the longest, {counted(longest, 'step')}, {where}"
    )


def _spot(origin: Origin, grid: Grid, at: int, missing: NDArray[np.bool_]) -> str:
    row = int(grid.rows[at])
    if row < 0:
        return f"after {origin.table.row(int(grid.rows[at - 1]))}{origin.of(grid.name)}"
    column = origin.columns(grid.name)[int(np.argmax(missing))]
    return f"{origin.table.cell(row, column)}{origin.of(grid.name)}"
