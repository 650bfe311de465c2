"""What was made of a file that anybody may have written, against the types that its fields are declared with.

dataclasses, named tuples   every field, as it is annotated
int, float, str, bool       such a value: true is no number, a whole number may stand for another
tuples, lists, mappings     all that is in them
arrays                      of the numbers that are declared
any other class             what is no plain value, not looked into
"""

from collections.abc import Collection, Mapping
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

PLAIN: dict[Any, tuple[type, ...]] = {
    int: (int,),
    float: (int, float),
    str: (str,),
    bool: (bool,),
    type(None): (type(None),),
}


def require(value: Any, place: str = "it") -> None:
    """ValueError, which names the place inside, where a field of a dataclass or a named tuple is of another
    type."""
    names = [one.name for one in fields(value)] if is_dataclass(value) else getattr(value, "_fields", ())
    hints = get_type_hints(type(value))
    for name in names:
        require_type(getattr(value, name), hints[name], f"{place}.{name}")


def shaped(array: Any, *shape: int | None) -> Any:
    """The array. ValueError where it is none of that shape; None stands for any size."""
    sizes = np.shape(array)
    if len(sizes) != len(shape) or any(n not in (None, m) for m, n in zip(sizes, shape, strict=True)):
        raise ValueError(f"an array of shape {sizes!s:.40}; wanted {shape!s:.40}")
    return array


def require_type(value: Any, wanted: Any, place: str = "it") -> None:
    """ValueError, which names the place inside, unless the value is of this type."""
    origin, inside = get_origin(wanted), get_args(wanted)
    if origin in (Union, UnionType):
        right = any(_is(value, one) for one in inside)
    elif origin is Literal:
        right = value in inside
    elif origin is np.ndarray:
        right = isinstance(value, np.ndarray) and _holds(value, *get_args(inside[1]))
    elif isinstance(origin, type) and issubclass(origin, Collection):
        right = isinstance(value, origin) and not isinstance(value, str)
        if right:
            _require_each(value, origin, inside, place)
    elif wanted in PLAIN:
        right = type(value) in PLAIN[wanted]
    else:
        right = type(value) not in (int, float, str, bool, list, dict)
        require(value, place)
    if not right:
        raise ValueError(f"{place}: wanted {getattr(wanted, '__name__', wanted)!s:.40}, got {value!r:.40}")


def _require_each(value: Collection[Any], origin: Any, inside: tuple[Any, ...], place: str) -> None:
    if isinstance(value, Mapping):
        for key, one in value.items():
            require_type(key, inside[0], f"a name in {place}")
            require_type(one, inside[1], f"{place}[{key!a:.40}]")
    elif origin is tuple and inside[1:] != (...,):
        if len(value) != len(inside):
            raise ValueError(f"{place}: wanted {len(inside)} values, got {len(value)}")
        for n, (one, wanted) in enumerate(zip(value, inside, strict=True)):
            require_type(one, wanted, f"{place}[{n}]")
    else:
        for n, one in enumerate(value):
            require_type(one, inside[0], f"{place}[{n}]")


def _is(value: Any, wanted: Any) -> bool:
    try:
        require_type(value, wanted, "it")
    except ValueError:
        return False
    return True


def _holds(array: np.ndarray[Any, Any], numbers: Any) -> bool:
    """Whether an array is of these numbers; any do where no single type is declared."""
    one = isinstance(numbers, type) and issubclass(numbers, np.generic) and numbers.__subclasses__() == []
    return not one or array.dtype == np.dtype(numbers)
