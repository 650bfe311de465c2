"""Long tables: a row is a step, and an id says to which sequence it belongs.

    id, [time], features …, answer       rows of a sequence may stand anywhere; time puts them in order

Of N sequences with F features, sequence i has T_i rows; its answer is the same in all of them.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.delimited import Positions
from unrolled.files.limits import require_few
from unrolled.files.messages import counted, listed, option, shown
from unrolled.files.query import Query, find_target, looks_numeric, usual, written, written_answers
from unrolled.files.roles import IDS, check_distinct, check_header, find_time
from unrolled.files.sequences import Sequences
from unrolled.files.table import Table, is_missing
from unrolled.files.times import parse_times

_COUNTERS = ("time", "timestamp", "seconds", "step", "t")  # names of times in any unit


def read_long(table: Table, asked: Query) -> Sequences:
    """The sequences of a table, in the order of their first rows. DataError with place for what is wrong."""
    asked.only("a long table", "id", "time", "target")
    single = ((asked.id, "id"), (asked.time, "time"), (asked.target, "target"))
    check_distinct(
        [*((name, part) for name, part in single if name), *((name, "feature") for name in asked.features)]
    )
    check_header(table)
    columns, notes = _find_columns(table, asked)
    names = written(table, columns.id, "the name of a sequence")
    values = np.column_stack([table.numbers(column) for column in columns.features])
    order, starts = grouped(table, names)
    answers = None
    if columns.target is not None:
        answers = _answers(table, columns.target, asked, order, starts)
    if columns.time is not None:
        order = in_time(table, columns.time, order, starts)
    inputs = tuple(np.split(values[order], starts[1:]))
    first = np.minimum.reduceat(order, starts)
    places = tuple(f"{table.name}, {table.row(row)}" for row in first.tolist())
    return Sequences(inputs, columns.features, answers, tuple(names.gather(first)), places, notes)


@dataclass(frozen=True)
class _Columns:
    id: str
    time: str | None
    target: str | None
    features: tuple[str, ...]


def _find_columns(table: Table, asked: Query) -> tuple[_Columns, tuple[str, ...]]:
    """The columns that were named or are found in the table, and notes on what was found."""
    id = asked.id or usual(table.frame.columns, IDS)
    if id is None:
        raise DataError(
            f"{table.name}: wanted a column that tells which rows are one sequence, found none; "
            f"name one of {listed(table.frame.columns)} with {option('id')}, or with {option('text')} if "
            "each row is one"
        )
    notes = [] if asked.id else [f"id: column {shown(id)}"]
    time, of_time = find_time_column(table, asked, id)
    taken = [column for column in (id, time, *asked.features) if column is not None]
    target, of_target = find_target(table, asked, taken)
    taken += [target] if target is not None else []
    features, of_features = find_features(table, asked, taken)
    return _Columns(id, time, target, features), (*notes, *of_time, *of_target, *of_features)


def find_time_column(table: Table, asked: Query, id: str) -> tuple[str | None, list[str]]:
    if asked.time is not None:
        table.require(asked.time)
        return asked.time, []
    left = [column for column in table.frame.columns if column not in (id, asked.target, *asked.features)]
    counters = [column for column in left if looks_numeric(table.frame[column])]
    time = find_time(table, left) or usual(counters, _COUNTERS)
    return time, [f"time: column {shown(time)}" if time else "time: none, rows are in the order of the file"]


def find_features(table: Table, asked: Query, taken: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """Those named, else all columns of numbers that have no other part."""
    if asked.features:
        return asked.features, []
    left = [column for column in table.frame.columns if column not in taken]
    if asked.known and set(asked.known) <= set(left):
        return asked.known, []
    features = [column for column in left if looks_numeric(table.frame[column])]
    if not features:
        raise DataError(
            f"{table.name}: no column of numbers is left to be a feature; the columns are "
            f"{listed(table.frame.columns)}; name those with {option('features')}, or with {option('text')} "
            "the column of texts"
        )
    others = [column for column in left if column not in features]
    left_out = [f"left out, not of numbers: {listed(others)}"] if others else []
    return tuple(features), [f"features: {listed(features)}", *left_out]


def grouped(table: Table, names: pl.Series) -> tuple[Positions, Positions]:
    """Rows of the first sequence, then of the second …, each in the order of the table, and where each
    sequence starts among them."""
    count = names.n_unique()
    require_few(table.name, counted(count, "sequence"), len(names), sequences=count)
    rows = pl.DataFrame({"name": names, "row": np.arange(len(names))})
    groups = rows.group_by("name", maintain_order=True).agg("row")["row"]
    lengths = groups.list.len().cast(pl.Int64).to_numpy()
    return groups.explode().to_numpy(), np.concatenate([[0], np.cumsum(lengths)[:-1]])


def _numbers_of(starts: Positions, rows: int) -> Positions:
    """(rows,) which sequence each of the grouped rows belongs to."""
    return np.repeat(np.arange(len(starts)), np.diff(np.append(starts, rows)))


def in_time(table: Table, time: str, order: Positions, starts: Positions) -> Positions:
    """The rows of each sequence by time, each time once."""
    times, sequence = _times(table, time)[order], _numbers_of(starts, len(order))
    by_time = np.lexsort((times, sequence))
    order, times, sequence = order[by_time], times[by_time], sequence[by_time]
    again = np.flatnonzero((times[1:] == times[:-1]) & (sequence[1:] == sequence[:-1]))
    if len(again):
        first = again[np.argmin(order[again + 1])]
        cell = shown(str(table.frame[time][int(order[first + 1])]))
        more = f" ({counted(len(again) - 1, 'more such row')})" if len(again) > 1 else ""
        raise DataError(
            f"{table.place(order[first + 1], time)}: {cell} stands there again, as in "
            f"{table.row(order[first])} of the same sequence{more}; keep one row for each time"
        )
    return order


def _times(table: Table, column: str) -> NDArray[np.generic]:
    """(rows,) whole numbers, instants, or other numbers; none missing."""
    cells = table.frame[column]
    if not looks_numeric(cells):
        return parse_times(table, column)
    cells = cells.str.strip_chars() if cells.dtype == pl.String else cells
    table.refuse(column, is_missing(cells), "wanted a time, got {}", "write the time of every row")
    if not cells.dtype.is_float():
        whole = cells.cast(pl.Int64, strict=False)  # beyond 2⁵³ floats would make one of two times
        if not whole.has_nulls():
            return whole.to_numpy()
    values = table.numbers(column)
    table.refuse(column, pl.Series(np.isnan(values)), "wanted a time, got {}", "write the time of every row")
    return values


def _answers(
    table: Table, target: str, asked: Query, order: Positions, starts: Positions
) -> tuple[str, ...] | None:
    """(N,) the answer of each sequence; None where one is missing and none is required."""
    cells = written_answers(table, target, asked, "the sequence's answer")
    if cells is None:
        return None
    return tuple(one_each(table, target, cells, order, starts, "answer"))


def one_each(
    table: Table, column: str, cells: pl.Series, order: Positions, starts: Positions, noun: str
) -> pl.Series:
    """(N,) the cell of each sequence. DataError where its rows have different ones."""
    numbers = cells.rank("dense").to_numpy()[order]
    first = starts[_numbers_of(starts, len(order))]
    wrong = np.flatnonzero(numbers != numbers[first])
    if len(wrong):
        at = wrong[np.argmin(order[wrong])]
        more = f" ({counted(len(wrong) - 1, 'more such row')})" if len(wrong) > 1 else ""
        one, other = int(order[first[at]]), int(order[at])
        raise DataError(
            f"{table.place(other, column)}: {shown(cells[other])}, but {table.row(one)} of the same sequence "
            f"has {shown(cells[one])}{more}; "
            f"wanted one {noun} in all rows of a sequence, correct one"
        )
    return cells.gather(order[starts])
