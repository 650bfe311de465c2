"""The rows of a long table, in groups of one id each."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.files.delimited import Positions
from unrolled.files.grouping import group_cells
from unrolled.files.left_out import WrongRowsError
from unrolled.files.limits import require_few
from unrolled.files.messages import counted, shown
from unrolled.files.number_columns import is_missing
from unrolled.files.query import written
from unrolled.files.table import Table
from unrolled.files.times import parse_instants


@dataclass(frozen=True)
class Groups:
    """N groups in the order of their first rows. `order` (rows,) are the rows of the first group, then of the
    second …, each in the order of the table; those of a group begin at `starts` (N,). `ids` (rows,) are the
    names of the groups."""

    table: Table
    ids: pl.Series
    order: Positions
    starts: Positions

    @classmethod
    def of(cls, table: Table, column: str) -> Self:
        """By the ids in `column`. DataError for a row without one."""
        return cls.by(table, written(table, column, "the name of a sequence"))

    @classmethod
    def by(cls, table: Table, ids: pl.Series) -> Self:
        """By ids (rows,), none of which is missing."""
        count = ids.n_unique()
        require_few(table.name, counted(count, "sequence"), len(ids), sequences=count)
        rows = pl.DataFrame({"id": ids, "row": np.arange(len(ids))})
        groups = rows.group_by("id", maintain_order=True).agg("row")["row"]
        lengths = groups.list.len().cast(pl.Int64).to_numpy()
        return cls(table, ids, groups.explode().to_numpy(), np.concatenate([[0], np.cumsum(lengths)[:-1]]))

    @property
    def names(self) -> tuple[str, ...]:
        """(N,)"""
        return tuple(self.ids.gather(self.order[self.starts]))

    @property
    def places(self) -> tuple[str, ...]:
        """(N,) where the first row of each stands."""
        rows = self.order[self.starts].tolist()
        return tuple(f"{self.table.name}, {self.table.row(row)}" for row in rows)

    def split(self, values: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """values (rows, …) -> (N,) those of each group."""
        return tuple(np.split(values[self.order], self.starts[1:]))

    def by_time(self, column: str | None) -> Self:
        """The rows of each group by time, each time once; as they are without a column."""
        if column is None:
            return self
        table, order, numbers = self.table, self.order, self._numbers
        times = _times(table, column)[order]
        rising = np.lexsort((times, numbers))
        order, times, numbers = order[rising], times[rising], numbers[rising]
        again = np.flatnonzero((times[1:] == times[:-1]) & (numbers[1:] == numbers[:-1]))
        if len(again):
            first = again[np.argmin(order[again + 1])]
            cell = shown(str(table.frame[column][int(order[first + 1])]))
            complaint = f"{cell} stands there again, as in {table.row(order[first])} of the same sequence"
            remedy = "keep one row for each time"
            raise self._wrong(column, order[again + 1], order[first + 1], complaint, _more(again), remedy)
        return replace(self, order=order)

    def one_each(self, column: str, cells: pl.Series, noun: str) -> pl.Series:
        """cells (rows,) -> (N,) that of each group. DataError where its rows have different ones."""
        table, order = self.table, self.order
        ranks = cells.rank("dense").to_numpy()[order]
        first = self.starts[self._numbers]
        wrong = np.flatnonzero(ranks != ranks[first])
        if len(wrong):
            at = wrong[np.argmin(order[wrong])]
            one, other = int(order[first[at]]), int(order[at])
            complaint = (
                f"{shown(cells[other])}, but {table.row(one)} of the same sequence has {shown(cells[one])}"
            )
            remedy = f"wanted one {noun} in all rows of a sequence, correct one"
            raise self._wrong(column, order[wrong], other, complaint, _more(wrong), remedy)
        return cells.gather(order[self.starts])

    @property
    def groups(self) -> tuple[str, ...] | None:
        """(N,) what grouping.py keeps each together with; None where that is not asked for. DataError where
        the rows of one have different ones."""
        cells = group_cells(self.table)
        return None if cells is None else tuple(self.one_each(cells.name, cells, "group"))

    def _wrong(
        self, column: str, rows: Positions, first: int, complaint: str, more: str, remedy: str
    ) -> WrongRowsError:
        """The error of such rows of several groups, whose first one is wrong as the complaint says."""
        wrong = np.zeros(len(self.order), np.bool_)
        wrong[rows] = True
        message = f"{self.table.place(first, column)}: {complaint}{more}; {remedy}"
        others = "not as in another row of the same sequence"
        return WrongRowsError(
            message, wrong, lambda row: f"column {shown(column)}: {complaint if row == first else others}"
        )

    @property
    def _numbers(self) -> Positions:
        """(rows,) which group each row of `order` belongs to."""
        return np.repeat(np.arange(len(self.starts)), np.diff(np.append(self.starts, len(self.order))))


def _more(rows: Positions) -> str:
    return f" ({counted(len(rows) - 1, 'more such row')})" if len(rows) > 1 else ""


def _times(table: Table, column: str) -> NDArray[np.generic]:
    """(rows,) whole numbers, instants, or other numbers; none missing."""
    cells = table.frame[column]
    if column not in table.numeric:
        return parse_instants(table, column).times
    cells = cells.str.strip_chars() if cells.dtype == pl.String else cells
    table.refuse(column, is_missing(cells), "wanted a time, got {}", "write the time of every row")
    if not cells.dtype.is_float():
        integers = cells.cast(pl.Int64, strict=False)  # beyond 2⁵³ floats would make one of two times
        if not integers.has_nulls():
            return integers.to_numpy()
    values = table.numbers(column)
    table.refuse(column, pl.Series(np.isnan(values)), "wanted a time, got {}", "write the time of every row")
    return values
