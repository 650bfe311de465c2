"""Columns of dates as people write them -> columns in ISO 8601, which times.py reads.

Whether a day or a month stands first is told by the column as a whole: by dates that exist in one order
alone, else by the order in which all times are one step apart. Where neither tells, the format must be named.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import polars as pl

from unrolled.errors import DataError
from unrolled.files import dates
from unrolled.files.instants import ISO
from unrolled.files.messages import either, option, shown
from unrolled.files.number_columns import is_missing
from unrolled.files.steps import find_step
from unrolled.files.table import Table
from unrolled.files.times import parse_instants


@dataclass(frozen=True)
class Dated:
    """A table whose column of times is in ISO 8601, the format in which it was read, None where that was not
    asked, and notes."""

    table: Table
    date_format: str | None
    notes: tuple[str, ...]


def in_iso(table: Table, column: str | None, date_format: str | None = None) -> Dated:
    """The column of times, if there is one; cells that are no dates stay as they are.

    ConfigError for a format that is none; DataError where the order of day and month cannot be told, and for
    a cell that is not as the format says.
    """
    if date_format is not None:
        dates.require_format(date_format)
    if column is None:
        return Dated(table, date_format, ())
    by_format = date_format is not None and date_format not in dates.ORDERS
    if by_format and table.frame[column].dtype.is_integer():  # 202001
        table = replace(table, frame=table.frame.with_columns(pl.col(column).cast(pl.String)))
    if table.frame[column].dtype != pl.String:
        return Dated(table, date_format, ())
    cells = table.frame[column].str.strip_chars()
    if by_format:
        texts = _mapped(cells, lambda text: dates.iso(text, date_format))
        return _replaced(table, column, texts, date_format, f"a time as {shown(date_format)} says")
    if (cells.str.contains(ISO) | cells.cast(pl.Float64, strict=False).is_not_null()).all():
        return Dated(table, date_format, ())
    parts = cells.str.extract_groups(dates.PARTS).struct.unnest()
    days = _Days.of(table, column, parts)
    order, notes = days.order() if days.open and date_format is None else (date_format, ())
    wanted = None if order is None else f"a date that exists, {_spoken(order)}"
    return _replaced(table, column, _texts(parts, order), order, wanted, notes)


def _replaced(
    table: Table,
    column: str,
    texts: pl.Series,
    date_format: str | None,
    wanted: str | None,
    notes: tuple[str, ...] = (),
) -> Dated:
    """The table with the texts in place of their cells, and a note on the first that differs, where there is
    none. DataError for a cell without a text that is not in ISO 8601 either, where it says what is `wanted`.
    """
    cells = table.frame[column].str.strip_chars()
    if wanted is not None:
        wrong = texts.is_null() & ~is_missing(cells) & ~cells.str.contains(ISO)
        table.refuse(
            column,
            wrong,
            f"wanted {wanted}, got {{}}",
            f"correct it, or name another {option('date_format')}",
        )
    different = (texts != cells.str.replace("T", " ")).fill_null(False)
    if different.any() and not notes:
        row = int(different.arg_max() or 0)
        notes = (f"times: {shown(cells[row])} in {table.row(row)} is read as {texts[row]}",)
    frame = table.frame.with_columns(pl.coalesce(texts, table.frame[column]).alias(column))
    return Dated(replace(table, frame=frame), date_format, notes)


@dataclass(frozen=True)
class _Days:
    """The parts of a column's cells (dates.py), (rows,); the days whose order is open, each once; and in each
    order what these are then."""

    table: Table
    column: str
    parts: pl.DataFrame
    open: list[str]
    readings: dict[str, list[str | None]]

    @classmethod
    def of(cls, table: Table, column: str, parts: pl.DataFrame) -> Self:
        several = parts["date"].drop_nulls().unique(maintain_order=True)
        open = [day for day in several if dates.is_open(dates.form_of(day))]
        readings = {order: [dates.iso_date(day, order) for day in open] for order in dates.ORDERS}
        return cls(table, column, parts, open, readings)

    def order(self) -> tuple[str | None, tuple[str, ...]]:
        """The order that the column as a whole tells, and a note why. DataError where it tells none."""
        exist = {order: sum(text is not None for text in texts) for order, texts in self.readings.items()}
        most = max(exist.values())
        left = [order for order, count in exist.items() if count == most]
        if len(left) > 1 and not any("-" in day for day in self.open):  # nobody writes 24.12.31 for 2024
            left = [order for order in left if order != "year-first"]
        if not most:
            return None, ()
        if len(left) == 1:
            others = [order for order in exist if order not in left and exist[order]]
            return left[0], self._note(left[0], others, "")
        if len({tuple(self.readings[order]) for order in left}) == 1:
            return left[0], ()
        if most < len(self.open):
            raise self._contradiction(*left[:2])
        steps = {order: _only_step(self.table, self.column, _texts(self.parts, order)) for order in left}
        regular = [order for order, step in steps.items() if step is not None]
        if len(regular) != 1:
            raise self._undecided(left)
        why = f", so that all times are {steps[regular[0]]} apart"
        return regular[0], self._note(regular[0], left, why)

    def _note(self, order: str, others: Sequence[str], why: str) -> tuple[str]:
        """With the first date that exists in no other order, else the first that would be another day."""
        alone = [day for day in self.open if self._of(day, [order])[0] and not any(self._of(day, others))]
        day = alone[0] if alone else next(day for day in self.open if len(set(self._of(day, others))) > 1)
        (reading,) = self._of(day, [order])
        return (f"dates are read {_spoken(order)}{why}: {self._place(day)} is {reading}",)

    def _undecided(self, orders: Sequence[str]) -> DataError:
        day = next(day for day in self.open if len(set(self._of(day, orders))) > 1)
        readings = zip(self._of(day, orders), orders, strict=True)
        could = either([f"{reading} ({order})" for reading, order in readings])
        return DataError(
            f"{self.table.place(self._row(day), self.column)}: {self._cell(day)} could be {could}, and no "
            f"row tells; name one with {option('date_format', orders[0])}"
        )

    def _contradiction(self, *orders: str) -> DataError:
        alone = []
        for order in orders:
            others = [other for other in orders if other != order]
            day = next(d for d in self.open if self._of(d, [order])[0] and not any(self._of(d, others)))
            alone.append(f"{self._place(day)} is a date {_spoken(order)} alone")
        return DataError(
            f"{self.table.name}, column {shown(self.column)}: {', '.join(alone)}; write all dates in "
            "one order"
        )

    def _of(self, day: str, orders: Sequence[str]) -> list[str | None]:
        """A day in each of the orders."""
        return [dates.iso_date(day, order) for order in orders]

    def _row(self, day: str) -> int:
        return int((self.parts["date"] == day).fill_null(False).arg_max() or 0)

    def _cell(self, day: str) -> str:
        return shown(self.table.frame[self.column][self._row(day)])

    def _place(self, day: str) -> str:
        return f"{self._cell(day)} in {self.table.row(self._row(day))}"


def _spoken(order: str) -> str:
    """ "day first"."""
    return order.replace("-", " ")


def _only_step(table: Table, column: str, texts: pl.Series) -> str | None:
    """The name of the step from every time to the next, where there is one."""
    times = parse_instants(replace(table, frame=texts.alias(column).to_frame()), column).times
    times = np.unique(times)
    step = find_step([times]) if len(times) > 2 else None
    return step.name if step is not None and (np.diff(step.positions(times)) == step.count).all() else None


def _texts(parts: pl.DataFrame, order: str | None) -> pl.Series:
    """(rows,) in ISO 8601, null for what is no time: few dates and clocks come in many rows."""
    day = _mapped(parts["date"], lambda text: dates.iso_date(text, order))
    clock = _mapped(parts["clock"], dates.iso_clock)
    clock = pl.select(pl.when(parts["clock"].is_null()).then(pl.lit("")).otherwise(clock)).to_series()
    return day + clock + parts["offset"].fill_null("")


def _mapped(cells: pl.Series, function: Callable[[str], str | None]) -> pl.Series:
    """(rows,) the function of each cell, which is called once for all that are equal."""
    distinct = cells.drop_nulls().unique()
    texts = {cell: function(cell) for cell in distinct}
    return cells.replace_strict(texts, default=None, return_dtype=pl.String)
