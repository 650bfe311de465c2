"""Sequences with one answer each, from whichever format a source has.

CSV, Parquet, a frame   rows are steps (long), texts, or paths of recordings
IDX                     images, their rows the steps
.ts                     of the UCR and UEA archives
WAV                     a recording without an answer
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl

from unrolled.errors import ConfigError, DataError
from unrolled.files import riff
from unrolled.files.asked import Asked, usual
from unrolled.files.idx import is_idx, read_idx
from unrolled.files.long import IDS, read_long
from unrolled.files.manifest import paths_column, read_manifest, read_recording
from unrolled.files.opening import read_bytes
from unrolled.files.sequences import Sequences
from unrolled.files.table import Table, open_table
from unrolled.files.texts import TEXTS, read_texts
from unrolled.files.ts import read_ts
from unrolled.files.wav import Audio
from unrolled.files.wording import listed, nearest, shown

Reader = Callable[[Path, Asked], Sequences]

# Formats that are no tables: whether a file's ending and first bytes are theirs, and their reader.
_FORMATS: dict[str, tuple[Callable[[str, bytes], bool], Reader]] = {
    "a .ts file": (lambda ending, _: ending == ".ts", read_ts),
    "an IDX file": (lambda _, start: is_idx(start), read_idx),
    "a recording": (lambda ending, start: ending in (".wav", ".wave") or start == riff.MAGIC, read_recording),
}

# What the rows of a table are, and their reader; the folder is the one that paths in it start from.
_LONG = "a long table"
_TABLES: dict[str, Callable[[Table, Path, Asked], Sequences]] = {
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

    Raises ConfigError for what a source of its kind cannot have; DataError of one line, with the place, for
    everything that is wrong in a file.
    """
    if isinstance(source, Sequences):
        return source
    names = (features,) if isinstance(features, str) else tuple(features)
    asked = Asked(
        id, time, target, names, text, None if labels is None else str(labels), answers, audio or Audio()
    )
    several = list(source) if isinstance(source, list | tuple) else [source]
    if not several:
        raise DataError("no files were named; name one at least")
    if len(several) > 1 and labels is not None:
        raise ConfigError(
            f"labels={shown(str(labels))}: belongs to one file, got {len(several)}; leave it out"
        )
    return _chosen(_joined([_read(one, asked) for one in several]), names)


@dataclass(frozen=True)
class _Part:
    """What one of several sources holds."""

    name: str
    kind: str
    data: Sequences


def _read(source: Any, asked: Asked) -> _Part:
    if isinstance(source, pl.DataFrame):
        table = open_table(source)
        return _Part(table.name, *_read_table(table, Path(), asked))
    if not isinstance(source, str | Path):
        raise ConfigError(f"wanted a path, paths, a polars frame or Sequences, got {type(source).__name__}")
    path = Path(source)
    start = read_bytes(path, "a file of sequences", 4)
    for kind, (is_it, reader) in _FORMATS.items():
        if is_it(path.suffix.lower(), start):
            return _Part(str(path), kind, reader(path, asked))
    return _Part(str(path), *_read_table(open_table(path), path.parent, asked))


def _read_table(table: Table, folder: Path, asked: Asked) -> tuple[str, Sequences]:
    kind = _kind(table, asked)
    return kind, _TABLES[kind](table, folder, asked)


def _kind(table: Table, asked: Asked) -> str:
    """Texts and paths are told by their names and cells, unless ids repeat: then rows are steps."""
    if asked.text is not None:
        return "a table of texts"
    if asked.time is not None or asked.features:
        return _LONG
    if paths_column(table) is not None:
        return "a list of recordings"
    columns = table.frame.columns
    id, text = usual(columns, IDS), usual(columns, TEXTS)
    repeated = id is not None and table.frame[id].n_unique() < table.frame.height
    is_text = text is not None and table.frame[text].dtype == pl.String
    return "a table of texts" if asked.id is None and is_text and not repeated else _LONG


def _joined(parts: list[_Part]) -> Sequences:
    """All sources in their order. Ids of long tables stand in one of them only; other names that stand in
    several get their source's in front."""
    first = parts[0]
    if len(parts) == 1:
        return first.data
    for other in parts[1:]:
        _check_alike(first, other)
    data = [_chosen(part.data, first.data.features) for part in parts]
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
    """With these features alone, in this order; () keeps all. Raises DataError for one that there is not."""
    if features in ((), data.features):
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
