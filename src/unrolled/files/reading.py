"""Sequences with one answer each, from whichever format a source has.

CSV, Parquet, a frame   rows are steps (long), texts, or paths of recordings
IDX                     images, their rows the steps
.ts                     of the UCR and UEA archives
WAV                     a recording without an answer
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from unrolled.errors import ConfigError, DataError
from unrolled.files import riff
from unrolled.files.idx import is_idx, read_idx
from unrolled.files.long import read_long
from unrolled.files.manifest import paths_column, read_manifest, read_recording
from unrolled.files.messages import counted, listed, nearest, option, shown
from unrolled.files.opening import read_bytes
from unrolled.files.query import Query, holds_names, looks_numeric, usual
from unrolled.files.roles import IDS
from unrolled.files.sequences import Sequences
from unrolled.files.table import Table, open_table
from unrolled.files.texts import TEXTS, read_texts
from unrolled.files.ts import read_ts
from unrolled.files.wav import Audio

Reader = Callable[[Path, Query], Sequences]

# Formats that are no tables: whether a name in small letters and the first bytes are theirs; their reader.
_FORMATS: dict[str, tuple[Callable[[str, bytes], bool], Reader]] = {
    "a .ts file": (lambda name, _: name.endswith(".ts"), read_ts),
    "an IDX file": (is_idx, read_idx),
    "a recording": (
        lambda name, start: name.endswith((".wav", ".wave")) or start == riff.MAGIC,
        read_recording,
    ),
}

# What the rows of a table are, and their reader; the folder is the one that paths in it start from, None of a
# frame.
_LONG = "a long table"
_TABLES: dict[str, Callable[[Table, Path | None, Query], Sequences]] = {
    "a table of texts": lambda table, _, asked: read_texts(table, asked),
    "a list of recordings": read_manifest,
    _LONG: lambda table, _, asked: read_long(table, asked),
}


def read_sequences(
    source: Any,
    *,
    id: str | None = None,
    time: str | None = None,
    target: str | None = None,
    features: Sequence[str] = (),
    text: str | None = None,
    labels: str | Path | None = None,
    answers: bool = True,
    audio: Audio | None = None,
    known: Sequence[str] = (),
    transcripts: bool = False,
) -> Sequences:
    """The sequences of a path, of several paths to files of one kind, or of a polars frame; Sequences come
    back as they are.

    id        column that tells sequences apart (long), or names them
    time      column that puts the steps of a sequence in order (long)
    target    column of the answers
    features  those to keep, in this order; () keeps all
    text      column of texts
    labels    path of the IDX file of labels; None finds it by the usual name
    answers   False: the source may lack them
    audio     how recordings become features
    known     features that a model reads: a long table that has all of them gives these
    transcripts   answers are transcripts: of other usual names, and "" is one

    Raises ConfigError for what a source of its kind cannot have; DataError of one line, with the place, for
    everything that is wrong in a file.
    """
    if isinstance(source, Sequences):
        return source
    names = (features,) if isinstance(features, str) else tuple(features)
    asked = Query(
        id,
        time,
        target,
        names,
        text,
        None if labels is None else str(labels),
        answers,
        audio or Audio(),
        tuple(known),
        transcripts,
    )
    several = list(source) if isinstance(source, list | tuple) else [source]
    if not several:
        raise DataError("no files were named; name one at least")
    if len(several) > 1 and labels is not None:
        raise ConfigError(
            f"{option('labels')} belongs to one file, got {counted(len(several), 'file')}; leave it out"
        )
    parts = [_read(one, asked) for one in several]
    _check_heard(parts[0], asked.audio)
    return _joined(parts)


@dataclass(frozen=True)
class _Part:
    """What one of several sources holds."""

    name: str
    kind: str
    data: Sequences


def _read(source: Any, asked: Query) -> _Part:
    if isinstance(source, pl.DataFrame):
        table = open_table(source)
        return _part(table.name, *_read_table(table, None, asked), asked)
    if not isinstance(source, str | Path):
        raise ConfigError(f"wanted a path, paths, a polars frame or Sequences, got {type(source).__name__}")
    path = Path(source)
    start = read_bytes(path, "a file of sequences", 4)
    for kind, (is_it, reader) in _FORMATS.items():
        if is_it(path.name.lower(), start):
            return _part(str(path), kind, reader(path, asked), asked)
    return _part(str(path), *_read_table(open_table(path), path.parent, asked), asked)


def _check_heard(part: _Part, audio: Audio) -> None:
    """ConfigError for options of recordings where there are none; those of a model, which knows its rate, are
    told by the model."""
    usual = Audio(rate_hz=audio.rate_hz)
    if part.data.rate_hz is None and audio.rate_hz is None and audio != usual:
        name = next(one.name for one in fields(Audio) if getattr(audio, one.name) != getattr(usual, one.name))
        raise ConfigError(f"{option(name)} is for recordings, and {part.name} holds none; leave it out")


def _part(name: str, kind: str, data: Sequences, asked: Query) -> _Part:
    return _Part(name, kind, _chosen(data, asked.features) if asked.features else data)


def _read_table(table: Table, folder: Path | None, asked: Query) -> tuple[str, Sequences]:
    kind = _kind(table, asked)
    return kind, _TABLES[kind](table, folder, asked)


def _kind(table: Table, asked: Query) -> str:
    """Texts and paths are told by their names and cells, unless ids repeat: then rows are steps."""
    if asked.text is not None:
        return "a table of texts"
    if asked.time is None and paths_column(table) is not None:
        return "a list of recordings"
    if asked.time is not None or asked.features:
        return _LONG
    text = usual(table.frame.columns, [name for name in TEXTS if name not in asked.targets])
    is_text = asked.id is None and text is not None and table.frame[text].dtype == pl.String
    return "a table of texts" if is_text and not _has_steps(table, asked) else _LONG


def _has_steps(table: Table, asked: Query) -> bool:
    """Whether ids repeat and there are numbers beside the answers."""
    columns = table.frame.columns
    id, target = usual(columns, IDS), asked.target or usual(columns, asked.targets)
    if id is None or not holds_names(table.frame[id]) or table.frame[id].n_unique() == table.frame.height:
        return False
    return any(looks_numeric(table.frame[name]) for name in columns if name not in (id, target))


def _joined(parts: list[_Part]) -> Sequences:
    """All sources in their order. Ids of long tables stand in one of them only; other names that stand in
    several get their source's in front."""
    first = parts[0]
    if len(parts) == 1:
        return first.data
    for other in parts[1:]:
        _check_alike(first, other)
    data = [first.data, *(_chosen(other.data, first.data.features) for other in parts[1:])]
    inputs: Any = tuple(chain(*(one.inputs for one in data)))
    answers = [one.answers for one in data]
    return replace(
        first.data,
        inputs=inputs,
        answers=None if None in answers else tuple(chain(*(each or () for each in answers))),
        names=tuple(chain(*_distinct_names(parts))),
        places=tuple(chain(*(one.places for one in data))),
        notes=tuple(dict.fromkeys(chain(*(one.notes for one in data)))),
    )


def _check_alike(first: _Part, other: _Part) -> None:
    if other.kind != first.kind:
        raise DataError(f"{other.name} is {other.kind}, {first.name} {first.kind}; wanted files of one kind")
    if set(other.data.features) != set(first.data.features):
        raise DataError(
            f"{other.name}: the features are {listed(other.data.features)}, those of {first.name} "
            f"{listed(first.data.features)}; wanted the same in all files, or name those to use with "
            f"{option('features')}"
        )
    if other.data.rate_hz != first.data.rate_hz:
        raise DataError(
            f"{other.name}: recorded at {other.data.rate_hz:,} Hz, {first.name} at "
            f"{first.data.rate_hz:,} Hz; wanted recordings of one rate, convert them"
        )


def _distinct_names(parts: list[_Part]) -> list[tuple[str, ...]]:
    owner: dict[str, _Part] = {}
    for part in parts:
        shared = next((name for name in part.data.names if owner.get(name, part) is not part), None)
        if shared is not None and part.kind != _LONG:
            return [tuple(f"{part.name} {name}" for name in part.data.names) for part in parts]
        if shared is not None:
            first = owner[shared].data
            raise DataError(
                f"{part.data.places[part.data.names.index(shared)]}: sequence {shown(shared)} stands in "
                f"{first.places[first.names.index(shared)]} too; wanted all rows of a sequence in one file, "
                "or ids that differ"
            )
        owner |= dict.fromkeys(part.data.names, part)
    return [part.data.names for part in parts]


def _chosen(data: Sequences, features: tuple[str, ...]) -> Sequences:
    """With these features alone, in this order. Raises DataError for one that there is not."""
    if features == data.features:
        return data
    for name in features:
        if name not in data.features:
            raise DataError(
                f"{data.places[0]}: no feature {shown(name)}{nearest(name, data.features)}; "
                f"the features are {listed(data.features)}"
            )
    at = [data.features.index(name) for name in features]
    inputs: Any = data.inputs
    return replace(data, inputs=tuple(one[:, at] for one in inputs), features=features)
