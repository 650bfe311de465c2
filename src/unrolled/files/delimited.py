"""CSV text -> a table of text columns and the line of each row.

The structure is checked before anything is parsed: `"` opens a field only at its start, closes it only at its
end and is doubled inside; every row has as many fields as the header. What passes goes to polars as a whole.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.cells import SEPARATORS
from unrolled.files.columns import is_value
from unrolled.files.left_out import WrongLineError
from unrolled.files.limits import require_few
from unrolled.files.messages import counted, option, shown
from unrolled.files.opening import BOM, clean_text

Positions = NDArray[np.int64]

_QUOTE, _NEWLINE = ord('"'), ord("\n")
# Longer notes above a header than so many lines are not looked for.
MOST_COMMENTS = 1000


def read_delimited(
    path: str,
    data: bytes,
    is_header: Callable[[Sequence[str]], bool] = lambda fields: True,
    wrong: dict[str, str] | None = None,
    notes: list[str] | None = None,
    quoted: bool = True,
) -> tuple[pl.DataFrame, Positions]:
    """The rows as text, missing cells null, and the line (from 1) on which each row begins. Where the fields
    of the first row are no header it is a row like the others, and the columns are called 1, 2, …. Where
    `wrong` is given, lines that are no text and rows of another width are left out, and stand there by their
    places with the reasons. Where fields are apart by tabs and quotes are out of place, as many write such
    files, quotes are plain characters, as where nothing is `quoted`; `notes` says so.

    Raises DataError with the line for a NUL byte, bytes that are not UTF-8, a lone carriage return, a quote
    out of place, a row of another width than the header, columns without a name or of one name, and no rows.
    The first column alone may have no name: see Table.named.
    """
    body = clean_text(path, data, "CSV in UTF-8, or Parquet", "a header line and rows", wrong)
    lines = _Lines.of(body, quoted)
    if quoted:
        try:
            _check_quotes(path, lines)
        except DataError as error:
            if lines.separator != "\t":
                raise
            if notes is not None:
                notes.append(
                    f"quotes are plain characters, as not all stand around whole fields ({error!s:.80}…)"
                )
            return read_delimited(path, data, is_header, wrong, notes, quoted=False)
    kept = lines.filled if wrong is None else _of_one_width(path, lines, wrong)
    _check_widths(path, lines.fields[kept], lines.numbers[kept])
    rows, columns = int(kept.sum()), int(lines.fields[kept][0])
    require_few(
        path, f"{counted(rows, 'row')} of {counted(columns, 'column')}", rows * columns, columns=columns
    )
    if columns == 1 and wrong is None:
        _check_blanks(path, lines)
    names = [_name(field, quoted) for field in lines.first()]
    headed = is_header(names)
    if headed:
        _check_header(path, lines.numbers[kept], names)
    else:
        names = [str(number) for number in range(1, len(names) + 1)]
    quote = '"' if quoted else None
    frame = _parsed(path, lines.of_rows(kept), lines.separator, quote, names, rows - headed, headed)
    return frame, lines.numbers[kept][headed:]


@dataclass(frozen=True)
class _Lines:
    """Text as bytes, where its lines end, and its L rows, which may hold line ends in quotes: each begins at
    `starts`, ends before `ends`, stands on the line `numbers` (from 1), and has so many `fields`; `filled`
    are those that are not blank."""

    text: NDArray[np.uint8]
    newlines: Positions
    separator: str
    marks: Positions
    starts: Positions
    ends: Positions

    @classmethod
    def of(cls, body: bytes, quoted: bool) -> Self:
        text = np.frombuffer(body, np.uint8)
        outside = np.cumsum((text == _QUOTE) & quoted, dtype=np.uint8) % 2 == 0
        newlines = np.flatnonzero(text == _NEWLINE)
        ends = newlines[outside[newlines]]
        starts = np.concatenate([[0], ends + 1])[: len(ends)]
        first = np.flatnonzero(ends > starts)[:1]
        header = slice(int(starts[first[0]]), int(ends[first[0]])) if len(first) else slice(0, len(text))
        separator = _separator(text[header][outside[header]].tobytes())
        marks = np.flatnonzero((text == ord(separator)) & outside)
        return cls(text, newlines, separator, marks, starts, ends)

    @cached_property
    def filled(self) -> NDArray[np.bool_]:
        return np.asarray(self.ends > self.starts)

    @cached_property
    def fields(self) -> Positions:
        return np.diff(np.searchsorted(self.marks, np.append(self.starts, len(self.text)))) + 1

    @cached_property
    def numbers(self) -> Positions:
        return np.searchsorted(self.newlines, self.starts) + 1

    def first(self) -> list[str]:
        """The fields of the first row that is not blank, as they stand."""
        row = int(self.filled.argmax())
        start, end = int(self.starts[row]), int(self.ends[row])
        between = self.marks[slice(*np.searchsorted(self.marks, [start, end]))].tolist()
        cuts = [start - 1, *between, end]
        return [self.text[a + 1 : b].tobytes().decode() for a, b in pairwise(cuts)]

    def of_rows(self, kept: NDArray[np.bool_]) -> bytes:
        """The text of these rows alone."""
        if kept.all():
            return self.text.tobytes()
        odd = np.repeat(~kept, self.ends - self.starts + 1)
        return self.text[: len(odd)][~odd].tobytes()


def _separator(row: bytes) -> str:
    """The one that the first row holds most often, outside of quotes; the comma where it holds none. Where
    there are others, a comma between digits stands before decimals."""
    counts = {mark: row.count(mark.encode()) for mark in SEPARATORS}
    if counts[";"] or counts["\t"]:
        counts[","] -= len(re.findall(rb"(?<=\d),(?=\d)", row))
    return max(SEPARATORS, key=counts.__getitem__)


def without_comments(data: bytes) -> tuple[bytes, int]:
    """Without the lines that begin with # above the header, each an empty one, and how many these are. The
    last of them is the header if it has as many fields as the line below it."""
    body = data.removeprefix(BOM)
    lines = body.split(b"\n", MOST_COMMENTS + 1)
    count = next((at for at, line in enumerate(lines) if not line.startswith(b"#")), 0)
    if count:
        below = lines[count]
        separator = max((mark.encode() for mark in SEPARATORS), key=below.count)
        fields = below.count(separator)
        count -= fields > 0 and lines[count - 1].count(separator) == fields
    return b"\n" * count + b"\n".join(lines[count:]) if count else data, count


def _check_quotes(path: str, rows: _Lines) -> None:
    """Quotes number 0, 2, 4 … open a field, 1, 3, 5 … close it; a doubled quote closes and opens at once."""
    text = rows.text
    quotes = np.flatnonzero(text == _QUOTE)
    if not len(quotes):
        return
    borders = np.array([_NEWLINE, ord(rows.separator)])
    doubled = np.diff(quotes) == 1
    opens = (quotes == 0) | np.isin(text[quotes - 1], borders)
    opens[1:] |= doubled
    closes = np.isin(text[quotes + 1], borders)  # a newline ends the text
    closes[:-1] |= doubled
    wrong = np.flatnonzero(~np.where(np.arange(len(quotes)) % 2 == 0, opens, closes))
    if len(wrong) or len(quotes) % 2:
        lines = np.searchsorted(rows.newlines, quotes) + 1
        _refuse_quote(path, lines, doubled, int(wrong[0]) if len(wrong) else None)


def _refuse_quote(path: str, lines: Positions, doubled: NDArray[np.bool_], wrong: int | None) -> None:
    """Raises for quote number `wrong`, or for the last field that opens and never closes."""
    if wrong is not None and wrong % 2 == 0:
        raise DataError(
            f"{path}, line {lines[wrong]}: a quote inside a field that does not begin with one; "
            "put the whole field in quotes and double the quotes inside"
        )
    opening = len(lines) - 1 if wrong is None else wrong - 1
    while opening % 2 or (opening and doubled[opening - 1]):
        opening -= 1
    if wrong is None:
        raise DataError(
            f"{path}, line {lines[opening]}: the quote that opens a field here is never closed; close it"
        )
    raise DataError(
        f"{path}, line {lines[opening]}: the quoted field that begins here is closed in line {lines[wrong]} "
        "before its end; double the quotes inside it, or close it where it ends"
    )


def _of_one_width(path: str, rows: _Lines, wrong: dict[str, str]) -> NDArray[np.bool_]:
    """Which rows have as many fields as the first; the others go to `wrong`."""
    fields, filled, lines = rows.fields, rows.filled, rows.numbers
    width = fields[filled][0]
    odd = filled & (fields != width)
    for row in np.flatnonzero(odd).tolist():
        wrong[f"{path}, line {lines[row]}"] = (
            f"wanted {counted(int(width), 'field')} as in the first row, got {fields[row]}"
        )
    kept: NDArray[np.bool_] = filled & ~odd
    return kept


def _check_widths(path: str, fields: Positions, lines: Positions) -> None:
    wrong = np.flatnonzero(fields != fields[0])
    if len(wrong):
        row = wrong[0]
        others = f" ({counted(len(wrong) - 1, 'more row')} like it)" if len(wrong) > 1 else ""
        raise WrongLineError(
            f"{path}, line {lines[row]}: wanted {counted(int(fields[0]), 'field')} as in the header, "
            f"got {fields[row]}{others}; complete or delete the row, and quote fields that hold separators"
        )


def _check_blanks(path: str, lines: _Lines) -> None:
    """In a table of one column a blank line could be a missing value or nothing at all."""
    rows = np.flatnonzero(lines.filled)
    blank = rows[0] + np.flatnonzero(~lines.filled[rows[0] : rows[-1]])
    if len(blank):
        raise DataError(
            f"{path}, line {lines.numbers[blank[0]]}: a blank line in a table of one column; "
            "write NA where a value is missing, or delete the line"
        )


def _name(field: str, quoted: bool) -> str:
    return (field[1:-1].replace('""', '"') if quoted and field[:1] == '"' else field).strip()


def _check_header(path: str, lines: Positions, names: list[str]) -> None:
    """lines (rows,), of which the first has the names."""
    _check_names(f"{path}, line {lines[0]}", names)
    if len(lines) == 1:
        raise DataError(f"{path}: the file has a header and no rows; wanted at least one row below it")


def _check_names(place: str, names: list[str]) -> None:
    first = dict[str, int]()
    for number, name in enumerate(names, 1):
        if not name and number > 1:
            complaint = f"column {number} of {len(names)} has no name; give it one"
        elif name in first:
            complaint = f"columns {first[name]} and {number} are both called {shown(name)}; rename one"
        else:
            first[name] = number
            continue
        headless = any(map(is_value, names))
        more = f", or say that this line is no header ({option('no_header')})" if headless else ""
        raise DataError(f"{place}: {complaint}{more}")


def _parsed(
    path: str, body: bytes, separator: str, quote: str | None, names: list[str], rows: int, headed: bool
) -> pl.DataFrame:
    try:
        frame = pl.read_csv(
            body, separator=separator, quote_char=quote, infer_schema=False, has_header=headed
        )
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: cannot be read as CSV: {str(error).splitlines()[0]}") from error
    if frame.shape != (rows, len(names)):
        raise DataError(f"{path}: cannot be read as CSV: {rows} rows stand there, {frame.height} were read")
    frame.columns = names
    return frame
