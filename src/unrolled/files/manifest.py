"""Recordings: a table with the path of a WAV file and its answer in each row, or WAV files themselves.

Paths are relative to the table's folder and stay inside it. All recordings have one rate.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.columns import usual
from unrolled.files.examples import Sequences
from unrolled.files.left_out import WrongRowsError, usable_rows
from unrolled.files.limits import require_few
from unrolled.files.messages import listed, shown
from unrolled.files.query import Query, rows_answered, written
from unrolled.files.riff import read_wav
from unrolled.files.table import Table
from unrolled.files.wav import Audio, log_mel

_USUAL_PATHS = ("path", "file", "wav", "filename", "audio")
_ENDING = r"(?i)\.(wav|wave)$"


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
    query.only("a list of recordings", "id", "target")
    data, why = usable_rows(table, query.skip_wrong, lambda rows: _read(rows, folder, query))
    return replace(data, left_out=why)


def _read(table: Table, folder: Path | None, query: Query) -> Sequences:
    column = paths_column(table)
    if column is None:
        raise DataError(
            f"{table.name}: wanted a column of paths that end in .wav; "
            f"the columns are {listed(table.frame.columns)}"
        )
    ids, answers, notes = rows_answered(table, query, column, "recording")
    cells = written_paths(table, column, "the path of a recording")
    recordings, places = _Recordings(query.audio), table.places
    wrong = dict[int, str]()
    for row, cell in enumerate(cells):
        try:
            recordings.add(inside(folder, cell))
        except DataError as error:
            wrong[row] = str(error)
            if not query.skip_wrong:
                break
    refuse_rows(places, wrong)
    rate_hz, inputs = recordings.rate_hz, tuple(recordings.inputs)
    return Sequences(inputs, query.audio.names, answers, ids or tuple(cells), places, tuple(notes), rate_hz)


def read_recording(path: Path, query: Query) -> Sequences:
    """One WAV file, which has no answer, named by its file name. Columns that were named are a table's."""
    if query.answers:
        raise DataError(
            f"{path}: a recording alone has no answer; wanted a table with a column of paths and one of "
            "answers"
        )
    recordings = _Recordings(query.audio)
    recordings.add(path)
    inputs, rate_hz = tuple(recordings.inputs), recordings.rate_hz
    return Sequences(inputs, query.audio.names, None, (path.name,), (str(path),), (), rate_hz)


def refuse_rows(places: Sequence[str], wrong: Mapping[int, str]) -> None:
    """WrongRowsError where a row is wrong, as `wrong` says why."""
    if wrong:
        rows = np.isin(np.arange(len(places)), list(wrong))
        first = next(iter(wrong))
        raise WrongRowsError(f"{places[first]}: {wrong[first]}", rows, wrong.__getitem__)


class _Recordings:
    """Features (T_i, M) of recordings of one rate."""

    def __init__(self, audio: Audio) -> None:
        self.audio, self.rate_hz, self.first = audio, audio.rate_hz, Path()
        self.inputs: list[NDArray[np.float32]] = []
        self.values = 0

    def add(self, path: Path) -> None:
        """DataError for a file that cannot be read or has another rate."""
        sound = read_wav(path)
        if self.rate_hz is None:
            self.rate_hz, self.first = sound.rate_hz, path
        if sound.rate_hz != self.rate_hz:
            whose = "that the model hears" if self.audio.rate_hz else f"of {self.first}"
            raise DataError(
                f"{path}: recorded at {sound.rate_hz:,} Hz; wanted the {self.rate_hz:,} Hz {whose}, "
                "convert the recording"
            )
        self.inputs.append(log_mel(sound, self.audio))
        self.values += self.inputs[-1].size
        require_few(str(path), f"{self.values:,} features of recordings", self.values, len(self.inputs))
