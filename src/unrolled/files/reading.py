"""Sequences with one answer each, from whichever format a source has.

CSV, Parquet, JSON lines, a frame   rows are steps (long), texts, series (wide), or paths of recordings
lines                   a label and a text in each, labelled.py; to predict also texts alone
IDX                     images, their rows the steps
.ts, .tsv               of the UCR and UEA archives
WAV                     a recording without an answer
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import polars as pl

from unrolled.errors import ConfigError, DataError
from unrolled.files import formats
from unrolled.files.cells import SEPARATORS
from unrolled.files.columns import IDS, TEXTS, is_value, usual
from unrolled.files.examples import Examples, Sequences, joined
from unrolled.files.idx import read_idx
from unrolled.files.labelled import FASTTEXT, FIRST_TAB, PLAIN, Lines, divided_by_tab, read_lines
from unrolled.files.long import read_long
from unrolled.files.manifest import (
    MIN_SECONDS,
    is_recording,
    paths_column,
    read_manifest,
    read_recording,
    read_recordings,
)
from unrolled.files.messages import counted, listed, nearest, option, shown
from unrolled.files.opening import BOM, read_start, read_text
from unrolled.files.query import OPEN, Query, holds_names, with_label_cells
from unrolled.files.roles import LEAST_STEPS
from unrolled.files.table import Table, sources_of
from unrolled.files.texts import read_texts
from unrolled.files.ts import read_ts
from unrolled.files.wav import Audio
from unrolled.files.wide import looks_wide, read_wide

_WANTED = "a file of sequences"

Reader = Callable[[Path, Query], Sequences]

# Formats that are no tables, and their readers.
_FORMATS: dict[str, Reader] = {formats.TS: read_ts, formats.IDX: read_idx, formats.RECORDING: read_recording}

# What the rows of a table are, and their reader; the folder is the one that paths in it start from, None of a
# frame.
_LONG, _WIDE = "a long table", "a wide table"
_TABLES: dict[str, Callable[[Table, Path | None, Query], Sequences]] = {
    "a table of texts": lambda table, _, query: read_texts(table, query),
    "a list of recordings": read_manifest,
    _LONG: lambda table, _, query: read_long(query.unfolded(table), query),
    _WIDE: lambda table, _, query: read_wide(table, query),
}


def read_sequences(source: Any, query: Query = OPEN) -> Sequences:
    """The sequences of a path, of several paths to files of one kind, or of a polars frame; Examples come
    back as they are.

    Raises ConfigError for what a source of its kind cannot have; DataError of one line, with the place, for
    everything that is wrong in a file.
    """
    if type(source) is Examples:
        return source
    sources = sources_of(source)
    if len(sources) > 1 and query.labels is not None:
        raise ConfigError(
            f"{option('labels')} belongs to one file, got {counted(len(sources), 'file')}; leave it out"
        )
    files = _heard(sources, query) or [_read(one, query) for one in sources]
    _check_heard(files[0], query)
    rates = {file.data.rate_hz for file in files}
    if len(rates) > 1 and None not in rates:
        lowest = min(rate_hz for rate_hz in rates if rate_hz is not None)
        query = replace(query, audio=replace(query.audio, rate_hz=lowest))
        files = [_read(one, query) for one in sources]
    return _joined(files)


@dataclass(frozen=True)
class _File:
    """What one of several sources holds."""

    name: str
    kind: str
    data: Sequences


def _read(source: Path | pl.DataFrame, query: Query) -> _File:
    if isinstance(source, pl.DataFrame):
        return _read_table(query.open(source), None, query)
    start, is_cut = read_start(source, _WANTED, query.encoding, formats.START)
    kind = formats.format_of(source, start)
    if kind in _FORMATS:
        return _File(str(source), kind, _chosen(_FORMATS[kind](source, query), query.features))
    sample = start.removeprefix(BOM).decode(errors="replace").split("\n")
    if is_cut:  # the last line, or the last field of the only one, is not whole
        sample = sample[:-1] or [sample[0].rpartition("\t")[0]]
    if lines := _lines(kind, sample, query):
        query.only(lines.kind)
        data = read_text(source, _WANTED, query.encoding)
        return _File(str(source), lines.kind, read_lines(str(source), data, lines, query))
    if kind in (formats.TSV, formats.TEXT) and _is_of_ucr(sample, query):
        query = replace(query, no_header=True, target=query.target or "1")
    return _read_table(query.open(source), source.parent, query)


def _lines(kind: str, sample: Sequence[str], query: Query) -> Lines | None:
    """How the lines of a file are divided, where it is one of lines and no columns of a table are named."""
    named = query.named or query.grouped or query.no_header or query.wide or query.transcripts
    unlabelled = query.multi_label and kind == formats.TEXT  # the first line may have no label
    if kind == formats.FASTTEXT or (unlabelled and any(line.startswith(formats.LABEL) for line in sample)):
        return FASTTEXT
    if kind not in (formats.TSV, formats.TEXT) or named:
        return None
    names = (*TEXTS, *query.usual_targets)
    if divided_by_tab(sample, query, names):
        return FIRST_TAB
    return PLAIN if query.lines and kind == formats.TEXT and not _is_header(sample[0]) else None


def _is_header(line: str) -> bool:
    """Whether a line of words between separators names a column of texts."""
    fields = [field.strip('" \r').casefold() for field in re.split(f"[{SEPARATORS}]", line)]
    return not set(fields).isdisjoint(TEXTS) and not any(" " in field for field in fields)


def _is_of_ucr(sample: Sequence[str], query: Query) -> bool:
    """Whether lines hold numbers and tabs, and nothing is said of their columns but which is the answer."""
    columns = [column for column, role in query.named if role != "target"]
    fields = sample[0].removeprefix("\ufeff").rstrip("\r").split("\t")
    wide = len(fields) > LEAST_STEPS and all(one.lower() == "nan" or is_value(one) for one in fields)
    return wide and not (columns or query.grouped or query.no_header)


def _read_table(table: Table, folder: Path | None, query: Query) -> _File:
    table = with_label_cells(table, query)
    kind = _kind(table, query)
    data = _TABLES[kind](table, folder, query)
    data = replace(data, notes=(*table.notes, *data.notes))
    return _File(table.name, kind, _chosen(data, query.features))


def _heard(sources: Sequence[Path | pl.DataFrame], query: Query) -> list[_File]:
    """Several recordings, read at one rate and told of together; none where there are other sources."""
    paths = [one for one in sources if isinstance(one, Path) and is_recording(one.name)]
    if len(paths) < 2 or len(paths) < len(sources):
        return []
    return [
        _File(one.places[0], formats.RECORDING, _chosen(one, query.features))
        for one in read_recordings(paths, query)
    ]


def _check_heard(file: _File, query: Query) -> None:
    """ConfigError for options of recordings where there are none; those of a model, which knows what it
    reads, are told by the model."""
    audio, usual = query.audio, Audio()
    if file.data.rate_hz is not None or query.known:
        return
    odd = [one.name for one in fields(Audio) if getattr(audio, one.name) != getattr(usual, one.name)]
    odd += ["min_seconds"] if query.min_seconds not in (0, MIN_SECONDS) else []
    if odd:
        raise ConfigError(f"{option(odd[0])} is for recordings, and {file.name} holds none; leave it out")


def _kind(table: Table, query: Query) -> str:
    """Texts and paths are told by their names and cells, unless ids repeat: then rows are steps."""
    if query.wide is not None:
        return _WIDE
    if query.text is not None or (query.lines and query.no_header and table.frame.width == 1):
        return "a table of texts"
    if query.time is None and paths_column(table) is not None:
        return "a list of recordings"
    if query.time is not None or query.features:
        return _LONG
    text = usual(
        table.frame.columns, [name for name in TEXTS if name not in query.usual_targets], nested=True
    )
    is_text = query.id is None and text is not None and table.frame[text].dtype == pl.String
    if is_text and not _has_steps(table, query):
        return "a table of texts"
    return _WIDE if looks_wide(table, query) else _LONG


def _has_steps(table: Table, query: Query) -> bool:
    """Whether ids repeat and there are numbers beside the answers."""
    columns = table.frame.columns
    id, target = usual(columns, IDS), query.target or usual(columns, query.usual_targets, nested=True)
    if id is None or not holds_names(table.frame[id]) or table.frame[id].n_unique() == table.frame.height:
        return False
    return bool(table.numeric - {id, target})


def _joined(files: list[_File]) -> Sequences:
    """All sources in their order. Ids of long tables stand in one of them only; other names that stand in
    several get their source's in front."""
    first = files[0]
    if len(files) == 1:
        return first.data
    for other in files[1:]:
        _check_alike(first, other)
    several = [_chosen(one.data, first.data.features) for one in files]
    names = _distinct_names(files)
    return joined([replace(one, names=own) for one, own in zip(several, names, strict=True)])


def _check_alike(first: _File, other: _File) -> None:
    if other.kind != first.kind:
        raise DataError(f"{other.name} is {other.kind}, {first.name} {first.kind}; wanted files of one kind")
    if set(other.data.features) != set(first.data.features):
        raise DataError(
            f"{other.name}: the features are {listed(other.data.features)}, those of {first.name} "
            f"{listed(first.data.features)}; wanted the same in all files, or name those to use with "
            f"{option('features')}"
        )


def _distinct_names(files: list[_File]) -> list[tuple[str, ...]]:
    owner: dict[str, _File] = {}
    for file in files:
        shared = next((name for name in file.data.names if owner.get(name, file) is not file), None)
        if shared is not None and file.kind != _LONG:
            return [tuple(f"{one.name} {name}" for name in one.data.names) for one in files]
        if shared is not None:
            first = owner[shared].data
            raise DataError(
                f"{file.data.places[file.data.names.index(shared)]}: sequence {shown(shared)} stands in "
                f"{first.places[first.names.index(shared)]} too; wanted all rows of a sequence in one file, "
                "or ids that differ"
            )
        owner |= dict.fromkeys(file.data.names, file)
    return [file.data.names for file in files]


def _chosen(data: Sequences, features: tuple[str, ...]) -> Sequences:
    """With these features alone, in this order; () keeps all. DataError for one that there is not."""
    if features in ((), data.features):
        return data
    for name in features:
        if name not in data.features:
            raise DataError(
                f"{data.places[0]}: no feature {shown(name)}{nearest(name, data.features)}; "
                f"the features are {listed(data.features)}"
            )
    return data.with_features(features)
