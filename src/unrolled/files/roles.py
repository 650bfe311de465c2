"""Which columns of a table of series hold times and targets: what the caller leaves open is found, and a note
says so."""

import re
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from unrolled.errors import DataError
from unrolled.files.columns import IDS, usual
from unrolled.files.messages import listed, option, shown
from unrolled.files.query import Query
from unrolled.files.table import Table
from unrolled.files.time_parts import Layout, find_layout, layout_of
from unrolled.files.times import form

ROWS = "rows"  # given as the time column: the rows are the steps, whatever columns there are

LEAST_STEPS = 8  # columns, that a row may look like a series

# Names of time columns in order of preference, and the forms in which such a column is taken for one.
_TIME_NAMES = {
    "date": ("instants", "whole", "other"),
    "datetime": ("instants", "whole", "other"),
    "timestamp": ("instants", "whole", "other"),
    "ds": ("instants", "whole", "other"),
    "time": ("instants", "whole"),
    "year": ("instants", "whole"),
    "month": ("instants",),
}


def find_roles(table: Table, query: Query) -> tuple[Table, Query, list[str]]:
    """`query` with time and targets found in the table where they are open, and notes on what was found.
    Without a time the rows are the steps; a time whose parts stand in several columns becomes one more
    column, which the table that comes back has.

    Raises DataError where a column is missing or no target can be told.
    """
    rows = query.time == ROWS and ROWS not in table.frame.columns
    roles = replace(query, time=None) if rows else query
    table, layout = _with_parts(table, roles.time)
    for column, _ in roles.named:
        table.require(column)
    notes = []
    if roles.time is None and not rows:
        candidates = _open_columns(table, roles)
        time = find_time(table, [name for name in candidates if name in (table.lists or candidates)])
        layout = _find_parts(table, roles, time)
        if layout is not None:
            table, time = _joined(table, layout), layout.name
            notes.append(f"time: columns {listed(layout.columns)}")
        elif time is not None:
            notes.append(f"time: column {shown(time)}")
        roles = replace(roles, time=time)
    if roles.time is None:
        notes.append("time: none, the rows of a series are its steps 0, 1, 2 …")
        unread = (
            [] if rows else [name for name in _open_columns(table, roles) if name.casefold() in _TIME_NAMES]
        )
        notes += [_not_a_time(table, column) for column in unread]
    parts = () if layout is None else layout.columns
    if roles.wide == "columns":
        columns = roles.targets or _open_numbers(table, roles, parts)
        roles = replace(roles, targets=tuple(columns))
        notes.append(f"series: a column each, {listed(columns)}")
    if not roles.targets:
        roles = replace(roles, targets=(_find_target(table, roles, parts),))
        notes.append(f"target: column {shown(roles.targets[0])}")
    if roles.id is None and roles.wide is None:
        notes += [
            f"column {shown(column)} is not read, all rows are one series; if it tells several apart, name "
            f"it: {option('id', column)}"
            for column in _open_columns(table, roles)
            if column.casefold() in IDS and 1 < table.frame[column].n_unique() < table.frame.height
        ]
    return table, roles, notes


def _with_parts(table: Table, time: str | None) -> tuple[Table, Layout | None]:
    """Where `time` names several columns, as "year,month", the table with one of that name. DataError for
    columns that it does not have, or that make no time."""
    if time is None or "," not in time or time in table.frame.columns:
        return table, None
    names = [name.strip() for name in time.split(",")]
    for name in names:
        table.require(name)
    layout = layout_of(names)
    if layout is None:
        raise DataError(
            f"{table.name}: {option('time', time)}: wanted year,month,day with hour and minute if need be, "
            "year,quarter, or a date and a clock; name those, or one column"
        )
    return _joined(table, layout, time), layout


def _find_parts(table: Table, roles: Query, time: str | None) -> Layout | None:
    """A year and a month, or more, where no other column is a time; a date with an hour or a clock where one
    day has several rows of a series."""
    columns = _open_columns(table, roles)
    layout = find_layout(columns)
    if layout is None or time not in (None, *layout.columns):
        hours = usual([column for column in columns if column != time], ("hour", "hr", "time"))
        series = [column for column in (time, roles.id) if column is not None]
        if time is None or hours is None or table.frame.n_unique(series) == table.frame.height:
            return None
        layout = layout_of([time, hours])
    return layout if layout is not None and _are_times(table, layout) else None


def _are_times(table: Table, layout: Layout) -> bool:
    """Whether most of the first rows are some."""
    head = replace(table, frame=table.frame.head(100))
    return form(_joined(head, layout).frame[layout.name]) == "instants"


def _joined(table: Table, layout: Layout, name: str | None = None) -> Table:
    cells = [
        pl.col(column).cast(pl.String).str.strip_chars().str.replace(r"^([0-9]+)\.0+$", "$1").str.zfill(2)
        for column in layout.columns
    ]
    text = pl.format(layout.pattern, *cells).alias(name or layout.name)
    return replace(table, frame=table.frame.with_columns(text))


def _open_columns(table: Table, roles: Query) -> list[str]:
    taken = {column for column, _ in roles.named}
    return [column for column in table.frame.columns if column not in taken]


def find_time(table: Table, columns: Sequence[str]) -> str | None:
    """One of the columns with one of the usual names, else the first that looks like dates."""
    forms = {column: form(table.frame[column]) for column in columns}
    for name, accepted in _TIME_NAMES.items():
        for column, kind in forms.items():
            if column.casefold() == name and kind in accepted:
                return column
    return next((column for column, kind in forms.items() if kind == "instants"), None)


def _not_a_time(table: Table, column: str) -> str:
    cell = table.frame[column].drop_nulls().head(1).to_list()
    example = f", such as {shown(str(cell[0]))}" if cell else ""
    return (
        f"column {shown(column)} holds no times that can be read{example}; write them as 2024-12-31 or "
        "2024-12-31T18:00:00 to have a calendar, and gaps and duplicates checked"
    )


def _open_numbers(table: Table, roles: Query, parts: Sequence[str]) -> list[str]:
    """The only open column that is no part of a time, else those of numbers."""
    columns = [column for column in _open_columns(table, roles) if column not in parts]
    return columns if len(columns) == 1 else [name for name in columns if name in table.only_numbers]


def _or_wide(numeric: Sequence[str], roles: Query) -> str:
    """What else several columns of numbers may be: many that differ by a number in their names are steps."""
    numbered = len({re.sub(r"\d+", "", name) for name in numeric}) == 1
    if roles.time is None and len(numeric) >= LEAST_STEPS and numbered:
        return f", or read every row as a series with these steps ({option('wide', 'rows')})"
    return "" if roles.id is not None else f", or read each as a series ({option('wide', 'columns')})"


def _find_target(table: Table, roles: Query, parts: Sequence[str]) -> str:
    """The only open column that is no part of a time, else the only one of numbers."""
    numeric = _open_numbers(table, roles, parts)
    if len(numeric) == 1:
        return numeric[0]
    if numeric:
        raise DataError(
            f"{table.name}: wanted a target; name one or more of {listed(numeric)} with {option('target')}"
            f"{_or_wide(numeric, roles)}"
        )
    raise DataError(
        f"{table.name}: no column of numbers is left to be the target; the columns are "
        f"{listed(table.frame.columns)}; name it with {option('target')} to see what is wrong with its cells"
    )
