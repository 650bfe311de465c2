"""Which columns of a table of series hold times and targets: what the caller leaves open is found, and a note
says so."""

from collections.abc import Sequence
from dataclasses import replace

from unrolled.errors import DataError
from unrolled.files.messages import listed, option, shown
from unrolled.files.query import IDS, Query
from unrolled.files.table import Table, is_numeric
from unrolled.files.times import form

ROWS = "rows"  # given as the time column: the rows are the steps, whatever columns there are

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


def find_roles(table: Table, query: Query) -> tuple[Query, list[str]]:
    """`query` with time and targets found in the table where they are open, and notes on what was found.
    Without a time the rows are the steps.

    Raises ConfigError where a column has two roles, DataError where one is missing or no target can be told.
    """
    query.check_roles()
    table.check_header()
    rows = query.time == ROWS and ROWS not in table.frame.columns
    roles = replace(query, time=None) if rows else query
    for column, _ in roles.named:
        table.require(column)
    notes = []
    if roles.time is None and not rows:
        roles = replace(roles, time=find_time(table, _open_columns(table, roles)))
        if roles.time is not None:
            notes.append(f"time: column {shown(roles.time)}")
    if roles.time is None:
        notes.append("time: none, the rows of a series are its steps 0, 1, 2 …")
        unread = (
            [] if rows else [name for name in _open_columns(table, roles) if name.casefold() in _TIME_NAMES]
        )
        notes += [_not_a_time(table, column) for column in unread]
    if not roles.targets:
        roles = replace(roles, targets=(_find_target(table, roles),))
        notes.append(f"target: column {shown(roles.targets[0])}")
    if roles.id is None:
        notes += [
            f"column {shown(column)} is not read, all rows are one series; if it tells several apart, name "
            f"it: {option('id', column)}"
            for column in _open_columns(table, roles)
            if column.casefold() in IDS and 1 < table.frame[column].n_unique() < table.frame.height
        ]
    return roles, notes


def _open_columns(table: Table, roles: Query) -> list[str]:
    taken = {column for column, _ in roles.named}
    return [column for column in table.frame.columns if column not in taken]


def find_time(table: Table, columns: Sequence[str]) -> str | None:
    """One of the columns with one of the usual names, else the first that looks like dates."""
    forms = {column: form(table.frame[column]) for column in columns}
    for usual, accepted in _TIME_NAMES.items():
        for column, kind in forms.items():
            if column.casefold() == usual and kind in accepted:
                return column
    return next((column for column, kind in forms.items() if kind == "instants"), None)


def _not_a_time(table: Table, column: str) -> str:
    cell = table.frame[column].drop_nulls().head(1).to_list()
    example = f", such as {shown(str(cell[0]))}" if cell else ""
    return (
        f"column {shown(column)} holds no times that can be read{example}; write them as 2024-12-31 or "
        "2024-12-31T18:00:00 to have a calendar, and gaps and duplicates checked"
    )


def _find_target(table: Table, roles: Query) -> str:
    """The only open column, else the only open column of numbers."""
    columns = _open_columns(table, roles)
    numeric = columns if len(columns) == 1 else [name for name in columns if is_numeric(table.frame[name])]
    if len(numeric) == 1:
        return numeric[0]
    if numeric:
        raise DataError(
            f"{table.name}: wanted a target; name one or more of {listed(numeric)} with {option('target')}"
        )
    raise DataError(
        f"{table.name}: no column of numbers is left to be the target; the columns are "
        f"{listed(table.frame.columns)}; name it with {option('target')} to see what is wrong with its cells"
    )
