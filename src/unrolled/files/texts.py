"""Tables in which each row is a text and its answer."""

from unrolled.errors import DataError
from unrolled.files.examples import Sequences
from unrolled.files.limits import require_few
from unrolled.files.messages import counted, listed, option, shown
from unrolled.files.query import Query, answers_of_rows, find_target, usual, written
from unrolled.files.roles import check_distinct, check_header
from unrolled.files.table import Table

TEXTS = ("text", "sentence", "review", "message", "tweet", "comment", "document", "content")


def read_texts(table: Table, query: Query) -> Sequences:
    """The texts as they stand, named by the id column or the number of their row. DataError with place for
    what is wrong."""
    query.only("a table of texts", "id", "target", "text")
    check_header(table)
    column = query.text or usual(table.frame.columns, TEXTS)
    if column is None:
        raise DataError(
            f"{table.name}: wanted a column of texts; name one of {listed(table.frame.columns)} with "
            f"{option('text')}"
        )
    table.require(column)
    check_distinct([(query.id, "id"), (query.target, "target"), (column, "text")])
    target, notes = find_target(table, query, [column, query.id])
    answers = None if target is None else answers_of_rows(table, target, query)
    cells = table.texts(column, "texts")
    require_few(table.name, counted(len(cells), "text"), 0, sequences=len(cells))
    empty = cells.is_null() | (cells.str.strip_chars() == "")
    table.refuse(column, empty, "wanted a text, got {}", "write it, or delete the row")
    ids = [str(row + 1) for row in range(len(cells))]
    names = ids if query.id is None else written(table, query.id, "the name of a text")
    if query.text is None:
        notes = [f"text: column {shown(column)}", *notes]
    return Sequences(tuple(cells), (), answers, tuple(names), table.places, tuple(notes))
