"""Answers that a caller holds in memory: written as a file would have them, and given back in their own type.

kind        written                     given back
str         as it stands                an array of text
bool        True, False                 an array of bool
int8 …      the whole number            an array of this type
float32 …   the number, exactly         an array of this type
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
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


def _vector(values: Any) -> NDArray[Any]:
    """(N,) of text, numbers or truth values. DataError for anything else."""
    array = np.asarray(values)
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
