"""Recordings: a table with the path of one and its answer in each row, or recordings themselves.

Paths are relative to the table's folder and stay inside it.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from unrolled.errors import DataError
from unrolled.files.columns import usual
from unrolled.files.examples import Sequences
from unrolled.files.formats import RECORDINGS
from unrolled.files.grouping import row_groups
from unrolled.files.left_out import WrongRowsError, or_skip_wrong, usable_rows, without_remedy
from unrolled.files.messages import listed, shown
from unrolled.files.query import Query, rows_answered, written
from unrolled.files.recordings import Recordings
from unrolled.files.table import Table

_USUAL_PATHS = ("path", "file", "wav", "filename", "audio")
_ENDING = rf"(?i)\.({'|'.join(ending[1:] for ending in RECORDINGS)})$"
MIN_SECONDS = 0.1  # of a training: clicks of a frame or some teach nothing
MOST_TOLD = 10  # errors


def is_recording(name: str) -> bool:
    """Whether a path ends as those of recordings do."""
    return re.search(_ENDING, name) is not None


def paths_column(table: Table) -> str | None:
    """The column of recordings."""
    return column_of_files(table, table.frame.columns, _ENDING, _USUAL_PATHS)


def column_of_files(table: Table, columns: Sequence[str], ending: str, names: Sequence[str]) -> str | None:
    """The one of which half of the first cells or more have the ending; of several one of the usual names."""
    kinds = table.frame.schema
    texts = [name for name in columns if kinds[name] == pl.String and name not in table.step_columns]
    cells = {name: table.frame[name].drop_nulls().head(100).str.strip_chars() for name in texts}
    matches = [
        name
        for name, some in cells.items()
        if len(some) and 2 * int(some.str.contains(ending).sum()) >= len(some)
    ]
    return usual(matches, names) or next(iter(matches), None)


def written_paths(table: Table, column: str, wanted: str) -> pl.Series:
    """(rows,) the paths in a column. DataError for a missing one, and for one with control characters."""
    cells = written(table, column, wanted)
    odd = ~cells.str.contains(r"^[^\pC]+$")
    table.refuse(column, odd, "wanted a path, got {}", "write it without control characters")
    return cells


def inside(folder: Path | None, cell: str) -> Path:
    """The file that a list in `folder` names by `cell`; None of a frame, whose paths are its maker's own.

    DataError for a path that leaves the folder as it is written: where a link inside leads is the owner's
    business.
    """
    if folder is None:
        return Path(cell)
    home = Path(os.path.normpath(folder.absolute()))
    there = Path(os.path.normpath(home / cell))
    if not there.is_relative_to(home):
        raise DataError(
            f"{shown(cell)} leaves the folder of the list, {home}; wanted paths inside it: put the files, or "
            "a link to them, there and write the paths from there"
        )
    return folder / there.relative_to(home)  # as it was judged: no .. behind a link


def read_manifest(table: Table, folder: Path | None, query: Query) -> Sequences:
    """The recordings of a table's rows, named as it names them; `folder` is the table's, see `inside`.

    DataError with the line for what is wrong with a row or its recording.
    """
    query.only("a list of recordings", "id", "target", "group")
    data, why = usable_rows(table, query.skip_wrong, lambda rows: _read(rows, folder, query))
    return replace(data, left_out=why | dict(data.left_out))


def _read(table: Table, folder: Path | None, query: Query) -> Sequences:
    column = paths_column(table)
    if column is None:
        raise DataError(
            f"{table.name}: wanted a column of paths that end in .wav, .flac, .mp3 or so; "
            f"the columns are {listed(table.frame.columns)}"
        )
    ids, answers, notes = rows_answered(table, query, column, "recording")
    cells = written_paths(table, column, "the path of a recording")
    learned = query.answers and not query.known
    recordings = Recordings(query.audio, query.min_seconds, heard_all=not learned)
    recordings.read([partial(inside, folder, cell) for cell in cells])
    refuse_rows(table.places, recordings.wrong)
    rows = sorted(recordings.inputs)
    if not rows:
        raise DataError(f"{table.places[0]}: {recordings.short[0]}; give longer recordings, or lower it")
    inputs, short = tuple(recordings.inputs[row] for row in rows), recordings.short
    names, places, notes = ids or tuple(cells), table.places, [*notes, *recordings.notes()]
    groups = row_groups(table)
    return Sequences(
        inputs,
        query.audio.names,
        None if answers is None else tuple(answers[row] for row in rows),
        tuple(names[row] for row in rows),
        tuple(places[row] for row in rows),
        tuple(notes),
        recordings.rate_hz,
        left_out={places[row]: reason for row, reason in short.items()},
        groups=None if groups is None else tuple(groups[row] for row in rows),
    )


def read_recordings(paths: Sequence[Path], query: Query) -> list[Sequences]:
    """Recordings alone, which have no answers, each named by its file name; those that cannot be read are
    left out where that is asked for. Columns that were named are a table's. Notes, and what was left out,
    come with the first."""
    if query.answers:
        raise DataError(
            f"{paths[0]}: a recording alone has no answer; wanted a table with a column of paths and one of "
            "answers"
        )
    recordings = Recordings(query.audio, query.min_seconds, heard_all=True)
    recordings.read([partial(Path, path) for path in paths])
    if recordings.wrong and not (query.skip_wrong and recordings.inputs):
        also = "" if len(paths) == 1 else or_skip_wrong(query.skip_wrong)
        raise DataError(told_at_once(list(recordings.wrong.values())) + also)
    wrong = {
        str(paths[row]): reason.removeprefix(f"{paths[row]}: ") for row, reason in recordings.wrong.items()
    }
    notes, rate_hz = tuple(recordings.notes()), recordings.rate_hz
    first, *others = (
        Sequences((x,), query.audio.names, None, (paths[row].name,), (str(paths[row]),), rate_hz=rate_hz)
        for row, x in sorted(recordings.inputs.items())
    )
    return [replace(first, notes=notes, left_out=wrong), *others]


def read_recording(path: Path, query: Query) -> Sequences:
    """One of them."""
    return read_recordings([path], query)[0]


def refuse_rows(places: Sequence[str], wrong: Mapping[int, str]) -> None:
    """WrongRowsError where rows are wrong, as `wrong` says why."""
    if not wrong:
        return
    rows = np.isin(np.arange(len(places)), list(wrong))
    first, *others = sorted(wrong)
    reasons = [f"{places[row].rpartition(', ')[2]}: {wrong[row]}" for row in others]
    message = told_at_once([f"{places[first]}: {wrong[first]}", *reasons])
    raise WrongRowsError(message, rows, wrong.__getitem__)


def told_at_once(wrong: Sequence[str]) -> str:
    """Several errors in one line: the first, and without their remedies those up to MOST_TOLD."""
    first, *others = wrong
    if not others:
        return first
    shortly = " | ".join(map(without_remedy, others[: MOST_TOLD - 1]))
    rest = f" | and {len(wrong) - MOST_TOLD:,} more" if len(wrong) > MOST_TOLD else ""
    return f"{first}; and {len(others):,} more: {shortly}{rest}"
