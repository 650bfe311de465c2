"""What is made from a tensor once and kept while it stays as it is, such as a weight packed for a product.

Found by the tensor's identity and gone with it; made anew where the tensor's memory, version or shape, or the
layout asked for, have changed. A tensor made in inference mode has no version, and one that does not lie in
one piece is rarely met twice: nothing of them is kept.

torch counts no writes through `.data` or a numpy view, which copying and averaging of weights often use. So
some of the numbers are compared, too: all of a small tensor, 64 places of one above 4 KiB. Such a write to a
part of a large tensor may go unseen: call `clear` after one.
"""

import weakref
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from torch import Tensor

from unrolled.kernels import dispatch
from unrolled.kernels.torch import fused as fused

if dispatch.MISSING is None:
    from unrolled.kernels import _cpu

Value = TypeVar("Value")


class _Entry(NamedTuple):
    tensor: weakref.ref[Tensor]
    address: int
    version: int
    shape: tuple[int, ...]
    probe: int
    layout: str
    value: Any

    def fits(self, tensor: Tensor, layout: str) -> bool:
        """Whether it is of this tensor, whatever was written to it."""
        return self.tensor() is tensor and self.shape == tensor.shape and self.layout == layout

    def holds(self, tensor: Tensor, layout: str) -> bool:
        """Whether it is of this tensor as it is now."""
        return (
            self.fits(tensor, layout)
            and self.version == tensor._version
            and self.address == tensor.data_ptr()
            and self.probe == _cpu.probe(self.address, tensor.nbytes)
        )


class Kept(Generic[Value]):
    """`make(tensor, layout, old)` gives the value, which must not hold the tensor itself; `old`, that of the
    same tensor before it was written to, is free to be made over, or None."""

    def __init__(self, make: Callable[[Tensor, str, Value | None], Value]) -> None:
        self._make = make
        self._entries: dict[int, _Entry] = {}

    def get(self, tensor: Tensor, layout: str) -> Value:
        """The value for this tensor, made now unless it is kept."""
        key = id(tensor)
        entry = self._entries.get(key)
        if entry is not None and entry.holds(tensor, layout):
            kept: Value = entry.value
            return kept
        if tensor.is_inference() or not tensor.is_contiguous():
            return self._make(tensor, layout, None)
        old = entry.value if entry is not None and entry.fits(tensor, layout) else None
        address, version = tensor.data_ptr(), tensor._version
        probe = _cpu.probe(address, tensor.nbytes)
        value = self._make(tensor, layout, old)
        reference = weakref.ref(tensor, lambda _: self._entries.pop(key, None))
        self._entries[key] = _Entry(reference, address, version, tensor.shape, probe, layout, value)
        return value

    def clear(self) -> None:
        """Forgets all."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)
