"""Which steps of series are known to be unusual: by a column of their files, or by a table of windows such as

    file,begins,ends
    cloudwatch/cpu.csv,2014-02-26 13:45:00,2014-02-27 06:25:00

whose first column names a series or its file, with or without folders, and is left out where there is one
series.

Shapes   a series of T steps -> (T,)
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np

from unrolled.errors import DataError
from unrolled.files.columns import usual
from unrolled.files.messages import listed, shown
from unrolled.files.opening import plain_name
from unrolled.files.query import written
from unrolled.files.series import Series, SeriesFile
from unrolled.files.steps import spoken
from unrolled.files.table import Table, open_table, sources_of
from unrolled.files.times import Instants, parse_instants
from unrolled.tasks.detect.config import DetectData
from unrolled.tasks.detect.episodes import Flags
from unrolled.tasks.forecast.data import read
from unrolled.tasks.sources import Sources

NAMES = ("file", "series", "id", "name")
BEGINS = ("begins", "begin", "start", "starts", "from")
ENDS = ("ends", "end", "stop", "to", "until")


@dataclass(frozen=True)
class Known(SeriesFile):
    """Series, and of each its steps that are known to be unusual; `truths` is None where nothing tells."""

    truths: tuple[Flags, ...] | None = None

    @classmethod
    def of(cls, sources: Sources, data: DetectData, file: SeriesFile) -> Self:
        """Those of `file`, whose parts were read from `sources`."""
        return cls(
            **{one.name: getattr(file, one.name) for one in fields(file)}, truths=_truths(sources, data, file)
        )


def _truths(sources: Sources, data: DetectData, file: SeriesFile) -> tuple[Flags, ...] | None:
    if data.windows is not None:
        return tuple(_in_windows(open_table(data.windows, encoding=data.encoding), file))
    column, parts = data.truth, {"": sources.train, "validation": sources.validation, "test": sources.test}
    of_part = {part: source for part, source in parts.items() if source is not None}
    tables = [
        open_table(one, header=not data.no_header, skip=data.skip_wrong, encoding=data.encoding)
        for source in of_part.values()
        for one in sources_of(source)
    ]
    if column is None or not all(column in table.frame.columns for table in tables):
        return None
    aggregate = "mean" if data.resample is None else "max"
    columns = {"target": (column,), "past": (), "future": (), "gaps": "forward", "aggregate": aggregate}
    marks: dict[tuple[str, str], Series] = {}
    for part, source in of_part.items():
        marks |= {(part, s.name): s for s in read(source, data.model_copy(update=columns), file.step).series}
    parts_of = [s.part if s.part in of_part else "" for s in file.series]  # a group's stand with the others
    return tuple(_marked(marks.get((p, s.name)), s) for p, s in zip(parts_of, file.series, strict=True))


def _marked(marks: Series | None, series: Series) -> Flags:
    """Nothing of a series is known to be unusual whose column is empty."""
    cells = np.zeros(len(series.target))
    if marks is not None:
        marked = np.nan_to_num(marks.target[: len(cells), 0])
        cells[: len(marked)] = marked
    wrong = cells[~np.isin(cells, (0, 1))]
    if len(wrong):
        raise DataError(
            f"series {shown(series.name)}: wanted 1 where a step is unusual and 0 elsewhere, got "
            f"{wrong[0]:g}; correct the column"
        )
    return np.asarray(cells == 1)


def _in_windows(table: Table, file: SeriesFile) -> list[Flags]:
    """DataError for a table that lacks a column, or has times of another kind than the series."""
    table.check_header()
    columns = table.frame.columns
    begin, end = (usual(columns, names) for names in (BEGINS, ENDS))
    if begin is None or end is None:
        raise DataError(
            f"{table.name}: wanted columns such as 'file', 'begins' and 'ends', got {listed(columns)}; name "
            "them so"
        )
    named = usual(columns, NAMES)
    if named is None and len(file.series) > 1:
        raise DataError(
            f"{table.name}: wanted a column 'series' that tells which of {len(file.series)} series a "
            "window is of; add it"
        )
    names = [] if named is None else list(written(table, named, "the name of a series or a file"))
    begins, ends = parse_instants(table, begin), parse_instants(table, end)
    return [_inside(s, file, begins, ends, [_is_of(name, s) for name in names], table) for s in file.series]


def _is_of(name: str, series: Series) -> bool:
    return series.name in (name, plain_name(Path(name)).stem)


def _inside(
    series: Series, file: SeriesFile, begins: Instants, ends: Instants, own: Sequence[bool], table: Table
) -> Flags:
    """`own`: which windows are of this series; all where it is empty."""
    utc = file.zone is not None and begins.zone is not None and not file.step.local
    clock = (series.times if utc else file.local(series))[: len(series.target)]
    first, last = ((one.times if utc else one.local) for one in (begins, ends))
    if clock.dtype.kind != first.dtype.kind:
        raise DataError(
            f"{table.name}: wanted times as the series have them, such as {spoken(clock[0])}, got "
            f"{spoken(first[0])}; write them so"
        )
    inside = np.zeros(len(clock), np.bool_)
    for k in np.flatnonzero(own) if len(own) else range(len(first)):
        inside |= (first[k] <= clock) & (clock <= last[k])
    return inside
