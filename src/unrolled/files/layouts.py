"""How series stand in a table.

    long      a row for each step, and a column that tells several series apart (id)
    columns   a row for each time, and a column for each series; covariates are those of all
    rows      a row for each series: its name, and a column for each step, called by its time or anything

In the last two a series begins with its first value and ends with its last: what is empty before and after is
none of it. All have one target, which is called `value` where no name is given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.errors import ConfigError, DataError
from unrolled.files.category_columns import Texts, read_columns
from unrolled.files.columns import IDS, usual
from unrolled.files.date_columns import Dated, in_iso
from unrolled.files.grouping import row_groups
from unrolled.files.groups import Groups
from unrolled.files.left_out import WrongRowsError, joined_reasons, usable_rows
from unrolled.files.messages import counted, listed, option, shown
from unrolled.files.opening import plain_name
from unrolled.files.order import Origin, oldest_first
from unrolled.files.query import Query
from unrolled.files.roles import ROWS, find_roles
from unrolled.files.steps import Positions
from unrolled.files.table import Matrix, Table
from unrolled.files.times import form, parse_instants

VALUE, TIME = "value", "time"  # the names of what has none in a wide table

MOST_NOTES = 5  # on how numbers of columns are read

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Laid:
    """Series, the format in which their dates are written (dates.py), the decimal mark of their numbers, both
    None where they need not be known, notes on what was found, and by place why rows, or cells in them, were
    left out."""

    origin: Origin
    date_format: str | None
    decimal: str | None
    notes: tuple[str, ...]
    left_out: Mapping[str, str]


def laid_out(table: Table, query: Query) -> Laid:
    """The series of a table, see Query.wide, each in the order of time where most rows stand newest first.

    Raises ConfigError for options that a layout does not have; DataError where columns are missing or hold
    other than numbers or times, or a series has no name, or that of another.
    """
    query.check_roles()
    table.check_header()
    if table.sequences is not None and query.wide is None:
        query = replace(query, id=table.sequences)
    table = replace(table, lenient=bool(query.skip_wrong))
    laid, why = usable_rows(table, query.skip_wrong, lambda rows: _LAYOUTS[query.wide](rows, query))
    laid = replace(laid, left_out=joined_reasons([why, laid.left_out]))
    origin, notes = oldest_first(laid.origin)
    if query.wide is not None:
        origin = _trimmed(origin)
    return replace(laid, origin=origin, notes=(*table.notes, *laid.notes, *notes))


def _long(table: Table, query: Query) -> Laid:
    table, roles, notes = find_roles(table, query)
    table = _with_all_steps(table, roles)
    dated = in_iso(table, roles.time, query.date_format)
    columns = (*roles.numbers, *roles.static)
    numbers, texts = read_columns(table, columns, roles)
    each, fixed = np.split(numbers.values, [len(roles.numbers)], axis=1)
    stem, together = plain_name(Path(table.name)).stem, dict[str, str]()
    rows = {stem: np.arange(table.frame.height)}
    if roles.id is not None or table.groups is not None:
        alone = pl.repeat(stem, table.frame.height, dtype=pl.String, eager=True)
        groups = Groups.by(table, alone if roles.id is None else _step_names(table, roles, roles.id))
        rows = dict(zip(groups.names, groups.split(np.arange(table.frame.height)), strict=True))
        together = dict(zip(groups.names, groups.groups or (), strict=False))
    static = {name: _static(table, roles, name, at, fixed[at]) for name, at in rows.items()}
    values = {name: each[at] for name, at in rows.items()}
    laid = _laid(dated, roles, rows, values, static, texts, numbers, notes)
    return replace(laid, origin=replace(laid.origin, groups=together))


def _columns(table: Table, query: Query) -> Laid:
    if query.id is not None:
        wide = option("wide", "columns")
        raise ConfigError(
            f"{option('id', query.id)}: with {wide} the names of series are those of columns; leave one out"
        )
    table, roles, notes = find_roles(table, query)
    if query.static:
        wide = option("wide", "columns")
        raise ConfigError(
            f"{option('static')}: with {wide} covariates are those of all series, and "
            f"{listed(query.static)} would tell none apart; leave it out"
        )
    if query.grouped:
        raise ConfigError(
            f"{option('group')}: with {option('wide', 'columns')} no column tells of which group a series "
            "is; write the series one below the other"
        )
    table = _with_all_steps(table, roles)
    dated = in_iso(table, roles.time, query.date_format)
    numbers, texts = read_columns(table, roles.numbers, roles)
    targets, covariates = np.split(numbers.values, [len(roles.targets)], axis=1)
    rows = dict.fromkeys(roles.targets, np.arange(table.frame.height))
    values = {name: np.column_stack([targets[:, k], covariates]) for k, name in enumerate(roles.targets)}
    static = dict.fromkeys(rows, np.empty(0))
    return _laid(dated, replace(roles, targets=(VALUE,)), rows, values, static, texts, numbers, notes)


def _rows(table: Table, query: Query) -> Laid:
    _check_options(query)
    id = query.id or _find_id(table)
    names, frame = _names(table, id), table.frame
    table.refuse(
        id, ~names.is_first_distinct(), "the series {} stands in a row before", "write each in one row"
    )
    others = [column for column in frame.columns if column not in (id, *query.static)]
    steps = [column for column in others if column in table.step_columns]
    if not steps:
        raise DataError(f"{table.name}: no column of numbers beside {shown(id)}; wanted one for each step")
    numbers, header = table.block(steps), pl.Series(TIME, steps)
    fixed, texts = read_columns(table, query.static, query)
    numbers = replace(numbers, left_out=joined_reasons([numbers.left_out, fixed.left_out]))
    named = query.time is not None or query.date_format is not None
    timed = query.time != ROWS and (named or form(header) != "other")
    span = f"of the columns {shown(steps[0])} to {shown(steps[-1])}"
    notes = [f"series: a row each, named by column {shown(id)}"]
    notes += [f"time: {'the names' if timed else 'the order'} {span}"]
    if unread := [column for column in others if column not in table.step_columns]:
        notes.append(f"not read: {listed(unread)}, which hold no numbers")
    roles = replace(query, id=id, time=TIME if timed else None, targets=query.targets or (VALUE,))
    times = Header(table.name, header.to_frame(), None, steps=tuple(steps))
    dated = in_iso(times, roles.time, query.date_format)
    rows = dict.fromkeys(names, np.arange(len(steps)))
    values = {name: column[:, None] for name, column in zip(names, numbers.values, strict=True)}
    static = {
        name: _static(table, roles, name, np.array([row]), fixed.values[row : row + 1])
        for row, name in enumerate(names)
    }
    laid = _laid(dated, roles, rows, values, static, texts, numbers, notes)
    together = dict(zip(names, row_groups(table) or (), strict=False))
    return replace(laid, origin=replace(laid.origin, groups=together))


def _with_all_steps(table: Table, roles: Query) -> Table:
    """Where rows are counted as steps, with a row of missing values in place of each that was left out, since
    its neighbours do not follow one another. DataError where nobody can tell of which series it was."""
    if roles.time is not None or not table.left_out:
        return table
    if roles.id is not None or table.lines is None:
        place, why = next(iter(table.left_out.items()))
        raise DataError(
            f"{place}: {why}; without times nobody can tell which step of which series is left out: correct "
            "the row"
        )
    odd = np.array([int(place.rpartition(" ")[2]) for place in table.left_out])
    blank = table.frame.clear(len(odd))
    lines = np.concatenate([table.lines, odd])
    order = np.argsort(lines, kind="stable")
    groups = table.groups
    if groups is not None:
        groups = pl.concat([groups, groups.clear(len(odd))])[order].forward_fill().backward_fill()
    frame = pl.concat([table.frame, blank])[order]
    return replace(table, frame=frame, lines=lines[order], groups=groups)


def _static(table: Table, roles: Query, name: str, rows: Positions, values: Values) -> Values:
    """(Z,) the static values of a series, whose `rows` have values (rows, Z). DataError where one changes, or
    there is none."""
    static = []
    for column, cells in zip(roles.static, values.T, strict=True):
        known = np.flatnonzero(~np.isnan(cells))
        if not len(known):
            raise DataError(
                f"{table.place(rows[0], column)}: wanted a value of series {shown(name)}, got none in all "
                f"its rows; write it, or leave {shown(column)} out of {option('static')}"
            )
        other = known[cells[known] != cells[known[0]]]
        if len(other):
            now, before = (shown(table.frame[column][int(rows[at])]) for at in (other[0], known[0]))
            raise DataError(
                f"{table.place(rows[other[0]], column)}: {now}, but {table.row(rows[known[0]])} of series "
                f"{shown(name)} has {before}; wanted one value a series, correct it, or name a column that "
                f"changes with {option('future')} or {option('past')}"
            )
        static.append(cells[known[0]])
    return np.array(static, np.float64)


def _laid(
    dated: Dated,
    roles: Query,
    rows: dict[str, Positions],
    values: dict[str, Values],
    static: dict[str, Values],
    texts: Texts,
    numbers: Matrix,
    notes: Sequence[str],
) -> Laid:
    table, few = dated.table, numbers.notes[:MOST_NOTES]
    others = len(numbers.notes) - len(few)
    more = [f"{counted(others, 'more column')} of numbers written so"] if others else []
    instants = None if roles.time is None else parse_instants(table, roles.time)
    origin = Origin(table, roles, instants, rows, values, static, texts)
    every = (*notes, *dated.notes, *few, *more)
    return Laid(origin, dated.date_format, numbers.decimal or roles.decimal, every, numbers.left_out)


_LAYOUTS: dict[str | None, Callable[[Table, Query], Laid]] = {None: _long, "columns": _columns, "rows": _rows}


@dataclass(frozen=True)
class Header(Table):
    """The names of columns as a column of times: its rows stand side by side. `steps`: the names as they are
    written."""

    steps: tuple[str, ...] = ()

    def row(self, row: int) -> str:
        return f"column {shown(self.steps[row])}"

    def refuse(self, column: str, wrong: pl.Series, complaint: str, remedy: str) -> None:
        try:
            super().refuse(column, wrong, complaint, remedy)
        except WrongRowsError as error:  # whose rows are no rows of the table
            raise DataError(str(error)) from None

    def cell(self, row: int, column: str) -> str:
        return self.row(row)


def _trimmed(origin: Origin) -> Origin:
    """Each series from its first value to its last, or to the end where covariates are known beyond it; all
    of one that has none."""
    rows, values = {}, {}
    for name, each in origin.values.items():
        known = np.flatnonzero(~np.isnan(each[:, 0]))
        first, last = (known[0], known[-1]) if len(known) else (0, len(each) - 1)
        between = slice(first, len(each) if origin.roles.future else last + 1)
        rows[name], values[name] = origin.rows[name][between], each[between]
    return replace(origin, rows=rows, values=values)


def _check_options(query: Query) -> None:
    rows = option("wide", "rows")
    if query.past or query.future:
        raise ConfigError(
            f"{rows}: a table with a row for each series has no covariates but static ones; leave them out"
        )
    if len(query.targets) > 1:
        raise ConfigError(
            f"{rows}: all columns are steps of one target, got {listed(query.targets)}; name one"
        )
    if query.time not in (None, TIME, ROWS):
        raise ConfigError(
            f"{option('time', query.time)}: with {rows} the columns are the times; leave it out, or count "
            f"them with {option('time', ROWS)}"
        )


def _find_id(table: Table) -> str:
    """The column with a usual name, or the first that holds no numbers."""
    columns = table.frame.columns
    texts = [column for column in columns if column not in table.step_columns]
    id = usual(columns, IDS) or next(iter(texts), None)
    if id is None:
        raise DataError(
            f"{table.name}: no column holds names of series, all are numbers; name it with {option('id')}"
        )
    return id


def _step_names(table: Table, roles: Query, id: str) -> pl.Series:
    """(rows,) the names of the series. DataError for a row without one, a WrongRowsError where it can be left
    out, since its time tells that a step is missing."""
    try:
        return _names(table, id)
    except WrongRowsError as error:
        if roles.time is None:
            raise DataError(str(error)) from None
        raise


def _names(table: Table, id: str) -> pl.Series:
    """(rows,) the names of the series."""
    table.require(id)
    cells = table.frame[id]
    if cells.dtype.is_temporal() or cells.dtype.is_nested() or cells.dtype == pl.Binary:
        raise table.unlike(id, "series' names")
    names = cells.cast(pl.String)
    unnamed = names.is_null() | (names == "")
    table.refuse(id, unnamed, "wanted the name of a series, got {}", "name the series of every row")
    return names
