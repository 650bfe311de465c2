"""Answers that a caller holds in memory: written as a file would have them, and given back in their own type.

kind        written                     given back
str         as it stands                an array of text
bool        True, False                 an array of bool
int8 …      the whole number            an array of this type
float32 …   the number, exactly         an array of this type

Several labels of each are lists, or ones in an indicator array (N, columns): see SetKind. They are written as
the cells of label_sets.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.label_sets import as_text
from unrolled.files.messages import shown

Kind = Literal[
    "str",
    "bool",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
]
KINDS: tuple[str, ...] = get_args(Kind)
_SETS = (set, frozenset)
_LISTS = (list, tuple, np.ndarray, *_SETS)


@dataclass(frozen=True)
class SetKind:
    """Lists of labels of type `kind`; or, where there are `columns`, an indicator array of that type and so
    many columns, whose labels are the numbers of the columns."""

    kind: Kind
    columns: int | None = None


def of_one(kind: Kind | SetKind | None) -> Kind | None:
    """The kind of answers of which each input has one. DataError where it has several."""
    if isinstance(kind, SetKind):
        raise DataError("y: wanted one answer each, got several; give one")
    return kind


def written(values: Any, like: Kind | None = None) -> tuple[tuple[str, ...], Kind]:
    """values (N,) as texts, and their kind; numbers become those of `like` first, where they can without a
    change. DataError for values that are neither text nor numbers, for a missing one, and for infinity."""
    array = _vector(values)
    if array.dtype.kind == "U":
        return tuple(map(str, array)), "str"
    if array.dtype.name not in KINDS:
        raise DataError(
            f"y: wanted texts, whole numbers, numbers or truth values, got {shown(array.dtype.name)} values; "
            "convert them"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array))[0])
        raise DataError(f"y, answer {row}: Input y contains {_odd(array[row])}; fill it in, or leave it out")
    if like not in (None, "str"):
        cast = array.astype(like)
        array = cast if np.array_equal(cast, array) else array
    kind: Any = array.dtype.name
    return tuple(str(one) for one in array.tolist()), kind


def are_sets(values: Any, even_of_one: bool = False) -> bool:
    """Whether answers are lists, sets or the rows of an array; where all hold one alone only if said so."""
    if hasattr(values, "toarray"):
        return True
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        return values.ndim == 2 and (even_of_one or values.shape[1] != 1)
    each = list(values)
    if not each or not all(isinstance(one, _LISTS) for one in each):
        return False
    return even_of_one or any(isinstance(one, _SETS) or len(one) != 1 for one in each)


def written_sets(values: Any, like: SetKind | None = None) -> tuple[tuple[str, ...], SetKind]:
    """(N,) cells of label_sets.py, and their kind; `like` as of `written`. An array that holds nothing but 0
    and 1 is an indicator array, and so are lists of one length that hold both."""
    each = [sorted(one, key=str) if isinstance(one, _SETS) else list(one) for one in values]
    as_array = isinstance(values, np.ndarray) and values.dtype.kind != "O"
    ones = None if like and like.columns is None else _indicator(each, as_array or like is not None)
    if like and like.columns is not None and (ones is None or ones.shape[1] != like.columns):
        raise DataError(f"y: wanted an array of 0 and 1 (N, {like.columns}), as in training; give such")
    if ones is not None:
        kind: Any = (values if as_array else ones).dtype.name
        return tuple(as_text(np.flatnonzero(row)) for row in ones), SetKind(kind, ones.shape[1])
    for row, one in enumerate(each):
        if any(label is None for label in one):
            raise DataError(f"y, answer {row}: a label in it is missing; fill it in, or leave it out")
    flat = [label for one in each for label in one]
    texts, name = written(flat, like.kind if like else None) if flat else ((), "str")
    ends = np.cumsum([0, *map(len, each)]).tolist()
    return tuple(as_text(texts[begin:end]) for begin, end in pairwise(ends)), SetKind(name)


def sets_given_back(chosen: NDArray[np.bool_], texts: Sequence[str], kind: SetKind) -> Any:
    """chosen (N, C) of the labels `texts` -> an indicator array (N, C), or lists of labels (N,)."""
    if kind.columns is not None:
        return chosen.astype(kind.kind)
    names = given_back(texts, kind.kind)
    return [names[row].tolist() for row in chosen]


def given_back(texts: Sequence[str], kind: Kind | None) -> NDArray[Any]:
    """(N,) what was written so; texts where a file wrote them. ValueError for a text of another kind."""
    if kind is not None and kind not in KINDS:
        raise ValueError(f"labels of kind {kind!r:.40}")
    if kind in (None, "str"):
        return np.array(texts, np.str_)
    if kind == "bool":
        if not set(texts) <= {"True", "False"}:
            raise ValueError(f"truth values {texts!s:.40}")
        return np.array([one == "True" for one in texts], np.bool_)
    number: type[int] | type[float] = float if kind.startswith("float") else int
    values = np.array([number(one) for one in texts], kind)
    if [str(one) for one in values.tolist()] != list(texts):
        raise ValueError(f"numbers {texts!s:.40} of kind {kind}")
    return values


def objects(texts: Sequence[str], kind: Kind | None) -> NDArray[np.object_]:
    """(N,) the same as values of Python."""
    values = np.empty(len(texts), np.object_)
    values[:] = given_back(texts, kind).tolist()
    return values


def in_order(texts: Sequence[str], kind: Kind) -> tuple[str, ...]:
    """The distinct ones in the order of their values, as numpy.unique has them."""
    return written(np.unique(given_back(texts, kind)))[0]


def _indicator(rows: list[list[Any]], certain: bool) -> NDArray[Any] | None:
    """(N, C) where there is nothing but 0 and 1, and both unless it is `certain`; None for anything else."""
    if len(set(map(len, rows))) != 1 or not rows[0]:
        return None
    array = np.asarray(rows)
    if array.ndim != 2 or array.dtype.name not in KINDS or array.dtype.kind == "U":
        return None
    values = set(np.unique(array).tolist())
    return array if values == {0, 1} or (certain and values <= {0, 1}) else None


def _vector(values: Any) -> NDArray[Any]:
    """(N,) of text, numbers or truth values. DataError for anything else."""
    try:
        array = np.asarray(values)
    except ValueError:  # lists of unequal length
        raise DataError("y: wanted one answer each, got lists of them; give one") from None
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(f"y: wanted one answer each, an array (N,), got shape {array.shape}; give such")
    if array.dtype.kind in "OT":
        kinds = {type(one) for one in array.tolist()}
        missing = [k for k, one in enumerate(array.tolist()) if one is None]
        if missing:
            raise DataError(f"y, answer {missing[0]}: it is missing; fill it in, or leave its input out")
        if all(issubclass(one, str) for one in kinds):
            return array.astype(np.str_)
        again = np.array(array.tolist())
        if any(issubclass(one, str) for one in kinds) or again.dtype.kind == "O":
            names = ", ".join(sorted(one.__name__ for one in kinds))
            raise DataError(f"y: wanted answers of one type, got {names}; convert them")
        return again
    return array


def _odd(value: Any) -> str:
    return "NaN" if np.isnan(value) else "infinity"
