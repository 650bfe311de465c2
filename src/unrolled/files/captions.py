"""Tables of inputs and their captions, or their sequences of numbers, as captioned.py describes them.

CSV, Parquet, a frame   paths of pictures are relative to the table's folder
"""

import hashlib
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unrolled.errors import DataError
from unrolled.files.caption_columns import find_columns
from unrolled.files.captioned import Attributes, Captioned
from unrolled.files.date_columns import in_iso
from unrolled.files.examples import joined
from unrolled.files.groups import Groups
from unrolled.files.images import Pixels, read_image, spelt
from unrolled.files.left_out import usable_rows
from unrolled.files.limits import VALUE_BYTES, require_few
from unrolled.files.manifest import inside, refuse_rows, written_paths
from unrolled.files.messages import counted, listed, option, shown
from unrolled.files.query import OPEN, Query, written
from unrolled.files.table import Table, sources_of


def read_captioned(source: Any, query: Query = OPEN) -> Captioned:
    """The inputs of a path, of several paths, or of a polars frame; Captioned come back as they are.

    Raises ConfigError for columns that do not go together; DataError of one line, with the place, for
    everything that is wrong in a file.
    """
    if isinstance(source, Captioned):
        return source
    files = [_read(one, query) for one in sources_of(source)]
    for other in files[1:]:
        _check_alike(files[0], other)
    rows = joined([file.data for file in files])
    if query.alike and query.size is None:
        _check_sizes(rows)
    return gathered(rows, [key for file in files for key in file.keys])


@dataclass(frozen=True)
class _File:
    """What one of several sources holds, an input for each answer, and its keys, see `gathered`."""

    name: str
    data: Captioned
    keys: Sequence[Any]


def gathered(rows: Captioned, keys: Sequence[Any]) -> Captioned:
    """Rows of one input become one, at the place of the first; `keys` (N,) are equal where inputs are, None
    is that of one which is like no other. DataError where one is of two groups."""
    groups: dict[Any, list[int]] = {}
    for number, key in enumerate(keys):
        groups.setdefault((number,) if key is None else key, []).append(number)
    for first, *others in groups.values():
        for other in others:
            _check_group(rows, first, other)
    data = rows.select([group[0] for group in groups.values()])
    if rows.answers is None:
        return data
    answers = tuple(tuple(one for i in group for one in rows.answers[i]) for group in groups.values())
    return replace(data, answers=answers)


def _check_group(rows: Captioned, first: int, other: int) -> None:
    if rows.groups is not None and rows.groups[first] != rows.groups[other]:
        raise DataError(
            f"{rows.places[other]}: this input is of group {shown(rows.groups[other])}, and in "
            f"{rows.places[first]} of {shown(rows.groups[first])}; wanted one group an input, correct one"
        )


def _check_alike(first: _File, other: _File) -> None:
    """That both have inputs and answers of the same columns; where pictures stand may differ."""

    def kind(data: Captioned) -> str:
        names = [*data.features, *([data.class_column] if data.class_column else [])]
        of = f"columns {listed(names)}" if names else "pictures"
        return f"{of} and {f'sequences of {listed(data.targets)}' if data.targets else 'captions'}"

    if kind(first.data) != kind(other.data):
        raise DataError(
            f"{other.name} holds {kind(other.data)}, {first.name} {kind(first.data)}; wanted the same in all "
            "files, or name the columns to use"
        )


def _check_sizes(data: Captioned) -> None:
    """DataError where pictures have several sizes."""
    if not data.is_pictures:
        return
    sizes = [spelt(one.shape[:2]) for one in data.inputs if not isinstance(one, Attributes)]
    for size, place in zip(sizes, data.places, strict=True):
        if size != sizes[0]:
            raise DataError(
                f"{place}: a picture of {size}, that of {data.places[0]} of {sizes[0]}; wanted pictures of "
                f"one size, or {option('image_size', sizes[0])} to resize them all"
            )


def _read(source: Path | pl.DataFrame, query: Query) -> _File:
    table = query.open(source)
    query, notes = find_columns(table, query)
    file, why = usable_rows(table, query.skip_wrong, lambda rows: _file(rows, source, query, notes), query.id)
    return replace(file, data=replace(file.data, left_out=why))


def _file(table: Table, source: Path | pl.DataFrame, query: Query, notes: Sequence[str]) -> _File:
    dated = in_iso(table, query.time, query.date_format)
    groups = _groups(dated.table, query.id)
    names: Sequence[str]
    inputs: Sequence[Pixels | Attributes]
    if query.image is not None:
        folder = None if isinstance(source, pl.DataFrame) else source.parent
        names, inputs, keys = _pictures(groups, query.image, folder, query)
    else:
        names, inputs, keys = _attributes(groups, query)
    if query.id is not None:
        keys, names = [None] * len(inputs), groups.names
    data = Captioned(
        tuple(inputs),
        query.features,
        _answers(groups, query),
        tuple(names),
        groups.places,
        (*table.notes, *notes, *dated.notes),
        groups=groups.groups,
        class_column=query.label,
        targets=query.targets if query.id is not None else (),
    )
    return _File(table.name, data, keys)


def _groups(table: Table, id: str | None) -> Groups:
    """The rows of each input; without ids every row is one."""
    if id is not None:
        return Groups.of(table, id)
    rows = np.arange(table.frame.height)
    require_few(table.name, counted(len(rows), "row"), 0, sequences=len(rows))
    return Groups(table, pl.Series(rows + 1).cast(pl.String), rows, rows)


def _attributes(groups: Groups, query: Query) -> tuple[Sequence[str], list[Attributes], list[Any]]:
    """Names, inputs and keys of numbers and classes."""
    table, N = groups.table, len(groups.starts)
    numbers = np.empty((N, len(query.features)))
    for f, column in enumerate(query.features):
        numbers[:, f] = groups.one_each(column, _known(table, column), "value").to_numpy()
    labels: list[Any] = [None] * N
    if query.label is not None:
        cells = written(table, query.label, "a class")
        labels = groups.one_each(query.label, cells, "class").to_list()
    inputs = [Attributes(row, label) for row, label in zip(numbers, labels, strict=True)]
    if not query.features:
        return labels, inputs, [None] * N
    return groups.names, inputs, list(map(attributes_key, inputs))


def _pictures(
    groups: Groups, column: str, folder: Path | None, query: Query
) -> tuple[Sequence[str], list[Pixels], list[Any]]:
    """Names, inputs and keys of pictures. A file that comes several times is read once. Where there are
    answers the key is of the pixels, so that a copy under another name is in the same part of the data; what
    is only asked about is told of file by file."""
    table = groups.table
    names = groups.one_each(
        column, written_paths(table, column, "the path of a picture"), "picture"
    ).to_list()
    pictures: dict[str, Pixels] = {}
    files, held, wrong = list[str](), 0, dict[int, str]()
    for name, row in zip(names, groups.order[groups.starts].tolist(), strict=True):
        try:
            path = inside(folder, name)
            files.append(posixpath.normpath(path.as_posix()))
            if files[-1] not in pictures:
                pictures[files[-1]] = read_image(path, query.channels, query.size)
                held += pictures[files[-1]].nbytes
                require_few(table.name, f"{held:,} bytes of pictures", held // VALUE_BYTES)
        except DataError as error:
            wrong[row] = str(error)
            if not query.skip_wrong:
                break
    refuse_rows(table.places, wrong)
    inputs = [pictures[file] for file in files]
    if not query.answers:
        return names, inputs, files
    keys = {file: picture_key(one) for file, one in pictures.items()}
    return names, inputs, [keys[file] for file in files]


def attributes_key(one: Attributes) -> tuple[Any, ...]:
    """Equal for equal numbers and classes."""
    return one.numbers.tobytes(), one.label


def picture_key(pixels: Pixels) -> tuple[Any, ...]:
    """Equal for equal pictures."""
    return pixels.shape, hashlib.sha256(pixels.tobytes()).digest()


def _answers(groups: Groups, query: Query) -> tuple[tuple[Any, ...], ...] | None:
    """(N,) of one caption each, or one sequence (T, D); None where the table may lack them and does."""
    table = groups.table
    if not query.targets:
        return None
    if query.id is None:
        cells = written(table, query.targets[0], "a caption", query.answers)
        return None if cells.has_nulls() else tuple((cell,) for cell in cells)
    if not query.answers and any(np.isnan(table.numbers(column)).any() for column in query.targets):
        return None
    values = np.column_stack([_known(table, column).to_numpy() for column in query.targets])
    return tuple((one,) for one in groups.by_time(query.time).split(values))


def _known(table: Table, column: str) -> pl.Series:
    """(rows,) numbers, none missing."""
    values = pl.Series(table.numbers(column))
    table.refuse(column, values.is_nan(), "wanted a number, got {}", "fill the cell")
    return values
