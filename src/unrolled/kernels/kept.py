"""What is made from tensors once and kept while they stay as they are, such as a weight packed for a product.

Found by the tensors' identity and gone with any of them; made anew where the memory, version or shape of
one, or the layout asked for, have changed. A tensor made in inference mode has no version, and one that does
not lie in one piece is rarely met twice: nothing of them is kept.

torch counts no writes through `.data` or a numpy view, which copying and averaging of weights often use. So
some of the numbers are compared, too: all of a small tensor, 64 places of one above 4 KiB. Such a write to a
part of a large tensor may go unseen: call `clear` after one.
"""

import weakref
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from torch import Tensor

from unrolled.kernels import dispatch

if dispatch.MISSING is None:
    from unrolled.kernels import _cpu

Value = TypeVar("Value")


class _Entry(NamedTuple):
    tensors: tuple[weakref.ref[Tensor], ...]
    stamp: list[Any]
    value: Any


class Kept(Generic[Value]):
    """`make(*tensors, layout)` gives the value, which must not hold the tensors themselves."""

    def __init__(self, make: Callable[..., Value]) -> None:
        self._make = make
        self._entries: dict[tuple[int, ...], _Entry] = {}

    def get(self, tensors: Sequence[Tensor], layout: str) -> Value:
        """The value for these tensors, made now unless it is kept."""
        key = tuple(map(id, tensors))
        entry = self._entries.get(key)
        if entry is not None and _holds(entry, tensors, layout):
            kept: Value = entry.value
            return kept
        if any(t.is_inference() or not t.is_contiguous() for t in tensors):
            return self._make(*tensors, layout)
        stamp = _stamp(tensors, layout)
        value = self._make(*tensors, layout)

        def forget(_: object) -> None:
            self._entries.pop(key, None)

        self._entries[key] = _Entry(tuple(weakref.ref(t, forget) for t in tensors), stamp, value)
        return value

    def clear(self) -> None:
        """Forgets all."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)


def _holds(entry: _Entry, tensors: Sequence[Tensor], layout: str) -> bool:
    for reference, tensor in zip(entry.tensors, tensors, strict=True):
        if reference() is not tensor:
            return False
    return entry.stamp == _stamp(tensors, layout)


def _stamp(tensors: Sequence[Tensor], layout: str) -> list[Any]:
    stamp: list[Any] = [layout]
    for t in tensors:
        stamp += (t.data_ptr(), t._version, t.shape, _cpu.probe(t.data_ptr(), t.nbytes))
    return stamp
