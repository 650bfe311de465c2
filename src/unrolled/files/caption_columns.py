"""Which columns of a table hold inputs of one step and their answers: those that were named, or found."""

from dataclasses import dataclass

import polars as pl

from unrolled.errors import ConfigError, DataError
from unrolled.files import query as tables
from unrolled.files.captioned import Query
from unrolled.files.images import ENDING
from unrolled.files.long import find_time_column
from unrolled.files.messages import listed, option, shown
from unrolled.files.query import looks_numeric, usual
from unrolled.files.roles import check_distinct, check_header
from unrolled.files.table import Table

IMAGES = ("image", "path", "file", "filename", "picture")
CAPTIONS = ("caption", "text", "sentence", "target", "description")
CLASSES = ("class", "label", "category")


@dataclass(frozen=True)
class Columns:
    """An input is of `image`, or of `features`, `given` or both. With an `id` rows are the steps of answers,
    in the order of `time` if there is one."""

    image: str | None
    features: tuple[str, ...]
    given: str | None
    target: tuple[str, ...]
    id: str | None
    time: str | None


def find_columns(table: Table, asked: Query) -> tuple[Columns, tuple[str, ...]]:
    """And notes on what was found. ConfigError for columns that do not go together, DataError where the table
    lacks one."""
    check_header(table)
    _check(table, asked)
    columns = table.frame.columns
    id = asked.id if asked.id in columns else None
    named = (asked.image, asked.given, id, *asked.features, *asked.target)
    left = [name for name in columns if name not in named]
    time, of_time = _find_time(table, asked, id)
    left = [name for name in left if name != time]
    target, of_target = _find_caption(table, asked, left)
    left = [name for name in left if name not in target]
    image, features, given, of_input = _find_input(table, asked, left)
    if id is not None and not target:
        left = [name for name in left if name not in (image, given, *features)]
        target, of_target = _find_numbers(table, asked, left)
    found = Columns(image, features, given, target, id, time)
    return found, (*of_input, *of_target, *of_time)


def _check(table: Table, asked: Query) -> None:
    """That columns have one part each and are there; those of answers need be only where these are wanted."""
    inputs = [(asked.image, "image"), (asked.given, "class")] + [(name, "feature") for name in asked.features]
    answers = [(asked.id, "id"), (asked.time, "time")] + [(name, "target") for name in asked.target]
    check_distinct([(name, part) for name, part in inputs + answers if name is not None])
    if asked.image is not None and (asked.features or asked.given is not None):
        raise ConfigError(
            f"an input is a picture, or numbers and a class; name {option('image')}, or {option('features')} "
            f"and {option('given')}"
        )
    if asked.id is None and len(asked.target) > 1:
        raise ConfigError(
            f"{option('target')} {listed(asked.target)}: a caption is one column; for sequences of numbers "
            f"name the column that tells them apart with {option('id')}"
        )
    if asked.id is None and asked.time is not None:
        raise ConfigError(
            f"{option('time')} puts the steps of each sequence in order; name the column that tells these "
            f"apart with {option('id')}, or leave {option('time')} out"
        )
    for name, _ in inputs + (answers if asked.answers else []):
        if name is not None:
            table.require(name)


def _find_time(table: Table, asked: Query, id: str | None) -> tuple[str | None, list[str]]:
    if id is None or not (asked.answers or asked.time in (None, *table.frame.columns)):
        return None, []
    names = (name for name in (asked.given, asked.image) if name is not None)
    taken = (*asked.features, *asked.target, *names)
    return find_time_column(table, tables.Query(time=asked.time, features=taken), id)


def _find_caption(table: Table, asked: Query, left: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """The targets that were named, or the column of captions."""
    if asked.target:
        there = all(name in table.frame.columns for name in asked.target)
        return (asked.target if there else ()), []
    found = None if asked.id is not None else usual(left, CAPTIONS)
    if found is not None:
        return (found,), [f"captions: column {shown(found)}"]
    if asked.id is not None or not asked.answers:
        return (), []
    free = [name for name in left if name != _picture_column(table, left)]
    remedy = f"name one of {listed(free)} with {option('target')}" if free else "add one"
    raise DataError(
        f"{table.name}: wanted a column of captions, found none by a usual name; {remedy}, or for "
        f"sequences of numbers name the column that tells them apart with {option('id')}"
    )


def _find_numbers(table: Table, asked: Query, left: list[str]) -> tuple[tuple[str, ...], list[str]]:
    target = tuple(name for name in left if looks_numeric(table.frame[name]))
    if asked.answers and not target:
        raise DataError(
            f"{table.name}: no column of numbers is left to be the target; the columns are "
            f"{listed(table.frame.columns)}"
        )
    return (target, [f"targets: {listed(target)}"]) if asked.answers else ((), [])


def _find_input(
    table: Table, asked: Query, left: list[str]
) -> tuple[str | None, tuple[str, ...], str | None, list[str]]:
    """The columns of pictures, of numbers and of classes."""
    if asked.image is not None or asked.features or asked.given is not None:
        return asked.image, asked.features, asked.given, []
    image = _picture_column(table, left)
    if image is not None:
        return image, (), None, [f"pictures: column {shown(image)}"]
    given = usual(left, CLASSES)
    features: tuple[str, ...] = ()
    if asked.id is None:  # in a long table these are the answer's
        features = tuple(name for name in left if name != given and looks_numeric(table.frame[name]))
    if given is None and not features:
        image = usual(left, IMAGES)
        if image is not None and table.frame[image].dtype == pl.String:  # whatever is wrong comes out there
            return image, (), None, [f"pictures: column {shown(image)}"]
        raise DataError(
            f"{table.name}: wanted pictures, numbers or a class to tell about, found none; the columns are "
            f"{listed(table.frame.columns)}; name those to read with {option('image')}, {option('features')} "
            f"or {option('given')}"
        )
    notes = [] if given is None else [f"classes: column {shown(given)}"]
    return None, features, given, notes + ([f"features: {listed(features)}"] if features else [])


def _picture_column(table: Table, left: list[str]) -> str | None:
    """The column of which half of the first cells or more end as pictures do; of several one of a usual
    name."""
    found = []
    for name in left:
        if table.frame[name].dtype == pl.String:
            some = table.frame[name].drop_nulls().head(100).str.strip_chars()
            if len(some) and 2 * int(some.str.contains(ENDING).sum()) >= len(some):
                found.append(name)
    return usual(found, IMAGES) or next(iter(found), None)
