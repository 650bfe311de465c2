"""Tables of inputs and their captions, or their sequences of numbers, as captioned.py describes them.

CSV, Parquet, a frame   paths of pictures are relative to the table's folder
"""

import hashlib
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.errors import ConfigError, DataError
from unrolled.files.caption_columns import Columns, find_columns
from unrolled.files.captioned import Captioned, Given, Query
from unrolled.files.images import Pixels, read_image, spelt
from unrolled.files.limits import VALUE_BYTES, require_few
from unrolled.files.long import grouped, in_time, one_each
from unrolled.files.manifest import inside
from unrolled.files.messages import counted, listed, option
from unrolled.files.query import written
from unrolled.files.table import Table, open_table

Indices = NDArray[np.int64]


def read_captioned(source: Any, asked: Query) -> Captioned:
    """The inputs of a path, of several paths, or of a polars frame; Captioned come back as they are.

    Raises ConfigError for columns that do not go together; DataError of one line, with the place, for
    everything that is wrong in a file.
    """
    if isinstance(source, Captioned):
        return source
    several = list(source) if isinstance(source, list | tuple) else [source]
    if not several:
        raise DataError("no files were named; name one at least")
    parts = [_read(one, asked) for one in several]
    for other in parts[1:]:
        _check_alike(parts[0], other)
    rows = [row for part in parts for row in part.rows]
    if asked.alike and asked.size is None:
        _check_sizes(rows)
    notes = tuple(dict.fromkeys(chain(*(part.notes for part in parts))))
    return _gathered(rows, parts[0].columns, notes)


@dataclass(frozen=True)
class _Row:
    """`key` is the same for rows of one input, None for one of its own."""

    key: Any
    input: Pixels | Given
    answer: Any
    name: str
    place: str


@dataclass(frozen=True)
class _Part:
    name: str
    columns: Columns
    rows: list[_Row]
    notes: tuple[str, ...]


def _gathered(rows: Sequence[_Row], columns: Columns, notes: tuple[str, ...]) -> Captioned:
    """Rows of one input become one, at the place of the first."""
    groups: dict[Any, list[_Row]] = {}
    for number, row in enumerate(rows):
        groups.setdefault((number,) if row.key is None else row.key, []).append(row)
    first = [own[0] for own in groups.values()]
    there = all(row.answer is not None for row in rows)
    return Captioned(
        tuple(row.input for row in first),
        columns.features,
        columns.given,
        tuple(tuple(row.answer for row in own) for own in groups.values()) if there else None,
        columns.target if columns.id is not None else (),
        tuple(row.name for row in first),
        tuple(row.place for row in first),
        notes,
    )


def _check_alike(first: _Part, other: _Part) -> None:
    """That both have inputs and answers of the same columns; where pictures stand may differ."""

    def kind(part: _Part) -> str:
        c = part.columns
        names = [*c.features, *([c.given] if c.given else [])]
        of = f"columns {listed(names)}" if names else "pictures"
        return f"{of} and {f'sequences of {listed(c.target)}' if c.id else 'captions'}"

    if kind(first) != kind(other):
        raise DataError(
            f"{other.name} holds {kind(other)}, {first.name} {kind(first)}; wanted the same in all files, or "
            "name the columns to use"
        )


def _check_sizes(rows: Sequence[_Row]) -> None:
    if isinstance(rows[0].input, Given):
        return
    for row in rows:
        if row.input.shape != rows[0].input.shape:  # type: ignore[union-attr]
            raise DataError(
                f"{row.place}: a picture of {_size(row)}, that of {rows[0].place} of {_size(rows[0])}; "
                f"wanted pictures of one size, or {option('image_size', _size(rows[0]))} to resize "
                "them all"
            )


def _size(row: _Row) -> str:
    height, width = row.input.shape[:2]  # type: ignore[union-attr]
    return spelt((height, width))


def _read(source: Any, asked: Query) -> _Part:
    if not isinstance(source, str | Path | pl.DataFrame):
        raise ConfigError(f"wanted a path, paths, a polars frame or Captioned, got {type(source).__name__}")
    table = open_table(source)
    columns, notes = find_columns(table, asked)
    folder = None if isinstance(source, pl.DataFrame) else Path(source).parent
    groups = _Groups.of(table, columns)
    inputs = _pictures if columns.image is not None else _given
    names, found, keys = inputs(groups, asked, folder)
    if columns.id is not None:
        keys, names = [None] * len(found), groups.each(columns.id, groups.ids, "id").to_list()
    made = zip(keys, found, _answers(groups, asked.answers), names, groups.places, strict=True)
    return _Part(table.name, columns, [_Row(*one) for one in made], notes)


@dataclass(frozen=True)
class _Groups:
    """The rows of each of the N inputs, one after another in `order`, each input's beginning at `starts`
    (N,); without ids every row is an input. `ids` (rows,) are their names."""

    table: Table
    columns: Columns
    ids: pl.Series
    order: Indices
    starts: Indices

    @classmethod
    def of(cls, table: Table, columns: Columns) -> "_Groups":
        if columns.id is None:
            rows = np.arange(table.frame.height)
            require_few(table.name, counted(len(rows), "row"), 0, sequences=len(rows))
            return cls(table, columns, pl.Series(rows + 1).cast(pl.String), rows, rows)
        ids = written(table, columns.id, "the name of a sequence")
        return cls(table, columns, ids, *grouped(table, ids))

    @property
    def places(self) -> list[str]:
        firsts = np.minimum.reduceat(self.order, self.starts)
        return [f"{self.table.name}, {self.table.row(row)}" for row in firsts.tolist()]

    def each(self, column: str, cells: pl.Series, noun: str) -> pl.Series:
        """(N,) of cells (rows,)."""
        return one_each(self.table, column, cells, self.order, self.starts, noun)


def _given(groups: _Groups, asked: Query, folder: Path | None) -> tuple[list[str], list[Any], list[Any]]:
    """Names, inputs and keys of numbers and classes."""
    columns, N = groups.columns, len(groups.starts)
    numbers = np.empty((N, len(columns.features)))
    for f, column in enumerate(columns.features):
        numbers[:, f] = groups.each(column, _known(groups.table, column), "value").to_numpy()
    labels: list[Any] = [None] * N
    if columns.given is not None:
        cells = written(groups.table, columns.given, "a class")
        labels = groups.each(columns.given, cells, "class").to_list()
    inputs = [Given(row, label) for row, label in zip(numbers, labels, strict=True)]
    keys = [(one.numbers.tobytes(), one.label) if columns.features else None for one in inputs]
    names = groups.ids.gather(groups.order[groups.starts]).to_list()
    return names if columns.features else labels, inputs, keys


def _pictures(groups: _Groups, asked: Query, folder: Path | None) -> tuple[list[str], list[Any], list[Any]]:
    """Names, inputs and keys of pictures. A file that comes several times is read once. Where there are
    answers the key is of the pixels, so that a copy under another name is in the same part of the data; what
    is only asked about is told of file by file."""
    column = groups.columns.image or ""
    cells = written(groups.table, column, "the path of a picture")
    odd = ~cells.str.contains(r"^[^\pC]+$")
    groups.table.refuse(column, odd, "wanted a path, got {}", "write it without control characters")
    names = groups.each(column, cells, "picture").to_list()
    known: dict[str, Pixels] = {}
    files, held = [], 0
    for name, place in zip(names, groups.places, strict=True):
        try:
            path = inside(folder, name)
            files.append(posixpath.normpath(path.as_posix()))
            if files[-1] not in known:
                known[files[-1]] = read_image(path, asked.channels, asked.size)
                held += known[files[-1]].nbytes
                require_few(groups.table.name, f"{held:,} bytes of pictures", held // VALUE_BYTES)
        except DataError as error:
            raise DataError(f"{place}: {error}") from error
    if not asked.answers:
        return names, [known[file] for file in files], files
    keys = {file: (one.shape, hashlib.sha256(one.tobytes()).digest()) for file, one in known.items()}
    return names, [known[file] for file in files], [keys[file] for file in files]


def _answers(groups: _Groups, required: bool) -> list[Any]:
    """(N,) captions, or sequences (T, D); all None where the table may lack them and does."""
    table, columns = groups.table, groups.columns
    none: list[Any] = [None] * len(groups.starts)
    if not columns.target:
        return none
    if columns.id is None:
        cells = written(table, columns.target[0], "a caption", required)
        return none if cells.has_nulls() else cells.to_list()
    if not required and any(np.isnan(table.numbers(column)).any() for column in columns.target):
        return none
    order = groups.order
    if columns.time is not None:
        order = in_time(table, columns.time, order, groups.starts)
    values = np.column_stack([_known(table, column).to_numpy() for column in columns.target])
    return list(np.split(values[order], groups.starts[1:]))


def _known(table: Table, column: str) -> pl.Series:
    """(rows,) numbers, none missing."""
    values = table.numbers(column)
    table.refuse(column, pl.Series(np.isnan(values)), "wanted a number, got {}", "fill the cell")
    return pl.Series(values)
