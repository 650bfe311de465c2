"""The short way for a caller who steps: one direction of plain tensors, no gradient, no lengths, no dice.

A step of 64 units takes the kernel 2 µs; the long way, through `nn` and the operator with their checks, takes
twenty times that. What is in any doubt here goes the long way, which also words what is wrong.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from unrolled.cells import Cell
from unrolled.kernels.packed import kept
from unrolled.kernels.transforms import plain, recorded, transforming

SHARED = 2**16  # so many zeros at most are kept
_shared: dict[torch.dtype, Tensor] = {}


def straight(
    cell: Cell,
    names: tuple[str, ...],
    weights: tuple[Tensor, ...],
    x: Tensor,
    state: Sequence[Tensor] | None,
    reverse: bool,
    batch_first: bool,
) -> tuple[Tensor, list[Tensor]] | None:
    """x (T, B, I) or (B, T, I), each state (1, B, P or H) -> y likewise, last states likewise.

    None unless the kernel has run with these very weights before, and may read all tensors as they are.
    """
    if torch.is_grad_enabled() and recorded((x, *(state or ()), *weights)):
        return None
    packed = kept(cell, names, weights)
    if packed is None or transforming() or x.dim() != 3 or not plain((x, *(state or ()))):
        return None
    I, P, widths, dtype = packed.sizes.I, packed.sizes.P, packed.widths, packed.dtype
    (T, B, features), (time, row, feature) = x.shape, x.stride()
    if batch_first:
        T, B, time, row = B, T, row, time
    if features != I or feature != 1 or x.dtype is not dtype:
        return None
    before = _zeros(x, B * max(widths), len(widths)) if state is None else state
    if state is not None and not _fits(state, B, widths, dtype):
        return None
    y = x.new_empty(B, T, P) if batch_first else x.new_empty(T, B, P)
    strides = (P, T * P) if batch_first else (B * P, P)
    last = [x.new_empty(1, B, width) for width in widths]
    packed.layer.run(
        reverse,
        torch.get_num_threads(),
        T,
        B,
        x.data_ptr(),
        time,
        row,
        before[0].data_ptr(),
        before[-1].data_ptr(),
        y.data_ptr(),
        *strides,
        last[0].data_ptr(),
        last[-1].data_ptr(),
    )
    return y, last


def _fits(state: Sequence[Tensor], B: int, widths: tuple[int, ...], dtype: torch.dtype) -> bool:
    if len(state) != len(widths):
        return False
    for s, width in zip(state, widths, strict=True):
        if s.shape != (1, B, width) or s.dtype is not dtype or not s.is_contiguous():
            return False
    return True


def _zeros(x: Tensor, numbers: int, states: int) -> list[Tensor]:
    """For each state so many zeros, which nobody writes to and many calls share."""
    zeros = _shared.get(x.dtype)
    if zeros is None or zeros.numel() < numbers:
        zeros = torch.zeros(numbers, dtype=x.dtype)
        if numbers <= SHARED:
            _shared[x.dtype] = zeros
    return [zeros] * states
