"""Tables in which each row is a text and its answer."""

from dataclasses import replace

from unrolled.errors import DataError
from unrolled.files.columns import TEXTS, usual
from unrolled.files.examples import Sequences
from unrolled.files.grouping import row_groups
from unrolled.files.left_out import usable_rows
from unrolled.files.limits import require_few
from unrolled.files.messages import counted, listed, option, shown
from unrolled.files.query import Query, rows_answered
from unrolled.files.table import Table


def read_texts(table: Table, query: Query) -> Sequences:
    """The texts as they stand, named by the id column or the number of their row. DataError with place for
    what is wrong."""
    query.only("a table of texts", "id", "target", "text", "group")
    table.check_header()
    data, why = usable_rows(table, query.skip_wrong, lambda rows: _read(rows, query))
    return replace(data, left_out=why)


def _read(table: Table, query: Query) -> Sequences:
    column = query.text or usual(table.frame.columns, TEXTS, nested=True)
    if query.lines and query.no_header and table.frame.width == 1:
        column, query = table.frame.columns[0], replace(query, target=None)  # texts without answers
    if column is None:
        raise DataError(
            f"{table.name}: wanted a column of texts; name one of {listed(table.frame.columns)} with "
            f"{option('text')}{table.or_no_header}"
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
    return Sequences(tuple(cells), (), answers, names, table.places, tuple(notes), groups=row_groups(table))
