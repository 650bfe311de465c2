"""Tables in which each row is a text and its answer."""

import polars as pl

from unrolled.errors import DataError
from unrolled.files.limits import require_few
from unrolled.files.messages import counted, listed, option, shown
from unrolled.files.query import Query, answers_of_rows, find_target, usual, written
from unrolled.files.roles import check_distinct, check_header
from unrolled.files.sequences import Sequences
from unrolled.files.table import Table

TEXTS = ("text", "sentence", "review", "message", "tweet", "comment", "document", "content")


def read_texts(table: Table, asked: Query) -> Sequences:
    """The texts as they stand, named by the id column or the number of their row. DataError with place for
    what is wrong."""
    asked.only("a table of texts", "id", "target", "text")
    check_header(table)
    column = asked.text or usual(table.frame.columns, TEXTS)
    if column is None:
        raise DataError(
            f"{table.name}: wanted a column of texts; name one of {listed(table.frame.columns)} with "
            f"{option('text')}"
        )
    table.require(column)
    parts = ((asked.id, "id"), (asked.target, "target"), (column, "text"))
    check_distinct([(name, part) for name, part in parts if name is not None])
    target, notes = find_target(table, asked, [name for name in (column, asked.id) if name is not None])
    answers = None if target is None else answers_of_rows(table, target, asked)
    cells = table.frame[column]
    if cells.dtype != pl.String:
        raise DataError(
            f"{table.name}, column {shown(column)}: wanted texts, got {cells.dtype} values; name another"
        )
    require_few(table.name, counted(len(cells), "text"), 0, sequences=len(cells))
    empty = cells.is_null() | (cells.str.strip_chars() == "")
    table.refuse(column, empty, "wanted a text, got {}", "write it, or delete the row")
    ids = [str(row + 1) for row in range(len(cells))]
    names = ids if asked.id is None else written(table, asked.id, "the name of a text")
    places = tuple(f"{table.name}, {table.row(row)}" for row in range(len(cells)))
    if asked.text is None:
        notes = [f"text: column {shown(column)}", *notes]
    return Sequences(tuple(cells), (), answers, tuple(names), places, tuple(notes))
