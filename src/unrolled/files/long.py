"""Long tables: a row is a step, and an id says to which sequence it belongs.

    id, [time], features …, answer       rows of a sequence may stand anywhere; time puts them in order

Of N sequences with F features, sequence i has T_i rows; its answer is the same in all of them.
"""

from collections.abc import Sequence
from dataclasses import replace

from unrolled.errors import DataError
from unrolled.files.columns import IDS, usual
from unrolled.files.date_columns import in_iso
from unrolled.files.examples import Sequences
from unrolled.files.grouping import group_columns, names_note
from unrolled.files.groups import Groups
from unrolled.files.left_out import usable_rows
from unrolled.files.messages import listed, option, shown
from unrolled.files.query import Query, find_target, written_answers
from unrolled.files.roles import find_time
from unrolled.files.table import Table

_COUNTERS = ("time", "timestamp", "seconds", "step", "t")  # names of times in any unit


def read_long(table: Table, query: Query) -> Sequences:
    """The sequences of a table, in the order of their first rows. DataError with place for what is wrong."""
    query.only("a long table", "id", "time", "target", "group")
    table.check_header()
    query.check_roles()
    by_text, by_steps = option("text"), option("wide", "rows")
    remedy = f", or with {by_text} if each row is one, with {by_steps} if its columns are steps"
    remedy = "" if query.transcripts else remedy
    id = find_id(table, query.id, IDS, remedy)
    data, why = usable_rows(table, query.skip_wrong, lambda rows: _read(rows, id, query), id)
    return replace(data, left_out=why)


def _read(table: Table, id: str, query: Query) -> Sequences:
    notes = [] if query.id else [f"id: column {shown(id)}"]
    time, of_time = find_time_column(table, query.time, [id, query.target, *query.features])
    target, of_target = find_target(table, query, [id, time, *query.features])
    features, of_features = find_features(table, query, [id, time, target])
    dated = in_iso(table, time, query.date_format)
    groups = Groups.of(dated.table, id)
    numbers = table.matrix(features)
    answers = None if target is None else _answers(groups, target, query)
    inputs = groups.by_time(time).split(numbers.values)
    of_groups = query.notes_on_groups(table, [id, time, target], id)
    notes += [*of_time, *dated.notes, *of_target, *of_features, *of_groups, *numbers.notes]
    return Sequences(
        inputs, features, answers, groups.names, groups.places, tuple(notes), groups=groups.groups
    )


def _answers(groups: Groups, target: str, query: Query) -> tuple[str, ...] | None:
    """(N,) the answer of each sequence; None where one is missing and none is required."""
    cells = written_answers(groups.table, target, query, "the sequence's answer")
    return None if cells is None else tuple(groups.one_each(target, cells, "answer"))


def find_id(table: Table, id: str | None, names: Sequence[str], remedy: str = "") -> str:
    """The one that was named, else one of a usual name."""
    column = id or table.sequences or usual(table.frame.columns, names)
    if column is None:
        raise DataError(
            f"{table.name}: wanted a column that tells which rows are one sequence, found none; "
            f"name one of {listed(table.frame.columns)} with {option('id')}{remedy}{table.or_no_header}"
        )
    return column


def find_time_column(
    table: Table, time: str | None, taken: Sequence[str | None]
) -> tuple[str | None, list[str]]:
    """The one that was named, else one that is not `taken` and looks like times or has a usual name."""
    if time is not None:
        table.require(time)
        return time, []
    left = [column for column in table.lists or table.frame.columns if column not in taken]
    counters = [column for column in left if column in table.numeric]
    time = find_time(table, left) or usual(counters, _COUNTERS)
    return time, [f"time: column {shown(time)}" if time else "time: none, rows are in the order of the file"]


def find_features(
    table: Table, query: Query, taken: Sequence[str | None]
) -> tuple[tuple[str, ...], list[str]]:
    """Those named, else all columns of numbers that have no other part, and whose numbers are no names; the
    first that is `taken` is that of the ids."""
    if query.features:
        return query.features, []
    left = [column for column in table.frame.columns if column not in taken]
    if query.known and set(query.known) <= set(left):
        return query.known, []
    named = group_columns(table, left, taken[0])
    features = [column for column in left if column in table.numeric and column not in named]
    if not features:
        raise DataError(
            f"{table.name}: no column of numbers is left to be a feature; the columns are "
            f"{listed(table.frame.columns)}; name those with {option('features')}, or with {option('text')} "
            "the column of texts"
        )
    others = [column for column in left if column not in table.numeric]
    left_out = [f"left out, not of numbers: {listed(others)}"] if others else []
    names = names_note([column for column in named if column in table.numeric])
    return tuple(features), [f"features: {listed(features)}", *left_out, *names]
