"""Wide tables: a row is a series and its answer, a column a step.

    answer, step, step, …      or the answer in the last column; a column of ids, too, where there is one

A series begins with its first value and ends with its last: what is empty before and after is none of it.
Without a header, and where no column of answers is named, it is the only one that holds other than numbers,
or the one at an end that holds whole numbers of which some come again.

Source   the .tsv files of the UCR archive, Dau et al. 2019, arXiv:1810.07758: answer first, NaN behind
"""

import re
from dataclasses import replace

import numpy as np
import polars as pl

from unrolled.errors import DataError
from unrolled.files.columns import IDS, names_group, usual
from unrolled.files.examples import Sequences
from unrolled.files.grouping import row_groups
from unrolled.files.layouts import VALUE
from unrolled.files.left_out import usable_rows
from unrolled.files.limits import require_few
from unrolled.files.messages import either, listed, option, shown
from unrolled.files.query import Query, find_target, written, written_answers
from unrolled.files.roles import LEAST_STEPS
from unrolled.files.table import Table


def read_wide(table: Table, query: Query) -> Sequences:
    """The series of the rows, named by the id column or the numbers of their rows. DataError with place for
    what is wrong."""
    query.only("a wide table", "id", "target", "group")
    table.check_header()
    query.check_roles()
    id = query.id or usual(table.frame.columns, IDS)
    target, notes = _target(table, query, id)
    columns = [column for column in table.frame.columns if column not in (id, target)]
    steps = [column for column in columns if column in table.step_columns and not names_group(column)]
    if not steps:
        raise DataError(f"{table.name}: no column of numbers is left; wanted one for each step")
    span = f"{shown(steps[0])} to {shown(steps[-1])}"
    notes = [f"series: a row each, its steps the columns {span}", *notes]
    if unread := [column for column in columns if column not in steps]:
        notes.append(f"left out, no steps: {listed(unread)}")
    notes += query.notes_on_groups(table, [id, target])

    def read(rows: Table) -> Sequences:
        return _series(rows, steps, id, target, query)

    data, why = usable_rows(table, query.skip_wrong, read)
    return replace(data, notes=(*notes, *data.notes), left_out=why)


def _series(table: Table, steps: list[str], id: str | None, target: str | None, query: Query) -> Sequences:
    require_few(table.name, f"{table.frame.height:,} series", 0, sequences=table.frame.height)
    numbers = table.block(steps)
    known = ~np.isnan(numbers.values)
    table.refuse(steps[0], pl.Series(~known.any(1)), "no value in the whole row", "write one, or delete it")
    begins, ends = known.argmax(1), known.shape[1] - known[:, ::-1].argmax(1)
    inputs = tuple(row[begin:end, None] for row, begin, end in zip(numbers.values, begins, ends, strict=True))
    answers = None if target is None else written_answers(table, target, query, "an answer")
    names = tuple(str(row) for row in range(1, len(inputs) + 1))
    if id is not None:
        names = tuple(written(table, id, "the name of a series"))
    return Sequences(
        inputs,
        (VALUE,),
        None if answers is None else tuple(answers),
        names,
        table.places,
        numbers.notes,
        groups=row_groups(table),
    )


def looks_wide(table: Table, query: Query) -> bool:
    """Whether the rows of a table whose columns nobody names look like series: all columns but one hold
    numbers, where there is no header; else many are numbered, and no id tells rows together."""
    columns = table.frame.columns
    if query.time is not None or query.features or query.text is not None:
        return False
    if table.lines is not None and not table.headed and query.no_header:
        rest = [column for column in columns if column not in (query.id, query.target)]
        numeric = [column for column in rest if column in table.step_columns]
        return query.id is None and len(numeric) >= LEAST_STEPS and len(rest) - len(numeric) <= 1
    if query.id is not None or usual(columns, IDS) is not None or table.lists:
        return False
    numbered = [name for name in columns if name in table.step_columns and re.search(r"\d", name)]
    return len(numbered) >= LEAST_STEPS and len({re.sub(r"\d+", "", name) for name in numbered}) == 1


def _target(table: Table, query: Query, id: str | None) -> tuple[str | None, list[str]]:
    """The column of answers and a note where it was found, among others of numbers; None where there is none
    and none is required."""
    if query.target is not None or not query.no_header:
        return find_target(table, query, [id])
    columns = [column for column in table.frame.columns if column != id]
    words = [column for column in columns if column not in table.step_columns]
    ends = words or [name for name in (columns[0], columns[-1]) if _are_labels(table.frame[name])]
    if len(ends) == 1:
        return ends[0], [f"answers: column {ends[0]}"]
    if not query.answers:
        return None, []
    either_end = either([option("target", columns[0]), option("target", columns[-1])])
    raise DataError(f"{table.name}: which column holds the answers? name it: {either_end}")


def _are_labels(cells: pl.Series) -> bool:
    """Whether all are whole numbers, of which each comes twice on average."""
    numbers = cells.str.strip_chars().cast(pl.Float64, strict=False) if cells.dtype == pl.String else cells
    whole = bool((numbers.is_not_null() & (numbers == numbers.round())).all())
    return whole and 2 * numbers.n_unique() <= len(numbers)
