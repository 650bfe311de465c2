"""Word vectors in the text format of word2vec: a header "N D", then N lines "word v_1 … v_D"."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.messages import counted, shown
from unrolled.files.opening import opened_unpacked

Row = NDArray[np.float32]


@dataclass(frozen=True)
class Vectors:
    """`rows[word]` (D,) with D = `size`, finite."""

    size: int
    rows: dict[str, Row]


def read_vectors(path: str | Path, wanted: Collection[str] | None = None) -> Vectors:
    """The vectors of those of `wanted` that the file holds, or of all. The file may be larger than memory,
    and packed with gzip.

    Raises DataError with the line for a header that is none or lies, bytes that are not UTF-8, a line of
    another width, a number that is none or not finite, a wanted word that comes twice, and for no file.
    """
    path, rows, count = Path(path), dict[str, Row](), 0
    with opened_unpacked(path, "a file of word vectors") as file:
        number, size = _header(path, file.readline().rstrip(b" \r\n"))
        for count, line in enumerate(file, 1):
            place = f"{path}, line {count + 1}"
            word, values = _fields(place, line.rstrip(b" \r\n"), size)
            if wanted is None or word in wanted:
                if word in rows:
                    raise DataError(
                        f"{place}: the word {shown(word)} comes a second time; delete one of its lines"
                    )
                rows[word] = _row(place, values)
    if count != number:
        raise DataError(
            f"{path}, line 1: the header promises {counted(number, 'vector')}, the file holds {count:,}; "
            "fetch the file anew if it is cut short, else correct the header"
        )
    return Vectors(size, rows)


def _header(path: Path, line: bytes) -> tuple[int, int]:
    fields = line.split(b" ")
    if len(fields) != 2 or not all(field.isdigit() and len(field) < 16 for field in fields):
        raise DataError(
            f"{path}, line 1: wanted the header of word2vec's text format, the numbers of words and values "
            f"such as '400000 100', got {shown(line.decode(errors='replace'))}; write it above the vectors, "
            "or save them as text"
        )
    number, size = map(int, fields)
    if not size:
        raise DataError(f"{path}, line 1: the header promises vectors of 0 values; wanted 1 or more")
    return number, size


def _fields(place: str, line: bytes, size: int) -> tuple[str, bytes]:
    """The word of a line, and its values as they stand there."""
    word, _, values = line.partition(b" ")
    count = values.count(b" ") + 1 if values else 0
    if count != size:
        raise DataError(
            f"{place}: wanted a word and {counted(size, 'value')} with one space between, got {count:,}; "
            "correct the line, or the header"
        )
    try:
        return word.decode(), values
    except UnicodeDecodeError as error:
        raise DataError(
            f"{place}: byte {word[error.start]:#04x} is not UTF-8; save the file as UTF-8"
        ) from None


def _row(place: str, values: bytes) -> Row:
    try:
        with np.errstate(over="ignore"):
            row = np.array([float(value) for value in values.split(b" ")]).astype(np.float32)
    except ValueError as error:
        raise DataError(f"{place}: wanted numbers, but {shown(str(error), 80)}; correct the line") from None
    if not np.isfinite(row).all():
        first = int(np.flatnonzero(~np.isfinite(row))[0])
        value = values.split(b" ")[first].decode()
        raise DataError(f"{place}: value {first + 1} is {value}, which is no finite float32; correct it")
    return row
