"""Tables in which each row is a text and its answer."""

from dataclasses import replace

from unrolled.errors import DataError
from unrolled.files.examples import Sequences
from unrolled.files.limits import require_few
from unrolled.files.messages import counted, listed, option, shown
from unrolled.files.query import Query, rows_answered, usual
from unrolled.files.table import Table

TEXTS = ("text", "sentence", "review", "message", "tweet", "comment", "document", "content")


def read_texts(table: Table, query: Query) -> Sequences:
    """The texts as they stand, named by the id column or the number of their row. DataError with place for
    what is wrong."""
    query.only("a table of texts", "id", "target", "text")
    table.check_header()
    column = query.text or usual(table.frame.columns, TEXTS)
    if column is None:
        raise DataError(
            f"{table.name}: wanted a column of texts; name one of {listed(table.frame.columns)} with "
            f"{option('text')}"
        )
    table.require(column)
    replace(query, text=column).check_roles()
    ids, answers, notes = rows_answered(table, query, column, "text")
    cells = table.texts(column, "texts")
    require_few(table.name, counted(len(cells), "text"), 0, sequences=len(cells))
    empty = cells.is_null() | (cells.str.strip_chars() == "")
    table.refuse(column, empty, "wanted a text, got {}", "write it, or delete the row")
    names = ids or tuple(str(row) for row in range(1, len(cells) + 1))
    if query.text is None:
        notes = [f"text: column {shown(column)}", *notes]
    return Sequences(tuple(cells), (), answers, names, table.places, tuple(notes))
