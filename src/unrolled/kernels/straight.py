"""The short way for a caller who steps: one direction of plain tensors, no gradient, nothing random, no lengths.

A step of 64 units takes the kernel 2 µs; the ways of `nn` and of the operator, with their checks, take ten times
that. What is in any doubt here goes the long way, which also finds the words for what is wrong.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from unrolled.cells import Cell
from unrolled.kernels import _cpu
from unrolled.kernels.packed import kept
from unrolled.kernels.transforms import plain, recorded, transforming

NO_MASKS, NO_STATES, NO_TRACE = (0,) * 9, (0,) * 3, (0,) * 2  # what the compiled module takes for absent tensors


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
    packed = kept(cell, names, weights)
    if packed is None or transforming() or x.dim() != 3:
        return None
    (I, H, P), dtype = packed.sizes, packed.dtype
    shape, (time, row, feature) = x.shape, x.stride()
    if shape[2] != I or feature != 1 or x.dtype is not dtype:
        return None
    T, B = shape[:2]
    if batch_first:
        T, B, time, row = B, T, row, time
    sizes = (P, H)[: len(cell.states)]
    if state is None:
        state = [x.new_zeros(1, B, size) for size in sizes]
    elif len(state) != len(sizes):
        return None
    for s, size in zip(state, sizes, strict=True):
        if s.dtype is not dtype or s.shape != (1, B, size) or not s.is_contiguous():
            return None
    tensors = (x, *state)
    if not plain(tensors) or recorded((*tensors, *weights)):
        return None
    y, last = x.new_empty(shape[0], shape[1], P), [torch.empty_like(s) for s in state]
    strides = (P, T * P) if batch_first else (B * P, P)
    ints = [*_addresses(state), *NO_MASKS, y.data_ptr(), *strides, *NO_STATES, *_addresses(last), *NO_TRACE]
    place = (x.data_ptr(), time, row)
    _cpu.forward([packed.layer], [reverse], torch.get_num_threads(), 0, (T, B), 0, place, [ints])
    return y, last


def _addresses(state: Sequence[Tensor]) -> list[int]:
    return [state[0].data_ptr(), state[1].data_ptr() if len(state) > 1 else 0]
