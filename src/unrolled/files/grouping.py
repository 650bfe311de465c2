"""Groups: examples of one person, machine or day, which stay in one part of the data. Their column is taken
out of a table, so that it is read as nothing else, and columns that look like one are told of.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import polars as pl

from unrolled.files.columns import names_group
from unrolled.files.ids import JOINT, id_columns
from unrolled.files.messages import either, listed, option, shown
from unrolled.files.number_columns import is_missing
from unrolled.files.table import Table


def taken_out(table: Table, group: str, needed: bool, others: Collection[str]) -> Table:
    """The table with the groups of its rows beside it, and without the columns that `group` names (ids.py),
    but for those that `others` have another part for. DataError where one is missing that is `needed`."""
    columns = table.frame.columns
    names = [name for name in id_columns(group, columns) if needed or name in columns]
    for name in names:
        table.require(name)
        if table.frame[name].dtype.is_nested() or table.frame[name].dtype == pl.Binary:
            raise table.unlike(name, "the name of a group")
    if not names:
        return table
    cells = [table.frame[name].cast(pl.String).str.strip_chars() for name in names]
    known = [pl.when(~is_missing(cell)).then(cell) for cell in cells]
    joined = pl.select(pl.concat_str(known, separator=JOINT)).to_series().alias(group)
    frame = table.frame.drop([name for name in names if name not in others])
    return replace(table, frame=frame, groups=joined)


def group_cells(table: Table) -> pl.Series | None:
    """(rows,) the groups; None where none are asked for. WrongRowsError for a row without one."""
    cells = table.groups
    if cells is not None:
        remedy = "fill the cell, or delete the row"
        table.refuse(cells.name, cells.is_null(), "wanted the name of a group, got nothing", remedy)
    return cells


def row_groups(table: Table) -> tuple[str, ...] | None:
    """The same of rows that are an example each."""
    cells = group_cells(table)
    return None if cells is None else tuple(cells)


def group_columns(table: Table, columns: Sequence[str], id: str | None = None) -> list[str]:
    """Those that look like groups: of a usual name (columns.py), with texts or whole numbers, the same in all
    rows of a sequence, and in several sequences. `id` names the sequences; None: a row is one."""
    if id is not None and id not in table.frame.columns:
        return []  # that is an error elsewhere
    rows = pl.int_range(table.frame.height, eager=True) if id is None else table.frame[id]
    return [
        column
        for column in columns
        if column != id and names_group(column) and _are_groups(table.frame[column], rows)
    ]


def _are_groups(cells: pl.Series, ids: pl.Series) -> bool:
    if cells.dtype.is_nested() or cells.dtype.is_temporal() or cells.dtype == pl.Binary:
        return False
    texts = cells.cast(pl.String).str.strip_chars()
    each = pl.DataFrame({"id": ids, "group": texts}).filter(~is_missing(texts)).unique()
    numbers = each["group"].cast(pl.Float64, strict=False)
    if not numbers.has_nulls() and not (numbers == numbers.round()).all():
        return False
    return not each["id"].is_duplicated().any() and 1 < each["group"].n_unique() < len(each)


def names_note(columns: Sequence[str]) -> list[str]:
    """That columns of numbers are no features."""
    if not columns:
        return []
    return [f"no features: {listed(columns)}, whole numbers that are names ({option('features')} takes them)"]


def split_note(columns: Sequence[str]) -> list[str]:
    """That a part may hold groups that another does, too."""
    if not columns:
        return []
    return [
        f"a random split may flatter: what is of one {either([*map(shown, columns)])} may be in all parts; "
        f"{option('group', columns[0])} keeps it in one"
    ]
