"""Pairs of texts: a source, and the target that it becomes.

TSV                     a line is a pair, a tab between its sides; quotes are plain characters
CSV, Parquet, a frame   a row is a pair
two text files          the sources and the targets, line by line
a text file             sources alone, to be answered
a list                  of pairs (source, target), or of sources

A file that ends in .csv, .parquet or .pq is one, .tsv and .tab are TSV; of any other the first line tells:
TSV where it holds a tab, else lines. TSV and CSV need no header: their first line is one where it names
columns as the caller does, or holds usual names of both sides. Blanks at the ends of a side, and empty lines
at the end of a file, do not count. A source may stand in several pairs: its targets are all right.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.errors import ConfigError, DataError
from unrolled.files.delimited import read_delimited
from unrolled.files.fingerprints import Prints, fingerprints
from unrolled.files.limits import require_few
from unrolled.files.messages import counted, listed, option, shown
from unrolled.files.opening import clean_text, read_bytes, refuse_foreign
from unrolled.files.parquet import is_parquet
from unrolled.files.query import usual
from unrolled.files.roles import check_distinct
from unrolled.files.table import FOREIGN_TABLES, Table, open_table

SOURCES = ("source", "src", "input", "question")
TARGETS = ("target", "tgt", "trg", "output", "answer")

_WANTED = "pairs of texts in TSV, CSV, Parquet or two text files"


@dataclass(frozen=True)
class Pairs:
    """N pairs of one source.

    sources  (N,) texts, none empty
    targets  (N,) likewise; None where there are none
    places   (N,) where each stands, for errors: "words.tsv, line 7"
    notes    what the reader found and chose
    columns  whether any came from a table, whose columns may be named
    """

    noun: ClassVar[str] = "pair"

    sources: tuple[str, ...]
    targets: tuple[str, ...] | None
    places: tuple[str, ...]
    notes: tuple[str, ...] = ()
    columns: bool = False

    def __len__(self) -> int:
        return len(self.sources)

    def select(self, indices: Sequence[int] | NDArray[np.int64]) -> "Pairs":
        """Those of `indices`, in their order."""
        at = [int(i) for i in indices]
        targets = None if self.targets is None else tuple(self.targets[i] for i in at)
        sources, places = (tuple(all_[i] for i in at) for all_ in (self.sources, self.places))
        return replace(self, sources=sources, targets=targets, places=places)

    def grouped(self) -> dict[str, list[int]]:
        """Every distinct source, in the order of its first pair: the indices of its pairs."""
        found: dict[str, list[int]] = {}
        for i, source in enumerate(self.sources):
            found.setdefault(source, []).append(i)
        return found

    def fingerprints(self) -> Prints:
        """(N,) of the sources."""
        return fingerprints((source,) for source in self.sources)

    def checksum(self) -> str:
        """SHA-256 of the sources and the targets."""
        return hashlib.sha256(repr((self.sources, self.targets)).encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class _Query:
    """Names of columns, of a table without a header their numbers from 1; None where open. `answers` False:
    targets may lack."""

    source: str | None
    target: str | None
    answers: bool

    def is_header(self, names: Sequence[str]) -> bool:
        """Whether the first line of a table says what its columns are."""
        named = [name for name in (self.source, self.target) if name is not None]
        if named:
            return any(name in names or not name.isdecimal() for name in named)
        found = [usual(names, SOURCES), usual(names, TARGETS)]
        return all(found) or (len(names) == 1 and not self.answers and found[0] is not None)


@dataclass(frozen=True)
class _Lines:
    """A text file: a line is a side."""

    name: str
    texts: list[str]

    def place(self, i: int) -> str:
        return f"{self.name}, line {i + 1}"


def read_pairs(
    source: Any, *, source_column: str | None = None, target_column: str | None = None, answers: bool = True
) -> Pairs:
    """The pairs of a path, of several paths, of a polars frame or of a list; Pairs come back as they are.

    source_column, target_column   columns of a table; of one without a header their numbers, from 1
    answers                        False: targets may lack. Text files are sources then, and so is each text
                                   of a list

    Raises ConfigError for what is no source; DataError of one line, with the place, for a pair with an empty
    side, a line of another number of fields, files of unequal length, and whatever else is wrong in a file.
    """
    if isinstance(source, Pairs):
        return source
    asked = _Query(source_column, target_column, answers)
    if isinstance(source, pl.DataFrame):
        return _of_table(open_table(source), asked)
    files = _files(source, answers)
    if files is None:
        return _of_list(source, asked)
    parts = [_read(path, asked) for path in files]
    texts = [part for part in parts if isinstance(part, _Lines)]
    pairs = [part for part in parts if isinstance(part, Pairs)]
    if texts and pairs:
        raise DataError(
            f"{texts[0].name}, line 1: no tab, so this is a file of lines, and others hold pairs; wanted "
            "files of one kind"
        )
    if not answers:
        pairs += [_of_sources(one) for one in texts]
    elif texts:
        pairs = [_side_by_side(texts)]
    return _joined(pairs)


def _files(source: Any, answers: bool) -> list[Path] | None:
    """The paths of a source that is of files, else None. Texts in a list are files where answers are wanted,
    which they could not hold."""
    if isinstance(source, str | Path):
        return [Path(source)]
    if not isinstance(source, list | tuple):
        raise ConfigError(
            f"wanted a path, paths, a polars frame or a list of pairs, got {type(source).__name__}"
        )
    if not source:
        raise DataError("there are no pairs; name files, or give a list of one pair at least")
    if all(isinstance(one, Path) for one in source):
        return list(source)
    texts = all(isinstance(one, str | Path) for one in source)
    return [Path(one) for one in source] if texts and (answers or isinstance(source, tuple)) else None


def _read(path: Path, asked: _Query) -> Pairs | _Lines:
    name, data, ending = str(path), read_bytes(path, _WANTED), path.suffix.lower()
    if is_parquet(path, data):
        return _of_table(open_table(path), asked)
    refuse_foreign(name, data, FOREIGN_TABLES, _WANTED)
    if ending == ".csv":
        return _of_table(Table(name, *read_delimited(name, data, asked.is_header)), asked)
    body = clean_text(name, data, _WANTED, "a pair in each line").decode()
    texts = body.rstrip("\n").split("\n")
    is_pairs = "\t" in texts[0] or (ending in (".tsv", ".tab") and asked.answers)
    return _of_table(_tsv(name, texts, asked), asked) if is_pairs else _Lines(name, texts)


def _tsv(name: str, texts: list[str], asked: _Query) -> Table:
    rows = [line.split("\t") for line in texts]
    width = len(rows[0])
    if width == 1:
        raise DataError(f"{name}, line 1: wanted a source, a tab and a target, got {shown(texts[0])}")
    for line, row in enumerate(rows, 1):
        if len(row) != width:
            raise DataError(
                f"{name}, line {line}: wanted {counted(width, 'field')} with a tab between as in line 1, got "
                f"{len(row)}; complete the line, or delete it"
            )
    first = [field.strip() for field in rows[0]]
    header = asked.is_header(first)
    if header and len(set(first)) < width:
        raise DataError(f"{name}, line 1: two columns of one name in {listed(first)}; rename one")
    if header and len(rows) == 1:
        raise DataError(f"{name}: the file has a header and no pairs; wanted at least one below it")
    names = first if header else _numbers(width)
    frame = pl.DataFrame(rows[header:], schema=dict.fromkeys(names, pl.String), orient="row")
    return Table(name, frame, np.arange(len(frame)) + 1 + header)


def _numbers(width: int) -> list[str]:
    """What columns without a header are called."""
    return [str(number) for number in range(1, width + 1)]


def _of_table(table: Table, asked: _Query) -> Pairs:
    source, target = _columns(table, asked)
    rows = table.frame.height
    require_few(table.name, counted(rows, "pair"), 0, sequences=rows)
    sources = _texts(table, source, "source")
    targets = None if target is None else _texts(table, target, "target")
    places = tuple(f"{table.name}, {table.row(row)}" for row in range(len(sources)))
    header = table.lines is None or table.frame.columns != _numbers(table.frame.width)
    found = [
        f"{side}: column {shown(name) if header else name}"
        for side, name in (("source", source), ("target", target))
        if name is not None
    ]
    note = ", ".join(found) + ("" if header else "; the first line is a pair, no header")
    return Pairs(sources, targets, places, (note,), columns=True)


def _columns(table: Table, asked: _Query) -> tuple[str, str | None]:
    """Those that were named or have usual names; of two columns the first is the source."""
    names = table.frame.columns
    source, target = asked.source or usual(names, SOURCES), asked.target or usual(names, TARGETS)
    if not asked.answers and target not in names:
        target = None
    check_distinct([(name, side) for name, side in ((source, "source"), (target, "target")) if name])
    for name in (source, target):
        if name is not None:
            table.require(name)
    left = [name for name in names if name not in (source, target)]
    if source is None and len(left) == len(names) <= 2:
        source, left = left[0], left[1:]
    elif source is None and len(names) == 2:
        source, left = left[0], []
    if target is None and asked.target is None and len(names) == 2:
        target = left[0]
    if source is None or (target is None and asked.answers):
        remedy = (
            f"name them with {option('source_column')} and {option('target_column')}, without a header by "
            "their numbers"
        )
        found = f"{listed(names)}; {remedy}" if len(names) > 1 else "one alone; add the other side"
        raise DataError(f"{table.name}: wanted a column of sources and one of targets, found {found}")
    return source, target


def _texts(table: Table, column: str, side: str) -> tuple[str, ...]:
    cells = table.frame[column]
    if cells.dtype != pl.String:
        raise DataError(
            f"{table.name}, column {shown(column)}: wanted texts, got {cells.dtype} values; name another"
        )
    texts = [(cell or "").strip() for cell in cells.to_list()]
    empty = pl.Series([not text for text in texts], dtype=pl.Boolean)
    table.refuse(column, empty, f"the {side} of this pair is empty", "write it, or delete the pair")
    return tuple(texts)


def _of_sources(lines: _Lines) -> Pairs:
    texts = tuple(text.strip() for text in lines.texts)
    for i, text in enumerate(texts):
        if not text:
            raise DataError(f"{lines.place(i)}: the source is empty; write it, or delete the line")
    return Pairs(texts, None, tuple(lines.place(i) for i in range(len(texts))), ("a source in each line",))


def _side_by_side(files: list[_Lines]) -> Pairs:
    if len(files) == 1:
        raise DataError(
            f"{files[0].name}, line 1: wanted a source, a tab and a target, got no tab; separate the sides "
            "by tabs, or give a second file with the target of each line"
        )
    if len(files) > 2:
        raise DataError(
            f"{files[2].name}: wanted two text files, of sources and of targets, got {len(files)}"
        )
    sources, targets = files
    if len(sources.texts) != len(targets.texts):
        raise DataError(
            f"{sources.name} has {counted(len(sources.texts), 'line')} and {targets.name} "
            f"{len(targets.texts):,}; wanted the target of line k in line k, as many of both"
        )
    left, right = (tuple(text.strip() for text in side.texts) for side in files)
    for i, pair in enumerate(zip(left, right, strict=True)):
        for text, file, side in zip(pair, files, ("source", "target"), strict=True):
            if not text:
                raise DataError(
                    f"{file.place(i)}: the {side} of this pair is empty; write it, or delete the line in "
                    "both files"
                )
    note = f"sources: {sources.name}, targets: {targets.name}, line by line"
    return Pairs(left, right, tuple(sources.place(i) for i in range(len(left))), (note,))


def _of_list(source: Sequence[Any], asked: _Query) -> Pairs:
    alone = not asked.answers and all(isinstance(one, str) for one in source)
    rows = [(one,) for one in source] if alone else source
    sides = ("source", "target")[: 1 if alone else 2]
    for i, row in enumerate(rows):
        if not (isinstance(row, list | tuple) and len(row) == len(sides)) or not all(
            isinstance(text, str) for text in row
        ):
            raise DataError(f"pair {i}: wanted two texts (source, target), got {shown(row)}")
        for text, side in zip(row, sides, strict=True):
            if not text.strip():
                raise DataError(f"pair {i}: the {side} is empty; write it, or leave the pair out")
            if re.search("[\ud800-\udfff]", text):
                raise DataError(
                    f"pair {i}: the {side} holds a lone surrogate, which is no text; leave it out"
                )
    columns = [tuple(text.strip() for text in column) for column in zip(*rows, strict=True)]
    return Pairs(columns[0], None if alone else columns[1], tuple(f"pair {i}" for i in range(len(rows))))


def _joined(parts: list[Pairs]) -> Pairs:
    """All of them in their order; without targets where one has none."""
    targets = [part.targets for part in parts]
    return Pairs(
        tuple(chain(*(part.sources for part in parts))),
        None if None in targets else tuple(chain(*(each or () for each in targets))),
        tuple(chain(*(part.places for part in parts))),
        tuple(dict.fromkeys(chain(*(part.notes for part in parts)))),
        any(part.columns for part in parts),
    )
