"""Which columns of a table hold inputs of one step and their answers: those that were named, or found."""

from dataclasses import replace

import polars as pl

from unrolled.errors import ConfigError, DataError
from unrolled.files.columns import usual
from unrolled.files.grouping import group_columns, names_note
from unrolled.files.images import ENDING
from unrolled.files.long import find_time_column
from unrolled.files.manifest import column_of_files
from unrolled.files.messages import listed, option, shown
from unrolled.files.query import Query
from unrolled.files.table import Table

IMAGES = ("image", "path", "file", "filename", "picture")
CAPTIONS = ("caption", "text", "sentence", "target", "description")
CLASSES = ("class", "label", "category")


def find_columns(table: Table, query: Query) -> tuple[Query, tuple[str, ...]]:
    """`query` with the columns that were open, and notes on what was found. An input is of `image`, or of
    `features`, `label` or both. With an `id` rows are the steps of answers, in the order of `time` if
    there is one; columns of answers that are not wanted and that the table lacks are None or ().

    ConfigError for columns that do not go together, DataError where the table lacks one.
    """
    table.check_header()
    _check(table, query)
    columns = table.frame.columns
    id = query.id if query.id in columns else None
    named = (query.image, query.label, id, *query.features, *query.targets)
    time, of_time = None, list[str]()
    if id is not None and (query.answers or query.time in (None, *columns)):
        time, of_time = find_time_column(table, query.time, named)
    left = [name for name in columns if name not in (*named, time)]
    targets, of_targets = _find_caption(table, query, left)
    left = [name for name in left if name not in targets]
    of_groups = query.notes_on_groups(table, [*named, time, *targets], id)
    names = [name for name in group_columns(table, left, id) if name in table.numeric]
    left = [name for name in left if name not in names]
    inputs, of_inputs = _find_input(table, query, left)
    if id is not None and not targets:
        taken = inputs.image, inputs.label, *inputs.features
        targets, of_targets = _find_numbers(table, query, [name for name in left if name not in taken])
    return replace(inputs, targets=targets, id=id, time=time), (
        *of_inputs,
        *of_targets,
        *of_time,
        *names_note(names),
        *of_groups,
    )


def _check(table: Table, query: Query) -> None:
    """That columns have one role each and are there; those of answers need be only where these are wanted."""
    query.check_roles()
    if query.image is not None and (query.features or query.label is not None):
        raise ConfigError(
            f"an input is a picture, or numbers and a class; name {option('image')}, or {option('features')} "
            f"and {option('given')}"
        )
    if query.id is None and len(query.targets) > 1:
        raise ConfigError(
            f"{option('target')} {listed(query.targets)}: a caption is one column; for sequences of numbers "
            f"name the column that tells them apart with {option('id')}"
        )
    if query.id is None and query.time is not None:
        raise ConfigError(
            f"{option('time')} puts the steps of each sequence in order; name the column that tells these "
            f"apart with {option('id')}, or leave {option('time')} out"
        )
    for name, role in query.named:
        if query.answers or role not in ("id", "time", "target"):
            table.require(name)


def _find_caption(table: Table, query: Query, left: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """The targets that were named, or the column of captions."""
    if query.targets:
        there = all(name in table.frame.columns for name in query.targets)
        return (query.targets if there else ()), []
    caption = None if query.id is not None else usual(left, CAPTIONS)
    if caption is not None:
        return (caption,), [f"captions: column {shown(caption)}"]
    if query.id is not None or not query.answers:
        return (), []
    free = [name for name in left if name != _picture_column(table, left)]
    remedy = f"name one of {listed(free)} with {option('target')}" if free else "add one"
    raise DataError(
        f"{table.name}: wanted a column of captions, found none by a usual name; {remedy}, or for "
        f"sequences of numbers name the column that tells them apart with {option('id')}"
    )


def _find_numbers(table: Table, query: Query, left: list[str]) -> tuple[tuple[str, ...], list[str]]:
    if not query.answers:
        return (), []
    targets = tuple(name for name in left if name in table.numeric)
    if not targets:
        raise DataError(
            f"{table.name}: no column of numbers is left to be the target; the columns are "
            f"{listed(table.frame.columns)}"
        )
    return targets, [f"targets: {listed(targets)}"]


def _find_input(table: Table, query: Query, left: list[str]) -> tuple[Query, list[str]]:
    """`query` with the columns of pictures, or of numbers and classes."""
    if query.image is not None or query.features or query.label is not None:
        return query, []
    image = _picture_column(table, left)
    label = usual(left, CLASSES)
    features: tuple[str, ...] = ()
    if query.id is None:  # in a long table these are the answer's
        features = tuple(name for name in left if name != label and name in table.numeric)
    if image is None and label is None and not features:
        image = usual(left, IMAGES)
        if image is None or table.frame[image].dtype != pl.String:
            raise DataError(
                f"{table.name}: wanted pictures, numbers or a class to tell about, found none; the columns "
                f"are {listed(table.frame.columns)}; name those to read with {option('image')}, "
                f"{option('features')} or {option('given')}"
            )
    if image is not None:  # whatever is wrong with its paths comes out where they are read
        return replace(query, image=image), [f"pictures: column {shown(image)}"]
    notes = [] if label is None else [f"classes: column {shown(label)}"]
    notes += [f"features: {listed(features)}"] if features else []
    return replace(query, features=features, label=label), notes


def _picture_column(table: Table, left: list[str]) -> str | None:
    return column_of_files(table, left, ENDING, IMAGES)
