"""Lines as records, one each.

csv     the first line names the columns, unless training had no names for them; separated by comma,
        semicolon or tab; cells may stand in quotes
json    {"column": value, …} in each line, or [values] in the order of the model's columns
text    the line as it is
"""

import csv
import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any, ClassVar

import numpy as np

from unrolled.errors import DataError
from unrolled.files import json_text, numerals
from unrolled.files.cells import MISSING, SEPARATORS, is_no_number
from unrolled.files.messages import listed, nearest, shown
from unrolled.models.model import Column

Record = dict[str, Any]
TEXT = "text"  # the column of a line that is text
# Made once: `list | tuple` makes a type each time that it is asked.
LISTS, FLOATS = (list, tuple), (float, np.floating)


class HeaderError(DataError):
    """The first line is wrong, so that no other can be read."""


class Format(ABC):
    """What lines are, in or out; `header`: the names of their columns, where they have one that is known."""

    name: ClassVar[str]
    header: list[str] | None = None

    def about(self) -> dict[str, Any]:
        """What a snapshot keeps of it, so that the next line can do without those before."""
        return {"format": self.name, "header": self.header}

    def restore(self, about: Mapping[str, Any]) -> None:
        """What `about` gave. LookupError, TypeError or ValueError for anything else."""
        self.header = about["header"]
        if self.header is not None and not (
            isinstance(self.header, list)
            and all(isinstance(name, str) for name in self.header)
            and len(set(self.header)) == len(self.header) > 0
        ):
            raise ValueError("no header")


class Reader(Format):
    """Lines in; made for the model's columns."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = columns

    @abstractmethod
    def __call__(self, line: str) -> Record | None:
        """The values by column; None for a line that holds none. DataError for a wrong one."""


class Csv(Reader):
    """Lines of a table whose first line is its header. The first column may have no name, as that of the
    numbers of rows that other tools write. Where the model names its columns by their numbers, as training
    without a header does, and the first line names them not, it is a row as the others."""

    name = "csv"
    separator = ","

    def __call__(self, line: str) -> Record | None:
        """The cells by column; None for a header and for blank lines."""
        if not line.strip():
            return None
        if self.header is None:
            line = line.removeprefix("\ufeff")
            self.separator = max(SEPARATORS, key=line.count)
            self.header = [name.strip() for name in self._cells(line)]
            if self._is_row(self.header):
                self.header = [str(k) for k in range(1, len(self.header) + 1)]
                return self(line)
            if "" in self.header[1:] or len(set(self.header)) < len(self.header):
                raise HeaderError(f"wanted a header of distinct names, got {listed(self.header)}; correct it")
            return None
        cells = self._cells(line)
        if len(cells) != len(self.header):
            raise DataError(
                f"wanted {len(self.header)} cells as in the header, got {len(cells)}; complete the line"
            )
        return dict(zip(self.header, cells, strict=True))

    def about(self) -> dict[str, Any]:
        return super().about() | {"separator": self.separator}

    def restore(self, about: Mapping[str, Any]) -> None:
        super().restore(about)
        self.separator = about["separator"]
        if self.separator not in SEPARATORS or self.header is None:
            raise ValueError("no header")

    def _is_row(self, cells: Sequence[str]) -> bool:
        numbered = bool(self.columns) and all(name.isdecimal() for name in self.columns)
        return numbered and not set(self.columns) <= set(cells)

    def _cells(self, line: str) -> list[str]:
        try:
            return next(csv.reader([line], delimiter=self.separator, strict=True))
        except csv.Error as error:
            raise DataError(f"the line is no CSV ({error}); close its quotes in the same line") from None


class Json(Reader):
    """A JSON value in each line."""

    name = "json"

    def __call__(self, line: str) -> Record | None:
        """The values by column; None for blank lines."""
        if not line.strip():
            return None
        try:
            value = json_text.parse(line.removeprefix("\ufeff"))
        except ValueError as error:
            raise DataError(f"the line is no JSON ({error!s:.60}); correct it") from None
        if isinstance(value, list):
            if len(value) != len(self.columns):
                raise DataError(
                    f"wanted {len(self.columns)} values, {listed(self.columns)}, got {len(value)}"
                )
            return dict(zip(self.columns, value, strict=True))
        if not isinstance(value, dict):
            raise DataError(f"wanted an object or a list, got {shown(value)}")
        return value


class Text(Reader):
    """The line itself."""

    name = "text"

    def __call__(self, line: str) -> Record | None:
        return {TEXT: line}


FORMATS: dict[str, type[Reader]] = {kind.name: kind for kind in (Csv, Json, Text)}


def found_format(line: str, columns: Sequence[str]) -> str:
    """What the first line of input is likely to be: models of text are given text unless told otherwise."""
    if not columns:
        return "text"
    return "json" if line.lstrip("\ufeff \t").startswith(("{", "[")) else "csv"


def cells_of(record: Record, columns: Mapping[str, Column]) -> Record:
    """The cells of the model's columns, numbers as floats, categories as they are. DataError for one that is
    missing or is none."""
    there = record
    if text := [name for name, column in columns.items() if not column.numbers]:
        there = {name: cell for name, cell in record.items() if not (name in text and cell in (None, ""))}
    require(there, columns)
    return {name: _cell(name, there[name], column) for name, column in columns.items() if name in there}


def _cell(name: str, value: Any, column: Column) -> Any:
    if column.categories:
        return value
    return _number(name, value, column) if column.numbers else _text(name, value)


def require(names: Collection[str], columns: Mapping[str, Column]) -> None:
    """DataError where a line of these columns lacks one that the model must have."""
    for name, column in columns.items():
        if name not in names and not column.optional:
            there = list(names)
            raise DataError(
                f"column {shown(name)} is missing{nearest(name, there)}; there are {listed(there) or 'none'}"
            )


def truth(name: str, value: Any) -> bool:
    """Whether a cell says yes."""
    word = "" if value is None else str(value).strip().lower()
    if word in ("1", "true", "yes"):
        return True
    if word in ("0", "false", "no", *MISSING):
        return False
    raise DataError(f"column {shown(name)}: wanted 1 or 0, true or false, got {shown(value)}")


def plain(value: Any) -> Any:
    """Arrays as lists, numbers as Python's, NaN and infinity as None."""
    if isinstance(value, np.ndarray):
        if value.ndim == 1 and value.dtype.kind == "f":
            return [_shortest(element) for element in value]
        return [plain(element) for element in value] if value.ndim else plain(value[()])
    if isinstance(value, dict):
        return {str(name): plain(element) for name, element in value.items()}
    if isinstance(value, LISTS):
        return [plain(element) for element in value]
    if isinstance(value, FLOATS):
        return _shortest(value)
    return value.item() if isinstance(value, np.generic) else value


def _shortest(number: float | np.floating[Any]) -> float | None:
    return float(str(number)) if math.isfinite(number) else None


def _number(name: str, value: Any, column: Column) -> float | list[float]:
    """A number, NaN where it is missing; of lists each."""
    if isinstance(value, list):
        return [float(_one_number(name, element, column)) for element in value]
    return _one_number(name, value, column)


def _one_number(name: str, value: Any, column: Column) -> float:
    if is_no_number(value, column.missing):
        return math.nan
    number, text = None, isinstance(value, str)
    is_truth = isinstance(value, bool) or (text and value.strip().lower() in numerals.TRUTHS)
    if column.truths or not is_truth:
        with suppress(TypeError, ValueError, OverflowError):
            number = numerals.number(value, column.decimal) if text else float(value)
    if number is None or not math.isfinite(number):
        raise DataError(
            f"column {shown(name)}: wanted a finite number with a decimal {column.decimal or 'point'}, got "
            f"{shown(value)}; correct it"
        )
    return number


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise DataError(f"column {shown(name)}: wanted text, got {shown(value)}")
    return str(value)
