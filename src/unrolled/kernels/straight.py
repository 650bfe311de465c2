"""The short way for a caller who steps: one direction of plain tensors, no gradient, lengths or masks.

The operator's way takes several times as long as the kernel of one step; its result is the same.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from unrolled.cells import Call, Masks, Result
from unrolled.kernels import _cpu
from unrolled.kernels.packed import Packed, kept
from unrolled.kernels.transforms import plain, recorded, transforming

NONE = Masks()
NO_MASKS, NO_STATES, NO_TRACE = (0,) * 9, (0,) * 3, (0,) * 2  # what the compiled module takes for absent tensors


def straight(call: Call) -> Result | None:
    """What the kernel computes, or None where the call needs the operator, or its checks."""
    cell, x, state, parameters, lengths, masks, reverse, return_states, _ = call
    if lengths is not None or return_states or masks != NONE or transforming():
        return None
    weights = tuple(parameters.values())
    packed = kept(cell, tuple(parameters), weights)
    if packed is None or not _fits(packed, x, state) or recorded((x, *state, *weights)):
        return None
    T, B, _ = x.shape
    P = packed.sizes.P
    y, last = x.new_empty(T, B, P), tuple([torch.empty_like(s) for s in state])
    ints = [*_addresses(state), *NO_MASKS, y.data_ptr(), B * P, P, *NO_STATES, *_addresses(last), *NO_TRACE]
    place = (x.data_ptr(), x.stride(0), x.stride(1))
    _cpu.forward([packed.layer], [reverse], torch.get_num_threads(), 0, (T, B), 0, place, [ints])
    return Result(y, last, None)


def _fits(packed: Packed, x: Tensor, state: Sequence[Tensor]) -> bool:
    """Whether the kernel may read x and the state as they are."""
    (I, H, P), dtype = packed.sizes, packed.dtype
    if x.dim() != 3 or x.shape[2] != I or x.dtype is not dtype or x.stride(2) != 1 or not plain((x, *state)):
        return False
    B = x.shape[1]
    for s, size in zip(state, (P, H), strict=False):
        if s.shape != (B, size) or s.dtype is not dtype or not s.is_contiguous():
            return False
    return True


def _addresses(state: Sequence[Tensor]) -> list[int]:
    addresses = [s.data_ptr() for s in state]
    return addresses if len(addresses) == 2 else [*addresses, 0]
