"""Weka's ARFF -> a table: a row a line of the data, a column an attribute.

    % a comment
    @relation waves
    @attribute t0 numeric               a column of numbers: real and integer too
    @attribute 'is it' {calm,storm}     of words; string and date too
    @attribute wave relational          of series, quoted texts: a line a dimension, ended by \\n
      @attribute t0 numeric
    @end wave
    @data                               names of sections in any case
    0.5,calm,'0.5,1\\n2,?'               ? is missing

A relational attribute becomes columns of lists, one a dimension, as JSON lines have them.

Source   Weka, "Attribute-Relation File Format"; the .arff files of the UCR and UEA archives, whose relational
         values hold a dimension in each line
Differs  sparse rows, weights and nested relations are refused
"""

import re
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.left_out import below_header
from unrolled.files.limits import require_few
from unrolled.files.messages import counted, shown
from unrolled.files.opening import clean_text

_ATTRIBUTE = re.compile(r"@attribute\s+(?:'([^']*)'|\"([^\"]*)\"|(\S+))\s+(.+)", re.IGNORECASE)
_RELATIONAL = "relational"
_ESCAPES = {"\\n": "\n", "\\'": "'", '\\"': '"', "\\\\": "\\"}

_CELL = re.compile(r"""\s*(?:'([^'\\]*(?:\\.[^'\\]*)*)'|"([^"\\]*(?:\\.[^"\\]*)*)"|([^,'"]*))\s*(,|$)""")
_ESCAPED = re.compile(r"\\[n'\"\\]")

Column = tuple[str, str]  # its name and its type


def read_arff(
    path: str, data: bytes, wrong: dict[str, str] | None = None
) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """The rows as text and lists of numbers as text, and the line (from 1) of each. Where `wrong` is given,
    rows that are none are left out, and stand there by their places with the reasons; else DataError for the
    first."""
    lines = clean_text(path, data, "ARFF in UTF-8", "a header and rows", wrong).decode().split("\n")
    columns, begin = _columns(path, lines)
    rows, numbers = below_header(path, lines, begin, "%", "row", lambda line: _row(line, columns), wrong)
    names = [name for name, _ in columns]
    require_few(
        path,
        f"{counted(len(rows), 'row')} of {counted(len(names), 'column')}",
        len(rows) * len(names) + len(data) // 8,
        columns=len(names),
    )
    several = {name: [row[k] for row in rows] for k, name in enumerate(names)}
    frame = dict[str, pl.Series]()
    for name, kind in columns:
        if kind == _RELATIONAL:
            frame |= _series(path, numbers, name, several[name])
        else:
            frame[name] = pl.Series(several[name], dtype=pl.String)
    return pl.DataFrame(frame), np.array(numbers, np.int64)


def _columns(path: str, lines: Sequence[str]) -> tuple[list[Column], int]:
    """The columns, and the index of the line below @data."""
    columns, inside = list[Column](), False
    for number, line in enumerate(lines, 1):
        place, text = f"{path}, line {number}", line.strip()
        word = text.partition(" ")[0].lower()
        if not text or text.startswith("%") or word == "@relation":
            continue
        if word == "@data":
            if not columns:
                raise DataError(f"{place}: no @attribute above; wanted one for each column")
            return columns, number
        if word == "@end":
            inside = False
            continue
        match = _ATTRIBUTE.fullmatch(text)
        if match is None:
            raise DataError(
                f"{place}: wanted @attribute, a name and a type, or @data above the rows, got {shown(line)}; "
                "complete the header"
            )
        if inside:
            continue  # what a series' steps are called
        name = next(part for part in match.groups()[:3] if part is not None)
        if name in [one for one, _ in columns]:
            raise DataError(f"{place}: a second attribute {shown(name)}; rename one")
        inside = match[4].strip().lower() == _RELATIONAL
        columns.append((name, _RELATIONAL if inside else match[4]))
    raise DataError(f"{path}: no line @data; wanted one between the header and the rows")


def _row(line: str, columns: Sequence[Column]) -> list[str | None]:
    """ValueError where it is none."""
    if line.startswith("{"):
        raise ValueError("a sparse row, which is not read")
    cells, at = list[str | None](), 0
    while at <= len(line):
        match = _CELL.match(line, at)
        if match is None:
            raise ValueError(f"a quote out of place in {shown(line[at:])}")
        quoted = match[1] if match[1] is not None else match[2]
        plain = (match[3] or "").strip()
        cells.append(_ESCAPED.sub(lambda one: _ESCAPES[one[0]], quoted) if quoted is not None else plain)
        at = match.end() + (not match[4])  # the last one has no comma behind it
    if len(cells) != len(columns):
        raise ValueError(f"wanted {counted(len(columns), 'value')} as in the header, got {len(cells)}")
    return [None if cell == "?" else cell for cell in cells]


def _series(
    path: str, numbers: Sequence[int], name: str, cells: Sequence[str | None]
) -> dict[str, pl.Series]:
    """A column of lists for each dimension. DataError for a row with more or fewer than the first."""
    series = [[line.split(",") for line in (cell or "").split("\n")] for cell in cells]
    D = len(series[0])
    for number, one in zip(numbers, series, strict=True):
        if len(one) != D:
            raise DataError(
                f"{path}, line {number}: {counted(len(one), 'dimension')} of {shown(name)}, where line "
                f"{numbers[0]} has {D}; wanted as many in all rows"
            )
    return {
        f"{name}{d + 1}" if D > 1 else name: pl.Series(
            [[None if cell.strip() == "?" else cell.strip() for cell in one[d]] for one in series],
            dtype=pl.List(pl.String),
        )
        for d in range(D)
    }
