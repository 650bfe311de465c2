"""JSON lines -> a table: an object in each line, which is a row; its names are those of the columns.

    {"id": "a", "x": [0.5, null, 2], "label": "calm"}      a list is a series in a field
    {"text": "Well, well", "label": "storm"}
    {"review": {"text": "Well, well"}, "label": "storm"}          an object in a field: column review.text
    {"x": [[0.5, 1], [null, 2]], "label": "calm"}                 a list of steps: columns x.1 and x.2
    {"x": [{"a": 0.5, "b": 1}, {"a": null, "b": 2}], "y": "calm"}           x.a and x.b

A value is a text, a number, true or false, null, a list or an object of such. A row may lack a name: null.
A file that is one list of such objects is read the same way.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files import json_text
from unrolled.files.left_out import WrongLineError
from unrolled.files.limits import VALUE_BYTES, require_few
from unrolled.files.messages import counted, shown
from unrolled.files.opening import clean_text

_WANTED = "JSON lines in UTF-8"
_LIST = re.compile(r"\s*\[\s*\{")  # what one list of objects begins with
_PLAIN = (str, bool, int, float, type(None))


def read_json_lines(
    path: str, data: bytes, wrong: dict[str, str] | None = None
) -> tuple[pl.DataFrame, NDArray[np.int64], str]:
    """The rows, the number (from 1) of each, and what it counts: lines, or rows of one list. Where `wrong` is
    given, those that are none are left out, and stand there by their places with the reasons; else DataError
    for the first."""
    body = clean_text(path, data, _WANTED, "an object in each line", wrong).decode()
    most = body.count(",") + body.count("\n")
    require_few(path, f"{most:,} values", most + len(body) // VALUE_BYTES)
    rows, numbers = list[dict[str, Any]](), list[int]()
    read: Callable[[str, Any], dict[str, Any]] = row_of
    unit, values = "line", enumerate(body.split("\n"), 1)
    if _LIST.match(body):
        read, unit, values = _flat_row, "row", enumerate(_listed(path, body), 1)
    for number, value in values:
        if unit == "line" and not value.strip():
            continue
        place = f"{path}, {unit} {number}"
        try:
            rows.append(read(place, value))
            numbers.append(number)
        except DataError as error:
            if wrong is None:
                raise
            wrong[place] = str(error).removeprefix(f"{place}: ")
    if not rows:
        raise DataError(f"{path}: no line is an object; wanted one for each row")
    names = _names(rows)
    sizes = f"{counted(len(rows), 'row')} of {counted(len(names), 'column')}"
    require_few(path, sizes, len(rows) * len(names), columns=len(names))
    places = [f"{path}, {unit} {number}" for number in numbers]
    columns = {name: _column(places, name, [row.get(name) for row in rows]) for name in names}
    return pl.DataFrame(columns), np.array(numbers), unit


def _listed(path: str, body: str) -> list[Any]:
    """The values of a file that is one list."""
    try:
        values: list[Any] = json_text.parse(body, most_lists=body.count("[") + body.count("{"))
    except ValueError as error:
        raise DataError(
            f"{path}: wanted one list of objects, or an object in each line; the list is no JSON "
            f"({error!s:.60}); correct it"
        ) from None
    return values


def row_of(place: str, line: str) -> dict[str, Any]:
    """What a line holds, flat: objects in fields and lists of steps as a field for each of their parts.
    DataError where that is no object of plain values and lists of them."""
    try:
        row = json_text.parse(line)
    except ValueError as error:
        raise WrongLineError(
            f'{place}: wanted an object such as {{"x": 1}} in one line, got {shown(line)} '
            f"({error!s:.60}); write each row in one line, null where there is no value"
        ) from None
    return _flat_row(place, row)


def _flat_row(place: str, row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise WrongLineError(
            f'{place}: wanted an object such as {{"x": 1}}, got {shown(row)}; write each row as one, in '
            "one line"
        )
    flat: dict[str, Any] = {}
    for name, value in _flat(place, row):
        if name in flat:
            raise WrongLineError(f"{place}: two fields are called {shown(name)}; rename one")
        flat[name] = value
    return flat


def _names(rows: list[dict[str, Any]]) -> list[str]:
    """Of all columns; a field that is an object, and null in some rows, is none."""
    names = dict.fromkeys(name for row in rows for name in row)
    parents = {name[:dot] for name in names for dot, sign in enumerate(name) if sign == "."}
    return [name for name in names if name not in parents or any(row.get(name) is not None for row in rows)]


def _flat(place: str, row: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The plain values of a row, and lists of them, by the names that lead there with points between."""
    for key, value in row.items():
        name = before + key
        if isinstance(value, dict):
            yield from _flat(place, value, f"{name}.")
        elif isinstance(value, list) and any(isinstance(step, list | dict) for step in value):
            yield from _of_steps(f"{place}, {shown(name)}", name, value)
        else:
            yield name, value


def _of_steps(place: str, name: str, steps: list[Any]) -> Iterator[tuple[str, list[Any]]]:
    """A list for each value of the steps, which are lists or objects of plain values, of one kind; null where
    a step lacks it."""
    first = next(step for step in steps if step is not None)
    kind = dict if isinstance(first, dict) else list
    for number, step in enumerate(steps, 1):
        if step is not None and not isinstance(step, kind):
            raise WrongLineError(
                f"{place}: wanted {'an object' if kind is dict else 'a list'} as its other steps, got "
                f"{shown(step)} in step {number}; write the same at all steps"
            )
        if isinstance(step, list) and len(step) != len(first):
            raise WrongLineError(
                f"{place}: wanted {counted(len(first), 'value')} as in step 1, got {len(step)} in step "
                f"{number}; write as many at all steps, null where there is none"
            )
    each = [{} if step is None else step if kind is dict else dict(enumerate(step, 1)) for step in steps]
    for key in dict.fromkeys(key for step in each for key in step):
        values = [step.get(key) for step in each]
        if odd := [one for one in values if not isinstance(one, _PLAIN)]:
            raise WrongLineError(
                f"{place}: wanted a text, a number, true, false or null as the values of a step, got "
                f"{shown(odd[0])}; write a field for each of its parts"
            )
        yield f"{name}.{key}", values


def _column(places: Sequence[str], name: str, values: list[Any]) -> pl.Series:
    """One type for all values: numbers, true and false, or texts; of lists that of what they hold."""
    lists = [isinstance(value, list) for value in values]
    if not any(lists):
        return pl.Series(name, *_typed(values))
    first = places[lists.index(True)]
    for place, value, is_list in zip(places, values, lists, strict=True):
        if not is_list and value is not None:
            raise DataError(
                f"{place}, {shown(name)}: wanted a list, as in {first.rpartition(', ')[2]}, got "
                f"{shown(value)}; write the same in all"
            )
    inside, kind = _typed([one for value in values for one in value or []])
    each = iter(inside)
    parts = [None if value is None else [next(each) for _ in value] for value in values]
    return pl.Series(name, parts, pl.List(kind))


def _typed(values: list[Any]) -> tuple[list[Any], Any]:
    """Values of one type, and the type: numbers beside texts are texts, as they are written in JSON."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {bool} and kinds:
        return values, pl.Boolean
    if kinds <= {int} and kinds and all(value is None or value < 2**63 for value in values):
        return values, pl.Int64
    if kinds <= {int, float} and kinds:
        return [None if value is None else float(value) for value in values], pl.Float64
    return [
        value if value is None or isinstance(value, str) else json.dumps(value) for value in values
    ], pl.String
