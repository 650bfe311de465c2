"""Sequences with an answer at every step, from whichever format a source has.

CSV, Parquet, a frame   long: rows are steps, with an id, and a word or numbers, and a tag in each
.conllu                 CoNLL-U, also under another name where its lines are of that form
all others              CoNLL columns; to be tagged, also words alone, or a sentence a line
"""

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from unrolled.errors import ConfigError, DataError
from unrolled.files.conll import columns_of, is_conllu, read_conll, read_conllu, read_words
from unrolled.files.long import find_features, find_time_column, grouped, in_time
from unrolled.files.messages import listed, option, shown
from unrolled.files.opening import read_bytes
from unrolled.files.parquet import is_parquet
from unrolled.files.query import Query, find_target, usual, written
from unrolled.files.roles import IDS, check_distinct, check_header
from unrolled.files.table import Table, open_table
from unrolled.files.tagged import Layout, Tagged

TABLES = (".csv", ".tsv")
_WORDS = ("word", "token", "form", "text")
_TAGS = ("tag", "tags", "label", "upos", "pos", "ner")
_SENTENCES = (*IDS, "sentence", "sentence_id", "sent_id")


def read_tagged(source: Any, asked: Query, column: str | None = None, layout: Layout | None = None) -> Tagged:
    """The sequences of a path, of several paths, or of a polars frame; Tagged come back as they are. `asked`
    names columns of a table, `column` that of a CoNLL file; `layout` is that of the files that a model was
    trained on.

    Raises ConfigError for what a source of its kind cannot have; DataError of one line, with the place, for
    everything that is wrong in a file.
    """
    if isinstance(source, Tagged):
        return source
    several = list(source) if isinstance(source, list | tuple) else [source]
    if not several:
        raise DataError("no files were named; name one at least")
    parts = [_read(one, asked, column, layout) for one in several]
    return parts[0] if len(parts) == 1 else _joined(parts, asked.answers)


def _read(source: Any, asked: Query, column: str | None, layout: Layout | None) -> Tagged:
    if isinstance(source, pl.DataFrame):
        return _read_table(open_table(source), asked, column)
    if not isinstance(source, str | Path):
        raise ConfigError(f"wanted a path, paths, a polars frame or Tagged, got {type(source).__name__}")
    path = Path(source)
    data = read_bytes(path, "a file of words and tags")
    if path.suffix.lower() in TABLES or is_parquet(path, data):
        return _read_table(open_table(path), asked, column)
    named = [name for name in ("id", "time", "target", "text") if getattr(asked, name) is not None]
    if named or asked.features:
        raise ConfigError(
            f"{option((named or ['features'])[0])} names a column of a table, and {path} is none; name the "
            f"column of tags with {option('column')}"
        )
    if path.suffix.lower() == ".conllu" or is_conllu(data):
        return read_conllu(str(path), data, column, asked.answers)
    return read_conll(str(path), data, column) if asked.answers else read_words(str(path), data, layout)


def _read_table(table: Table, asked: Query, column: str | None) -> Tagged:
    if column is not None:
        raise ConfigError(
            f"{option('column', column)} belongs to CoNLL files, and {table.name} is a table; name the tags' "
            f"column with {option('target')}"
        )
    check_header(table)
    columns = table.frame.columns
    id = asked.id or usual(columns, _SENTENCES)
    if id is None:
        raise DataError(
            f"{table.name}: wanted a column that tells which rows are one sequence, found none; "
            f"name one of {listed(columns)} with {option('id')}"
        )
    word = asked.text or (None if asked.features else usual(columns, _WORDS))
    target = asked.target or usual([name for name in columns if name not in (id, word)], _TAGS)
    asked = replace(asked, id=id, target=target)
    _check_parts(asked, word)
    names = written(table, id, "the name of a sequence")
    named = (*asked.features, word) if word else asked.features
    time, notes = find_time_column(table, replace(asked, features=named), id)
    taken = [name for name in (id, time, word, *asked.features) if name is not None]
    target, found = find_target(table, asked, taken)
    notes += [f"sequences: column {shown(id)}", *found]
    order, starts = grouped(table, names)
    if time is not None:
        order = in_time(table, time, order, starts)
    features: tuple[str, ...] = ()
    if word is None:
        features, found = find_features(table, asked, [*taken, *([target] if target else [])])
        notes += found
        values: Any = np.column_stack([table.numbers(name) for name in features])
    else:
        values = _words(table, word)
        notes.append(f"words: column {shown(word)}")
    inputs: Any = tuple(np.split(values[order], starts[1:]))
    lines = np.arange(1, table.frame.height + 1) if table.lines is None else table.lines
    return Tagged(
        inputs if features else tuple(tuple(one) for one in inputs),
        features,
        _tags(table, target, asked.answers, order, starts),
        tuple(names.gather(order[starts])),
        (f"{table.name}, {'row' if table.lines is None else 'line'}",) * len(starts),
        tuple(np.split(lines[order], starts[1:])),
        tuple(notes),
    )


def _check_parts(asked: Query, word: str | None) -> None:
    if asked.text is not None and asked.features:
        raise ConfigError(
            f"{option('text')} and {option('features')}: a step is a word or numbers; leave one of the two "
            "out"
        )
    parts = ((asked.id, "id"), (asked.time, "time"), (asked.target, "target"), (word, "text"))
    named = [(name, part) for name, part in parts if name is not None]
    check_distinct(named + [(name, "feature") for name in asked.features])


def _words(table: Table, column: str) -> Any:
    """(rows,) as they stand: "null" is a word."""
    table.require(column)
    cells = table.frame[column]
    if cells.dtype != pl.String:
        raise DataError(
            f"{table.name}, column {shown(column)}: wanted words, got {cells.dtype}; name another"
        )
    table.refuse(
        column,
        cells.is_null() | (cells.str.strip_chars() == ""),
        "wanted a word, got {}",
        "fill the cell, or delete the row",
    )
    return cells.to_numpy()


def _tags(table: Table, target: str | None, required: bool, order: Any, starts: Any) -> Any:
    """(N,) of (T_i,); None where one is missing and none is required."""
    if target is None:
        return None
    cells = written(table, target, "the tag of a step", required)
    if cells.has_nulls():
        return None
    return tuple(tuple(part) for part in np.split(cells.to_numpy()[order], starts[1:]))


def _joined(parts: list[Tagged], answers: bool) -> Tagged:
    """All in their order. Where a name stands in two files, all names get their file's in front."""
    first = parts[0]
    for part in parts[1:]:
        if answers and part.layout != first.layout:
            raise DataError(
                f"{part.place(0, 0)}: {columns_of(part.layout)} here, {columns_of(first.layout)} in "
                f"{first.place(0, 0)}; wanted files of one kind"
            )
        if part.features != first.features:
            raise DataError(
                f"{part.place(0, 0)}: {listed(part.features) or 'words'} here, "
                f"{listed(first.features) or 'words'} in {first.place(0, 0)}; wanted files of one kind"
            )
    names = [set(part.names) for part in parts]
    shared = len(set().union(*names)) < sum(map(len, names))

    def named(part: Tagged) -> list[str]:
        files = [where.rpartition(", ")[0] for where in part.where]
        return [f"{file} {name}" if shared else name for file, name in zip(files, part.names, strict=True)]

    has_tags = all(part.tags is not None for part in parts)
    inputs: Any = tuple(chain(*(part.inputs for part in parts)))
    return Tagged(
        inputs,
        first.features,
        tuple(chain(*(part.tags or () for part in parts))) if has_tags else None,
        tuple(chain(*map(named, parts))),
        tuple(chain(*(part.where for part in parts))),
        tuple(chain(*(part.lines for part in parts))),
        tuple(dict.fromkeys(chain(*(part.notes for part in parts)))),
        first.layout,
    )
