"""Sequences with an answer at every step, from whichever format a source has.

CSV, Parquet, JSON lines, a frame   long: rows are steps, with an id, and a word or numbers, and a tag in each
.conllu                 CoNLL-U, also under another name where its lines are of that form
all others              CoNLL columns; to be tagged, also words alone, or a sentence a line
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from numpy.typing import NDArray

from unrolled.errors import ConfigError, DataError
from unrolled.files import formats
from unrolled.files.columns import IDS, usual
from unrolled.files.conll import columns_of, read_conll, read_conllu, read_words
from unrolled.files.conll_groups import grouped
from unrolled.files.date_columns import in_iso
from unrolled.files.examples import joined
from unrolled.files.groups import Groups
from unrolled.files.left_out import offering_to_skip, usable_rows
from unrolled.files.long import find_features, find_id, find_time_column
from unrolled.files.messages import listed, option, shown
from unrolled.files.opening import read_text
from unrolled.files.query import Query, find_target, written
from unrolled.files.table import Table, sources_of
from unrolled.files.tagged import Tagged

_WORDS = ("word", "token", "form", "text", "words", "tokens")
_TAGS = ("tag", "tags", "label", "upos", "pos", "ner", "ner_tags", "pos_tags", "labels")
_SENTENCES = (*IDS, "sentence", "sentence_id", "sent_id", "sentence_idx", "sentence #")


def read_tagged(source: Any, query: Query) -> Tagged:
    """The sequences of a path, of several paths, or of a polars frame; Tagged come back as they are.

    Raises ConfigError for what a source of its kind cannot have; DataError of one line, with the place, for
    everything that is wrong in a file.
    """
    if isinstance(source, Tagged):
        return source
    several = [_read(one, query) for one in sources_of(source)]
    return several[0] if len(several) == 1 else _joined(several, query.answers)


def _read(source: Path | pl.DataFrame, query: Query) -> Tagged:
    if isinstance(source, pl.DataFrame):
        return _read_table(query.open(source), query)
    name, data = str(source), read_text(source, "a file of words and tags", query.encoding)
    kind = formats.format_of(source, data[: formats.START])
    columns = [
        name
        for name in ("id", "time", "target", "text", "features")
        if getattr(query, name) not in (None, ())
    ]
    if kind == formats.TSV and not columns and not query.no_header and _is_conll(data[: formats.START]):
        kind = formats.TEXT
    if kind in formats.TABLES:
        return _read_table(query.open(source), query)
    if columns:
        raise ConfigError(
            f"{option(columns[0])} names a column of a table, and {name} is none; name the column of tags "
            f"with {option('column')}"
        )
    sentences = _read_conll(name, data, kind, query)
    return sentences if query.group is None else grouped(sentences, name, data, query.group, query.grouped)


def _read_conll(name: str, data: bytes, kind: str, query: Query) -> Tagged:
    if kind == formats.CONLLU:
        return read_conllu(name, data, query.column, query.answers)
    wrong: dict[str, str] | None = {} if query.skip_wrong else None
    with offering_to_skip(query.skip_wrong):
        if query.answers:
            return read_conll(name, data, query.column, wrong)
        return read_words(name, data, query.layout, wrong)


def _is_conll(start: bytes) -> bool:
    """Whether lines of fields begin without a header, and blank lines stand between some of them."""
    lines = start.decode(errors="replace").removeprefix("\ufeff").split("\n")
    full = [k for k, line in enumerate(lines) if line.strip()]
    names = [field.strip() for field in lines[full[0]].split("\t")] if full else []
    return len(full) > 1 and full[-1] - full[0] >= len(full) and usual(names, (*_WORDS, *_TAGS)) is None


def _read_table(table: Table, query: Query) -> Tagged:
    if query.column is not None:
        raise ConfigError(
            f"{option('column', query.column)} belongs to CoNLL files, and {table.name} is a table; name the "
            f"tags' column with {option('target')}"
        )
    table = query.unfolded(table)
    table.check_header()
    if query.text is not None and query.features:
        raise ConfigError(
            f"{option('text')} and {option('features')}: a step is a word or numbers; leave one of the two "
            "out"
        )
    id = find_id(table, query.id, _SENTENCES)
    table = _named_throughout(table, id)
    columns = table.frame.columns
    word = query.text or (None if query.features else usual(columns, _WORDS, nested=True))
    target = query.target or usual([name for name in columns if name not in (id, word)], _TAGS, nested=True)
    query = replace(query, id=id, text=word, target=target)
    query.check_roles()
    data, why = usable_rows(table, query.skip_wrong, lambda rows: _rows(rows, id, word, query), id)
    return replace(data, left_out=why)


def _named_throughout(table: Table, id: str) -> Table:
    """With the name of its sequence in every row, where each name stands once, in the first row alone."""
    table.require(id)
    names = table.frame[id]
    there = names.drop_nulls()
    if not names.has_nulls() or names[0] is None or there.n_unique() < len(there):
        return table
    note = f"column {shown(id)}: rows without a name belong to the sequence above"
    return replace(table, frame=table.frame.with_columns(names.forward_fill()), notes=(*table.notes, note))


def _rows(table: Table, id: str, word: str | None, query: Query) -> Tagged:
    target = query.target
    time, notes = find_time_column(table, query.time, [id, target, word, *query.features])
    target, of_target = find_target(table, query, [id, time, word, *query.features])
    dated = in_iso(table, time, query.date_format)
    notes += [*dated.notes, f"sequences: column {shown(id)}", *of_target]
    notes += query.notes_on_groups(table, [id, time, target, word], id)
    groups = Groups.of(dated.table, id)
    in_order = groups.by_time(time)
    if word is None:
        features, of_features = find_features(table, query, [id, time, target])
        numbers = table.matrix(features)
        inputs: tuple[Any, ...] = in_order.split(numbers.values)
        notes += [*of_features, *numbers.notes]
    else:
        features, inputs = (), tuple(map(tuple, in_order.split(_words(table, word))))
        notes.append(f"words: column {shown(word)}")
    tags = (
        None
        if target is None
        else written(table, target, "the tag of a step", query.answers, words=query.no_answer)
    )
    answers = None
    if tags is not None and not tags.has_nulls():  # where none is required one may be missing
        answers = tuple(map(tuple, in_order.split(tags.to_numpy())))
    notes = [*table.notes, *notes]
    return Tagged(
        inputs, features, answers, in_order.names, in_order.places, tuple(notes), groups=groups.groups
    )


def _words(table: Table, column: str) -> NDArray[Any]:
    """(rows,) as they stand: "null" is a word."""
    cells = table.texts(column, "words")
    missing = cells.is_null() | (cells.str.strip_chars() == "")
    table.refuse(column, missing, "wanted a word, got {}", "fill the cell, or delete the row")
    return cells.to_numpy()


def _joined(several: list[Tagged], answers: bool) -> Tagged:
    """All in their order. Where a name stands in two files, all names get their file's in front."""
    first = several[0]
    for other in several[1:]:
        if answers and other.layout != first.layout:
            raise _unlike(other, columns_of(other.layout), first, columns_of(first.layout))
        if other.features != first.features:
            raise _unlike(other, listed(other.features) or "words", first, listed(first.features) or "words")
    names = [set(one.names) for one in several]
    if len(set().union(*names)) < sum(map(len, names)):
        files = [one.places[0].rpartition(", ")[0] for one in several]
        several = [
            replace(one, names=tuple(f"{file} {name}" for name in one.names))
            for file, one in zip(files, several, strict=True)
        ]
    return joined(several)


def _unlike(other: Tagged, here: str, first: Tagged, there: str) -> DataError:
    return DataError(
        f"{other.places[0]}: {here} here, {there} in {first.places[0]}; wanted files of one kind"
    )
