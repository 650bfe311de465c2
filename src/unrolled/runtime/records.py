"""Lines as records and answers as lines, one line each.

    csv     the first line names the columns, separated by comma, semicolon or tab; cells may stand in quotes
    json    {"column": value, …} in each line, or [values] in the order of the model's columns
    text    the line as it is

Numbers go out with as few digits as tell them from their neighbours in their own type, so reading them back
gives the same bits; NaN and infinity, which JSON lacks, go out as null.
"""

import csv
import io
import json
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from unrolled.errors import DataError
from unrolled.files.cells import MISSING, SEPARATORS
from unrolled.files.wording import CONTROL, listed, nearest, shown
from unrolled.runtime.model import Column

Record = dict[str, Any]
TEXT = "text"  # the column of a line that is text


class HeaderError(DataError):
    """The first line is wrong, so that no other can be read."""


class Csv:
    """Lines of a table whose first line is its header."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.header: list[str] | None = None

    def __call__(self, line: str) -> Record | None:
        """The cells by column; None for the header and for blank lines."""
        if not line.strip():
            return None
        if self.header is None:
            self.separator = max(SEPARATORS, key=line.count)
            self.header = [name.strip() for name in self._cells(line.removeprefix("\ufeff"))]
            if "" in self.header or len(set(self.header)) < len(self.header):
                raise HeaderError(f"wanted a header of distinct names, got {listed(self.header)}; correct it")
            return None
        cells = self._cells(line)
        if len(cells) != len(self.header):
            raise DataError(
                f"wanted {len(self.header)} cells as in the header, got {len(cells)}; complete the line"
            )
        return dict(zip(self.header, cells, strict=True))

    def _cells(self, line: str) -> list[str]:
        try:
            return next(csv.reader([line], delimiter=self.separator, strict=True))
        except csv.Error as error:
            raise DataError(f"the line is no CSV ({error}); close its quotes in the same line") from None


class Json:
    """A JSON value in each line."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = columns

    def __call__(self, line: str) -> Record | None:
        """The values by column; None for blank lines."""
        if not line.strip():
            return None
        try:
            value = json.loads(
                line.removeprefix("\ufeff"), parse_constant=_refused, object_pairs_hook=_distinct
            )
        except (ValueError, RecursionError) as error:
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


class Text:
    """The line itself."""

    def __init__(self, columns: Sequence[str]) -> None: ...

    def __call__(self, line: str) -> Record | None:
        return {TEXT: line}


FORMATS: dict[str, type[Csv] | type[Json] | type[Text]] = {"csv": Csv, "json": Json, "text": Text}


def found_format(line: str, columns: Sequence[str]) -> str:
    """What the first line of input is likely to be: models of text are given text unless told otherwise."""
    if not columns:
        return "text"
    return "json" if line.lstrip("\ufeff \t").startswith(("{", "[")) else "csv"


def cells_of(record: Record, columns: Mapping[str, Column]) -> Record:
    """The cells of the model's columns, numbers as floats. DataError for one that is missing or is none."""
    text = [name for name, column in columns.items() if not column.numbers]
    there = {name: cell for name, cell in record.items() if not (name in text and cell in (None, ""))}
    require(there, columns)
    return {
        name: _number(name, there[name]) if column.numbers else _text(name, there[name])
        for name, column in columns.items()
        if name in there
    }


def require(names: Collection[str], columns: Mapping[str, Column]) -> None:
    """DataError where a line of these columns lacks one that the model must have."""
    for name, column in columns.items():
        if name not in names and not column.optional:
            own = list(names)
            raise DataError(
                f"column {shown(name)} is missing{nearest(name, own)}; there are {listed(own) or 'none'}"
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
        return [plain(one) for one in value] if value.ndim else plain(value[()])
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(str(value)) if math.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


class CsvOut:
    """Answers as lines of a table, after a header that the first one gives; lists are cut into columns
    name.1, name.2, …"""

    def __init__(self) -> None:
        self.header: list[str] | None = None

    def __call__(self, answer: Record) -> bytes:
        cells = dict(_flat("", answer))
        rows = []
        if self.header is None:
            self.header = list(cells)
            rows.append(self.header)
        if other := cells.keys() - set(self.header):
            raise DataError(
                f"the answer has {listed(sorted(other))}, which the first had not; take --to json"
            )
        rows.append(["" if cells.get(name) is None else str(cells[name]) for name in self.header])
        memory = io.StringIO()
        csv.writer(memory, lineterminator="\n").writerows(rows)
        try:
            return memory.getvalue().encode()
        except UnicodeEncodeError as error:
            half = error.object[error.start]
            raise DataError(f"the answer holds {shown(half)}, which no CSV can; take --to json") from None


class JsonOut:
    """Answers as JSON, one in a line."""

    def __call__(self, answer: Record) -> bytes:
        text = json.dumps(answer, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text).encode() + b"\n"


OUTPUTS: dict[str, Callable[[], CsvOut | JsonOut]] = {"csv": CsvOut, "json": JsonOut}


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from _flat(f"{name}.{key}" if name else key, one)
    elif isinstance(value, list):
        for k, one in enumerate(value, 1):
            yield from _flat(f"{name}.{k}", one)
    else:
        yield name, value


def _number(name: str, value: Any) -> float | list[float]:
    """A number, NaN where it is missing; of lists each."""
    if isinstance(value, list):
        return [float(_one_number(name, one)) for one in value]
    return _one_number(name, value)


def _one_number(name: str, value: Any) -> float:
    if value is None or (isinstance(value, str) and value.strip().lower() in MISSING):
        return math.nan
    try:
        if isinstance(value, bool | list | dict) or (isinstance(value, str) and "_" in value):
            raise ValueError
        found = float(value)
    except (ValueError, OverflowError):
        found = math.inf
    if not math.isfinite(found):
        raise DataError(
            f"column {shown(name)}: wanted a finite number with a decimal point, got {shown(value)}; correct "
            "it, or leave it empty if it is missing"
        )
    return found


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise DataError(f"column {shown(name)}: wanted text, got {shown(value)}")
    return str(value)


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _distinct(pairs: list[tuple[str, Any]]) -> Record:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands twice")
    return made
