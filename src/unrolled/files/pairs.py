"""Pairs of texts: a source, and the target that it becomes.

TSV                     a line is a pair, a tab between its sides; quotes are plain characters
CSV, Parquet, a frame   a row is a pair
two text files          the sources and the targets, line by line
a text file             sources alone, to be answered
a list                  of pairs (source, target), or of sources

A file that ends in .csv, .parquet or .pq is one, .tsv and .tab are TSV; of any other the first line tells:
TSV where it holds a tab, else lines. TSV and CSV need no header: their first line is one where it names
columns as the caller does, or holds usual names of both sides or the names of two languages. Blanks at the
ends of a side, and empty lines at the end of a file, do not count. A source may stand in several pairs:
its targets are all right.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl

from unrolled.errors import ConfigError, DataError
from unrolled.files import formats
from unrolled.files.columns import usual
from unrolled.files.delimited import read_delimited
from unrolled.files.examples import Examples, encoded, joined
from unrolled.files.grouping import row_groups
from unrolled.files.left_out import WrongLineError, offering_to_skip, or_skip_wrong, usable_rows
from unrolled.files.limits import require_few
from unrolled.files.messages import counted, listed, option, shown
from unrolled.files.opening import clean_text, read_text, refuse_foreign
from unrolled.files.query import OPEN, Query
from unrolled.files.table import FOREIGN_TABLES, Table

SOURCES = ("source", "src", "input", "question")
TARGETS = ("target", "tgt", "trg", "output", "answer")
# What heads a column of texts in a language: its English name or two letters.
_LANGUAGES = {
    *("arabic", "chinese", "czech", "danish", "dutch", "english", "finnish", "french", "german", "greek"),
    *("hebrew", "hindi", "hungarian", "italian", "japanese", "korean", "norwegian", "polish", "portuguese"),
    *("romanian", "russian", "spanish", "swedish", "turkish", "ukrainian"),
    *("ar", "zh", "cs", "da", "nl", "en", "fi", "fr", "de", "el", "he", "hi", "hu", "it", "ja", "ko", "no"),
    *("pl", "pt", "ro", "ru", "es", "sv", "tr", "uk"),
}

_WANTED = "pairs of texts in TSV, CSV, Parquet or two text files"


@dataclass(frozen=True)
class Pairs(Examples[str, str]):
    """Inputs are sources, answers targets; none is empty. A pair has no name but its place; `named`: whether
    any pair came from a table, whose columns may be named."""

    noun: ClassVar[str] = "pair"

    def grouped(self) -> dict[str, list[int]]:
        """Every distinct source, in the order of its first pair: the indices of its pairs."""
        pairs: dict[str, list[int]] = {}
        for i, source in enumerate(self.inputs):
            pairs.setdefault(source, []).append(i)
        return pairs

    def _lacking(self) -> str:
        return "there are no targets; give pairs of a source and its target"

    def _content(self) -> Iterator[bytes]:
        yield encoded((self.inputs, self.answers))


@dataclass(frozen=True)
class _Lines:
    """A text file, a side of a pair in each line."""

    name: str
    texts: tuple[str, ...]

    def place(self, i: int) -> str:
        return f"{self.name}, line {i + 1}"

    @property
    def places(self) -> tuple[str, ...]:
        return tuple(map(self.place, range(len(self.texts))))


def read_pairs(source: Any, query: Query = OPEN) -> Pairs:
    """The pairs of a path, of several paths, of a polars frame or of a list; Pairs come back as they are. The
    columns of a table without a header are named by their numbers, from 1. Where targets may lack, text files
    are sources, and so is each text of a list.

    Raises ConfigError for what is no source; DataError of one line, with the place, for a pair with an empty
    side, a line of another number of fields, files of unequal length, and whatever else is wrong in a file.
    """
    if isinstance(source, Pairs):
        return source
    if isinstance(source, pl.DataFrame):
        return _of_table(query.open(source), query)
    paths = _paths(source, query.answers)
    if paths is None:
        return _of_list(source, query.answers)
    with offering_to_skip(query.skip_wrong):
        files = [_read(path, query) for path in paths]
    texts = [file for file in files if isinstance(file, _Lines)]
    pairs = [file for file in files if isinstance(file, Pairs)]
    if texts and pairs:
        raise DataError(
            f"{texts[0].name}, line 1: no tab, so this is a file of lines, and others hold pairs; wanted "
            "files of one kind"
        )
    if not query.answers:
        pairs += [_of_sources(one, query.skip_wrong) for one in texts]
    elif texts:
        pairs = [_side_by_side(texts, query.skip_wrong)]
    return replace(joined(pairs), named=any(one.named for one in pairs))


def _pairs(
    sources: Sequence[str], targets: Sequence[str] | None, places: tuple[str, ...], *notes: str, named: bool
) -> Pairs:
    answers = None if targets is None else tuple(targets)
    return Pairs(tuple(sources), (), answers, places, places, notes, named=named)


def _paths(source: Any, answers: bool) -> list[Path] | None:
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


def _read(path: Path, query: Query) -> Pairs | _Lines:
    name, data = str(path), read_text(path, _WANTED, query.encoding)
    kind = formats.format_of(path, data[: formats.START])
    if kind in formats.NAMED:
        return _of_table(query.open(path), query)
    refuse_foreign(name, data, FOREIGN_TABLES, _WANTED)
    wrong = dict[str, str]() if query.skip_wrong else None
    if kind == formats.CSV:
        table = Table(name, *read_delimited(name, data, partial(_is_header, query), wrong))
        return _of_table(replace(table, left_out=wrong or {}).named(), query)
    body = clean_text(name, data, _WANTED, "a pair in each line", wrong).decode()
    lines = body.rstrip("\n").split("\n")
    if "\t" in lines[0] or (kind == formats.TSV and query.answers):
        return _of_table(_tsv(name, lines, query, wrong), query)
    return _Lines(name, tuple(line.strip() for line in lines))


def _is_header(query: Query, names: Sequence[str]) -> bool:
    """Whether the first line of a table says what its columns are."""
    if query.no_header:
        return False
    group = query.group if query.grouped else None
    named = [name for name in (query.source, query.target, group) if name is not None]
    if named:
        return any(name in names or not name.isdecimal() for name in named)
    if len(names) == 2 and len(set(names)) == 2 and all(name.casefold() in _LANGUAGES for name in names):
        return True
    source, target = usual(names, SOURCES), usual(names, TARGETS)
    return source is not None and (target is not None or (len(names) == 1 and not query.answers))


def _tsv(name: str, lines: list[str], query: Query, wrong: dict[str, str] | None) -> Table:
    rows, numbers = [line.split("\t") for line in lines], list(range(1, len(lines) + 1))
    width = len(rows[0])
    if width == 1:
        raise DataError(f"{name}, line 1: wanted a source, a tab and a target, got {shown(lines[0])}")
    for line, row in zip(numbers, rows, strict=True):
        if len(row) != width:
            said = f"wanted {counted(width, 'field')} with a tab between as in line 1, got {len(row)}"
            if wrong is None:
                raise WrongLineError(f"{name}, line {line}: {said}; complete the line, or delete it")
            wrong.setdefault(f"{name}, line {line}", said)
    kept = [k for k, row in enumerate(rows) if len(row) == width]
    rows, numbers = [rows[k] for k in kept], [numbers[k] for k in kept]
    names = [field.strip() for field in rows[0]]
    header = _is_header(query, names)
    if header and len(set(names)) < width:
        raise DataError(f"{name}, line 1: two columns of one name in {listed(names)}; rename one")
    if header and len(rows) == 1:
        raise DataError(f"{name}: the file has a header and no pairs; wanted at least one below it")
    names = names if header else _numbers(width)
    frame = pl.DataFrame(rows[header:], schema=dict.fromkeys(names, pl.String), orient="row")
    return Table(name, frame, np.array(numbers[header:], np.int64), left_out=wrong or {})


def _numbers(width: int) -> list[str]:
    """What columns without a header are called."""
    return [str(number) for number in range(1, width + 1)]


def _of_table(table: Table, query: Query) -> Pairs:
    table = query.with_groups(table)
    source, target = _columns(table, query)
    require_few(table.name, counted(table.frame.height, "pair"), 0, sequences=table.frame.height)
    pairs, why = usable_rows(table, query.skip_wrong, lambda rows: _rows(rows, source, target, query))
    return replace(pairs, left_out=why)


def _rows(table: Table, source: str, target: str | None, query: Query) -> Pairs:
    sources = _texts(table, source, "source")
    targets = None if target is None else _texts(table, target, "target")
    header = table.lines is None or table.frame.columns != _numbers(table.frame.width)
    sides = [
        f"{side}: column {shown(name) if header else name}"
        for side, name in (("source", source), ("target", target))
        if name is not None
    ]
    note = ", ".join(sides) + ("" if header else "; the first line is a pair, no header")
    notes = (*table.notes, note, *query.notes_on_groups(table, [source, target]))
    pairs = _pairs(sources, targets, table.places, *notes, named=True)
    return replace(pairs, groups=row_groups(table))


def _columns(table: Table, query: Query) -> tuple[str, str | None]:
    """Those that were named or have usual names; of two columns the first is the source."""
    names = table.frame.columns
    source, target = (
        query.source or usual(names, SOURCES, nested=True),
        query.target or usual(names, TARGETS, nested=True),
    )
    if not query.answers and target not in names:
        target = None
    replace(query, source=source, target=target).check_roles()
    for name in (source, target):
        if name is not None:
            table.require(name)
    left = [name for name in names if name not in (source, target)]
    if source is None and len(left) == len(names) <= 2:
        source, left = left[0], left[1:]
    elif source is None and len(names) == 2:
        source, left = left[0], []
    if target is None and query.target is None and len(names) == 2:
        target = left[0]
    if source is None or (target is None and query.answers):
        remedy = (
            f"name them with {option('source_column')} and {option('target_column')}, without a header by "
            "their numbers"
        )
        got = f"{listed(names)}; {remedy}" if len(names) > 1 else "one alone; add the other side"
        raise DataError(f"{table.name}: wanted a column of sources and one of targets, found {got}")
    return source, target


def _texts(table: Table, column: str, side: str) -> list[str]:
    """(rows,) of a column, none empty."""
    texts = [(cell or "").strip() for cell in table.texts(column, "texts").to_list()]
    empty = pl.Series([not text for text in texts], dtype=pl.Boolean)
    table.refuse(column, empty, f"the {side} of this pair is empty", "write it, or delete the pair")
    return texts


def _of_sources(lines: _Lines, skip: bool | None) -> Pairs:
    wrong = {i: (lines.place(i), "the source is empty") for i, text in enumerate(lines.texts) if not text}
    pairs = _pairs(lines.texts, None, lines.places, "a source in each line", named=False)
    return _without(pairs, wrong, "write it, or delete the line", skip)


def _without(pairs: Pairs, wrong: dict[int, tuple[str, str]], remedy: str, skip: bool | None) -> Pairs:
    """Without the pairs that are wrong, as `wrong` says where and why. DataError where none may be left
    out."""
    if wrong and not skip:
        place, reason = next(iter(wrong.values()))
        raise DataError(f"{place}: {reason}; {remedy}{or_skip_wrong(skip)}")
    kept = [i for i in range(len(pairs)) if i not in wrong]
    if not kept:
        raise DataError(f"{pairs.places[0]}: no line can be used; wanted a text in each")
    return replace(pairs.select(kept), left_out=dict(wrong.values()))


def _side_by_side(files: list[_Lines], skip: bool | None) -> Pairs:
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
    wrong = {
        i: (file.place(i), f"the {side} of this pair is empty")
        for i, pair in enumerate(zip(sources.texts, targets.texts, strict=True))
        for text, file, side in zip(pair, files, ("source", "target"), strict=True)
        if not text
    }
    note = f"sources: {sources.name}, targets: {targets.name}, line by line"
    pairs = _pairs(sources.texts, targets.texts, sources.places, note, named=False)
    return _without(pairs, wrong, "write it, or delete the line in both files", skip)


def _of_list(source: Sequence[Any], answers: bool) -> Pairs:
    alone = not answers and all(isinstance(one, str) for one in source)
    rows = [(one,) for one in source] if alone else source
    sides = ("source",) if alone else ("source", "target")
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
    sources, *targets = ([text.strip() for text in column] for column in zip(*rows, strict=True))
    places = tuple(f"pair {i}" for i in range(len(rows)))
    return _pairs(sources, targets[0] if targets else None, places, named=False)
