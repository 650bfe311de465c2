"""Columns of covariates in a table, of numbers or of texts, which are read as their codes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from unrolled.files.cells import NO_NUMBER
from unrolled.files.covariates import code
from unrolled.files.number_columns import is_missing, read_numbers
from unrolled.files.query import Query, written
from unrolled.files.table import Matrix, Table

Texts = Mapping[str, Mapping[float, str]]  # by column the text of each code


def read_columns(table: Table, columns: Sequence[str], roles: Query) -> tuple[Matrix, Texts]:
    """values (rows, C) of columns, and the texts in those that hold such. DataError for a cell that is not
    what its column holds."""
    texts = [column for column in columns if _holds_texts(table, column, roles)]
    numbers = table.matrix([column for column in columns if column not in texts])
    several, rest = dict[str, Mapping[float, str]](), iter(numbers.values.T)
    values = np.empty((table.frame.height, len(columns)))
    for k, column in enumerate(columns):
        if column in texts:
            cells = written(table, column, "a number or a text", required=False)
            codes = {text: code(text) for text in cells.drop_nulls().unique(maintain_order=True)}
            several[column] = {number: text for text, number in codes.items()}
            coded = cells.replace_strict(codes, default=None, return_dtype=pl.Float64)
            values[:, k] = coded.fill_null(np.nan).to_numpy()
        else:
            values[:, k] = next(rest)
    return replace(numbers, values=values), several


def _holds_texts(table: Table, column: str, roles: Query) -> bool:
    """Whether a model reads texts there, or else most cells of a covariate are some that are no numbers."""
    if column in roles.targets:
        return False
    if roles.texts is not None:
        return column in roles.texts
    table.require(column)
    cells = table.frame[column]
    if cells.dtype != pl.String:
        return cells.dtype in (pl.Categorical, pl.Enum)
    return 2 * int(read_numbers(cells).wrong.sum()) > int((~is_missing(cells, NO_NUMBER)).sum())
