"""A table from a CSV or Parquet file, or from a frame at hand, that knows where its rows came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.errors import ConfigError, DataError
from unrolled.files import formats, parquet
from unrolled.files.arff import read_arff
from unrolled.files.cells import beside_usual, or_missing
from unrolled.files.columns import IDS, is_value, usual
from unrolled.files.dates import is_time
from unrolled.files.delimited import read_delimited, without_comments
from unrolled.files.json_lines import read_json_lines
from unrolled.files.left_out import WrongRowsError, joined_reason, joined_reasons
from unrolled.files.messages import counted, listed, nearest, option, shown
from unrolled.files.no_numbers import sentinel_notes, without, words_note
from unrolled.files.number_columns import (
    Numbers,
    numeric_columns,
    one_below_the_other,
    plain_columns,
    read_numbers,
    told_decimal,
)
from unrolled.files.opening import FOREIGN, read_text, refuse_foreign
from unrolled.files.tsf import read_tsf

# Further readers of tables that name their columns, see read_arff.
_LINES = {formats.ARFF: read_arff, formats.TSF: read_tsf}
_OR_EMPTY = ", or leave it empty if the value is missing"
TIME = "time"  # the name of a column of times that has none
_SAMPLE = 100

# Files that are often taken for tables, see opening.py.
FOREIGN_TABLES = FOREIGN | {
    b"\x28\xb5\x2f\xfd": ("is compressed with zstd", "unpack it first"),
    b"\xfd7zXZ": ("is compressed with xz", "unpack it first"),
    b"PK\x03\x04": ("is a zip archive or an Excel sheet", "unpack it, or save the sheet as CSV"),
    b"ARROW1": ("is an Arrow file", "save it as Parquet"),
}


@dataclass(frozen=True)
class Table:
    """`frame`, and where each row stands in `name`: on lines[row] of a text (of others, `unit` says what is
    counted), or lines=None: rows count from 1.

    Columns of a CSV are text; `numbers` reads one as float64. `decimal`: the mark, "point" or "comma", of
    columns that do not tell theirs; None is that of the other columns, if they tell one. `notes`: on what
    is not read; `left_out`: by place why rows were left out before. `headed`: whether the first line of a
    text was taken for names. `missing`: words that say in columns of numbers that there is none, beside the
    usual ones; `lenient`: what is no number is missing too. `lists`: columns that held series in fields,
    which are rows now, and `sequences`, the column that tells which rows are of one. `groups` (rows,): the
    column that tells which stay in one part of the data (grouping.py), null where a row lacks it.
    """

    name: str
    frame: pl.DataFrame
    lines: NDArray[np.int64] | None
    decimal: str | None = None
    notes: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    headed: bool = False
    unit: str = "line"
    missing: tuple[str, ...] = ()
    lenient: bool = False
    lists: tuple[str, ...] = ()
    sequences: str | None = None
    groups: pl.Series | None = None

    def named(self) -> "Table":
        """Without a first column that has no name and numbers the rows, which other tools add to what they
        write; one of times, the index of a data frame, is called time. DataError where one without a name
        holds anything else."""
        first, width = self.frame.columns[0], self.frame.width
        if first:
            return self
        start = _first_number(self.frame[first])
        if (
            width > 1
            and start is None
            and _are_times(self.frame[first])
            and not usual(self.frame.columns, [TIME])
        ):
            note = f"the first column has no name, and holds times: it is called {TIME}"
            return replace(self, frame=self.frame.rename({first: TIME}), notes=(*self.notes, note))
        if start is None or width == 1:
            raise DataError(
                f"{self.name}: column 1 of {width} has no name, and neither numbers the rows from 0 or 1 nor "
                "holds times; give it one"
            )
        note = f"not read: the first column, which has no name and numbers the rows from {start}"
        return replace(self, frame=self.frame.drop(first), notes=(*self.notes, note))

    def row(self, row: int) -> str:
        """ "line 7", or "row 6 of 100" where there are no lines."""
        if self.lines is None:
            return f"row {row + 1} of {self.frame.height:,}"
        return f"{self.unit} {self.lines[row]}"

    def without(self, rows: NDArray[np.bool_], id: str | None = None) -> "Table":
        """Without these rows, and those that have the same `id`."""
        if id is not None:
            ids = self.frame[id]
            rows = (
                rows
                | ids.is_in(ids.filter(pl.Series(rows)).drop_nulls().implode()).fill_null(False).to_numpy()
            )
        lines, unit = (np.arange(1, len(rows) + 1), "row") if self.lines is None else (self.lines, self.unit)
        kept = pl.Series(~rows)
        groups = None if self.groups is None else self.groups.filter(kept)
        return replace(self, frame=self.frame.filter(kept), lines=lines[~rows], unit=unit, groups=groups)

    def unfolded(self, id: str | None, columns: Sequence[str] = ()) -> "Table":
        """With a row for each value of the series that stand in fields, of those of `columns` alone where
        some are; other cells are repeated. `id` names the rows, or a column of a usual name, or else their
        numbers do. WrongRowsError for a row whose series are not equally long, and for a name that comes
        again."""
        id = id or usual(self.frame.columns, IDS)
        kinds = self.frame.schema.items()
        lists = tuple(name for name, kind in kinds if isinstance(kind, pl.List) and name != id)
        lists = tuple(name for name in lists if name in columns) or lists
        if all(self.frame[name].null_count() == self.frame.height for name in lists):
            return self  # no list, or those of Parquet, which are not read
        frame, rows = self.frame, np.arange(self.frame.height)
        lengths = frame.select(pl.col(lists).list.len().fill_null(0).cast(pl.Int64)).to_numpy()
        self.refuse(
            lists[0],
            pl.Series(lengths.max(1) == 0),
            "wanted a list of one value at least, got none",
            "write it",
        )
        self.refuse(
            lists[-1],
            pl.Series((lengths != lengths[:, :1]).any(1)),
            f"the lists {listed(lists)} are not equally long",
            "wanted as many values in each, null where one is missing",
        )
        if id is None:
            id = "sequence"
            frame = frame.with_columns(pl.Series(id, rows + 1).cast(pl.String))
        else:
            self.require(id)
            again = ~frame[id].is_first_distinct()
            self.refuse(id, again, "the sequence {} stands in a row before", "give each a name of its own")
        lines, unit = (rows + 1, "row") if self.lines is None else (self.lines, self.unit)
        frame, each = frame.explode(lists), np.repeat(rows, lengths[:, 0])
        groups = None if self.groups is None else self.groups.gather(each)
        return replace(
            self, frame=frame, lines=lines[each], unit=unit, lists=lists, sequences=id, groups=groups
        )

    @property
    def places(self) -> tuple[str, ...]:
        """(rows,) where each row stands, for errors."""
        return tuple(f"{self.name}, {self.row(row)}" for row in range(self.frame.height))

    def cell(self, row: int, column: str) -> str:
        return f"{self.row(row)}, column {shown(column)}"

    def place(self, row: int, column: str) -> str:
        return f"{self.name}, {self.cell(row, column)}"

    def check_header(self) -> None:
        """DataError for a CSV that begins with values: it would lose its first row to the names."""
        names = self.frame.columns
        if self.headed and all(map(is_value, names)):
            raise DataError(
                f"{self.name}, line 1: wanted names, got values ({shown(names[0])} …); add a header line, or "
                f"say that there is none ({option('no_header')})"
            )

    @property
    def or_no_header(self) -> str:
        """A further remedy where a column is not found, and the names look like a row."""
        return f", or, if line 1 is no header, say {option('no_header')}" if self._looks_headless else ""

    @cached_property
    def _looks_headless(self) -> bool:
        """Whether a name is a value, or comes again as one below it."""
        names = self.frame.columns
        if not self.headed:
            return False
        heads = {name: self.frame[name].head(1000) for name in names}
        return any(is_value(name) or name in cells.to_list() for name, cells in heads.items())

    def require(self, column: str) -> None:
        """Raises DataError with the nearest name where the table has no such column."""
        if column not in self.frame.columns:
            raise DataError(
                f"{self.name}: no column {shown(column)}{nearest(column, self.frame.columns)}; "
                f"the columns are {listed(self.frame.columns)}"
            )

    def numbers(self, column: str) -> NDArray[np.float64]:
        """(rows,) the column as numbers, NaN where the cell is missing (empty, NA, NaN or null, in any case).

        Raises DataError with place and content of the first cell that is no finite number.
        """
        return self.matrix([column]).values[:, 0]

    def matrix(self, columns: Sequence[str]) -> "Matrix":
        """Columns as `numbers` has them, and how they are written."""
        several, known = list(dict.fromkeys(columns)), set(self.frame.columns)
        for column in several:
            if column not in known:
                self.require(column)
        plain = plain_columns(self._cells(several), self._decimal)
        others = {column: self._numbers(column) for column in several if column not in plain}
        arrays = plain | {column: _filled(one) for column, one in others.items()}
        marks = {one.decimal for one in others.values()} - {None}
        values = _side_by_side([arrays[column] for column in columns], self.frame.height)
        left_out = [
            self._left_out(one.wrong.to_numpy()[:, None], [name], one) for name, one in others.items()
        ]
        notes = [self._note(column, one.row, one) for column, one in others.items()]
        return Matrix(
            values,
            marks.pop() if len(marks) == 1 else None,
            (*self._remarks(columns, values), *(note for note in notes if note is not None)),
            joined_reasons(left_out),
        )

    def block(self, columns: Sequence[str]) -> "Matrix":
        """Columns of one quantity, such as steps of series, as `matrix` has them, but read as one column: how
        it is written holds for all of them."""
        height, frame = self.frame.height, self._cells(columns)
        kinds = set(frame.dtypes)
        if len(kinds) > 1:
            frame = frame.cast(pl.String if pl.String in kinds else pl.Float64)
        numbers = read_numbers(one_below_the_other(frame.get_columns()), self._decimal)
        wrong = numbers.wrong.to_numpy().reshape(-1, height).T
        if not self.lenient:
            self._refuse_cells(wrong, columns, *_wanted(numbers))
        values = np.ascontiguousarray(_filled(numbers).reshape(-1, height).T)
        column, row = divmod(numbers.row or 0, height)
        note = self._note(columns[column], None if numbers.row is None else row, numbers)
        remarks = self._remarks(columns, values)
        notes = remarks if note is None else (*remarks, note)
        return Matrix(values, numbers.decimal, notes, self._left_out(wrong, columns, numbers))

    def _left_out(self, wrong: NDArray[np.bool_], columns: Sequence[str], numbers: Numbers) -> dict[str, str]:
        """By the places of rows why cells (rows, columns) of them are read as missing."""
        complaint, _ = _wanted(numbers)
        why: dict[str, str] = {}
        for row, k in np.argwhere(wrong).tolist():
            cell = complaint.replace("{}", shown(self.frame[columns[k]][row]))
            place = f"{self.name}, {self.row(row)}"
            why[place] = joined_reason(
                why.get(place), f"column {shown(columns[k])}: {cell}, which is missing now"
            )
        return why

    def _cells(self, columns: Sequence[str]) -> pl.DataFrame:
        """The columns, null where a cell says that there is no number by a word that is named."""
        return without(self.frame.select(columns), self.missing)

    def _remarks(self, columns: Sequence[str], values: NDArray[np.float64]) -> tuple[str, ...]:
        """What is read as missing in columns of numbers, and what looks so and is not."""
        words = words_note(self.frame.select(list(dict.fromkeys(columns))), self.missing)
        return (*words, *sentinel_notes(columns, values))

    def _numbers(self, column: str) -> Numbers:
        self.require(column)
        cells = self._cells([column])[column]
        if not (cells.dtype.is_numeric() or cells.dtype in (pl.String, pl.Boolean, pl.Null)):
            raise self.unlike(column, "numbers")
        numbers = read_numbers(cells, self._decimal)
        if not self.lenient:
            self.refuse(column, numbers.wrong, *_wanted(numbers))
        return numbers

    def _note(self, column: str, row: int | None, numbers: Numbers) -> str | None:
        """How the first cell that no computer would write so, in this row of the column, is read."""
        if row is None or numbers.row is None:
            return None
        cell, value = shown(self.frame[column][row]), f"{numbers.values[numbers.row]:.15g}"
        note = f"column {shown(column)}: {cell} in {self.row(row)} is read as {value}"
        if numbers.assumed:
            note += f"; if its comma stands before decimals, say {option('decimal', 'comma')}"
        return note

    @cached_property
    def _decimal(self) -> str | None:
        return self.decimal or told_decimal(self.frame)

    @property
    def numeric(self) -> frozenset[str]:
        """The columns that hold numbers, whose other cells are then errors: see numeric_columns."""
        return self._contents[0]

    @property
    def step_columns(self) -> frozenset[str]:
        """The columns that may be steps of series: of numbers, or empty."""
        return self._contents[1]

    @cached_property
    def only_numbers(self) -> frozenset[str]:
        """The columns whose cells are all finite numbers or missing, and one at least a number; where what is
        no number is missing, all that hold numbers."""
        if self.lenient:
            return self.numeric
        cells = without(self.frame, self.missing)
        plain = plain_columns(cells, self._decimal)
        numeric = {name for name, values in plain.items() if not np.isnan(values).all()}
        return frozenset(
            numeric | {name for name in cells.columns if name not in plain and is_numeric(cells[name])}
        )

    @cached_property
    def _contents(self) -> tuple[frozenset[str], frozenset[str]]:
        return numeric_columns(without(self.frame, self.missing))

    def texts(self, column: str, wanted: str) -> pl.Series:
        """(rows,) the column as it stands. DataError where it is none of texts."""
        self.require(column)
        cells = self.frame[column]
        if cells.dtype != pl.String:
            raise self.unlike(column, wanted)
        return cells

    def unlike(self, column: str, wanted: str) -> DataError:
        """The error of a column whose values are of a wrong type."""
        got = self.frame[column].dtype
        return DataError(
            f"{self.name}, column {shown(column)}: wanted {wanted}, got {got} values; name another"
        )

    def refuse(self, column: str, wrong: pl.Series, complaint: str, remedy: str) -> None:
        """Raises WrongRowsError for the first of the rows that are `wrong`; {} in `complaint` becomes its
        cell."""
        if wrong.any():
            self._refuse_cells(wrong.to_numpy()[:, None], [column], complaint, remedy)

    def _refuse_cells(
        self, wrong: NDArray[np.bool_], columns: Sequence[str], complaint: str, remedy: str
    ) -> None:
        """wrong (rows, columns): which cells are."""
        if not wrong.any():
            return

        def first(row: int) -> str:
            return columns[int(wrong[row].argmax())]

        def reason(row: int) -> str:
            if "{}" not in complaint:
                return complaint
            cell = self.frame[first(row)][row]
            return complaint.replace("{}", "nothing" if cell is None or cell == "" else shown(cell))

        rows = np.asarray(wrong.any(1))
        row, others = int(rows.argmax()), int(wrong.sum()) - 1
        more = f" ({counted(others, 'more such cell')})" if others else ""
        if "{missing}" in remedy:
            remedy = remedy.replace("{missing}", or_missing(self.frame[first(row)][row], _OR_EMPTY))
        message = f"{self.place(row, first(row))}: {reason(row)}{more}; {remedy}"
        raise WrongRowsError(message, rows, lambda row: f"column {shown(first(row))}: {reason(row)}")


@dataclass(frozen=True)
class Matrix:
    """values (rows, N) of N columns, NaN where a cell is missing; the decimal mark of those that are not
    written as a computer does, where they share one; a note on each of these; and, by places of rows, why
    cells that are no numbers are missing, where that is allowed."""

    values: NDArray[np.float64]
    decimal: str | None
    notes: tuple[str, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)


def _wanted(numbers: Numbers) -> tuple[str, str]:
    """What is said of a cell that is wrong among these, and the remedy."""
    unit = "" if numbers.unit is None else f" and {numbers.unit}"
    wanted = f"wanted a finite number with a decimal {numbers.decimal or 'point'}{unit}, got {{}}"
    return wanted, "correct the cell{missing}"


def _filled(numbers: Numbers) -> NDArray[np.float64]:
    return np.where(numbers.wrong.to_numpy(), np.nan, numbers.values.fill_null(np.nan).to_numpy())


def _side_by_side(arrays: Sequence[NDArray[np.float64]], height: int) -> NDArray[np.float64]:
    return np.column_stack(arrays) if arrays else np.empty((height, 0))


def _first_number(cells: pl.Series) -> int | None:
    """0 or 1, where the cells count the rows from there."""
    if not (cells.dtype.is_integer() or cells.dtype == pl.String):
        return None
    numbers = cells.cast(pl.Int64, strict=False)
    start = numbers[0]
    counted_rows = pl.int_range(len(cells), eager=True) + start
    return start if start in (0, 1) and numbers.eq_missing(counted_rows).all() else None


def _are_times(cells: pl.Series) -> bool:
    """Whether they are dates, or whole numbers that rise by one step, as years do."""
    if cells.dtype == pl.String:
        if cells.head(_SAMPLE).map_elements(is_time, pl.Boolean).fill_null(False).all():
            return True
        cells = cells.cast(pl.Int64, strict=False)
    if not cells.dtype.is_integer():
        return cells.dtype in (pl.Date, pl.Datetime)
    steps = cells.diff().drop_nulls().unique()
    return not cells.has_nulls() and len(steps) == 1 and steps[0] > 0


def is_numeric(cells: pl.Series) -> bool:
    """Whether every cell is a finite number or missing, and one at least a number."""
    if not (cells.dtype.is_numeric() or cells.dtype == pl.String):
        return False
    numbers = read_numbers(cells)
    return not numbers.wrong.any() and bool(numbers.values.is_finite().any())


def open_table(
    source: str | Path | pl.DataFrame,
    decimal: str | None = None,
    header: bool = True,
    skip: bool = False,
    lists: Sequence[str] = (),
    encoding: str | None = None,
    missing: Sequence[str] = (),
) -> Table:
    """The table in a CSV (separated by comma, semicolon or tab), a Parquet file, JSON lines, ARFF or .tsf,
    or in a polars frame; `decimal` as of Table. Without a `header` the columns of a CSV are called 1, 2, …;
    `skip`: leave out lines that are no rows; `lists`: columns of a Parquet file that may hold lists of
    labels; `encoding`: that of text that is not in UTF-8; `missing`: as of Table.

    Raises DataError, one line with file, place and remedy, for everything else.
    """
    name, lines, headed, wrong = "the table", None, False, dict[str, str]() if skip else None
    unit = "line"
    notes: list[str] = []
    if isinstance(source, pl.DataFrame):
        frame = source
    else:
        name, data = str(Path(source)), read_text(Path(source), "a CSV or Parquet file", encoding)
        kind = formats.format_of(Path(source), data[: formats.START])
        if kind == formats.PARQUET:
            frame = parquet.read_parquet(name, data, lists)
        else:
            refuse_foreign(name, data, FOREIGN_TABLES, "CSV in UTF-8, or Parquet")
            if kind == formats.JSON_LINES:
                frame, lines, unit = read_json_lines(name, data, wrong)
            elif kind in _LINES:
                frame, lines = _LINES[kind](name, data, wrong)
            else:
                headed = header
                data, comments = without_comments(data)
                if comments:
                    notes.append(f"not read: {counted(comments, 'line')} of comments above the header")
                frame, lines = read_delimited(name, data, lambda _: header, wrong, notes)
    if not header and (lines is None or kind in formats.NAMED):
        raise ConfigError(f"{option('no_header')} is for CSV, and {name} names its columns; leave it out")
    if not frame.height:
        raise DataError(f"{name}: the table has no rows; wanted at least one")
    words, left_out = beside_usual(missing), wrong or {}
    return Table(
        name, frame, lines, decimal, tuple(notes), left_out, headed, missing=words, unit=unit
    ).named()


def sources_of(source: Any) -> list[Path | pl.DataFrame]:
    """The files and frames of a source: one, or several in a list. DataError where there are none,
    ConfigError for what is neither."""
    several = list(source) if isinstance(source, list | tuple) else [source]
    if not several:
        raise DataError("no files were named; name one at least")
    for one in several:
        if not isinstance(one, str | Path | pl.DataFrame):
            raise ConfigError(f"wanted a path, paths or a polars frame, got {type(one).__name__}")
    return [one if isinstance(one, pl.DataFrame) else Path(one) for one in several]
