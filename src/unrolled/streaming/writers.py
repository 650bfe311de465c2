"""Answers as lines, one each.

Numbers go out with as few digits as tell them from their neighbours in their own type, so reading them back
gives the same bits; NaN and infinity, which JSON lacks, go out as null.
"""

import csv
import io
import json
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from unrolled.errors import DataError
from unrolled.files.messages import CONTROL, listed, shown
from unrolled.streaming.records import Format, Record

ENDED = {"end": True}  # the answer to a line that ends a sequence and is no step of it
ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class Writer(Format):
    """Answers as lines."""

    @abstractmethod
    def __call__(self, answer: Record) -> bytes:
        """Its line."""

    def head(self) -> bytes:
        """What stands before the first answer, once one was made."""
        return b""


class CsvOut(Writer):
    """Answers as lines of a table, after a header that the first one gives; lists are cut into columns
    name.1, name.2, …. Of a line that only ends a sequence nothing is told but what it is the answer to, and
    before the first answer nothing."""

    name = "csv"

    def __call__(self, answer: Record) -> bytes:
        ends = answer.items() >= ENDED.items()
        if ends and self.header is None:
            return b""
        cells = {name: cell for name, cell in _flat("", answer) if not (ends and name in ENDED)}
        if self.header is None:
            self.header = list(cells)
        if other := cells.keys() - set(self.header):
            raise DataError(
                f"the answer has {listed(sorted(other))}, which the first had not; take --to json"
            )
        return self._line([_cell(cells.get(name)) for name in self.header])

    def head(self) -> bytes:
        return b"" if self.header is None else self._line(self.header)

    def _line(self, cells: list[str]) -> bytes:
        memory = io.StringIO()
        csv.writer(memory, lineterminator="\n").writerow(cells)
        try:
            return memory.getvalue().encode()
        except UnicodeEncodeError as error:
            half = error.object[error.start]
            raise DataError(f"the answer holds {shown(half)}, which no CSV can; take --to json") from None


class JsonOut(Writer):
    """Answers as JSON, one in a line."""

    name = "json"

    def __call__(self, answer: Record) -> bytes:
        text = ENCODER.encode(answer)
        if text.isascii() and "\x7f" not in text:  # the encoder has escaped the others below it
            return text.encode() + b"\n"
        return CONTROL.sub(lambda control: f"\\u{ord(control[0]):04x}", text).encode() + b"\n"


OUTPUTS: dict[str, type[Writer]] = {kind.name: kind for kind in (CsvOut, JsonOut)}


def _cell(value: Any) -> str:
    """Nothing where there is no value; true and false as JSON has them."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, element in value.items():
            yield from _flat(f"{name}.{key}" if name else key, element)
    elif isinstance(value, list):
        for k, element in enumerate(value, 1):
            yield from _flat(f"{name}.{k}", element)
    else:
        yield name, value
