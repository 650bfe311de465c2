"""The short way for one direction of plain tensors, without lengths or dice: steps, and small trainings.

A step of 64 units takes the kernel 2 µs; the long way, through `nn` and the operator with their checks, takes
twenty times that, and forty times with its gradients. What is in any doubt here goes the long way, which also
words what is wrong.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.cells import Cell
from unrolled.kernels.torch import recurrence
from unrolled.kernels.torch.form import Form, Request
from unrolled.kernels.torch.native import GRADIENTS, NOWHERE, Place
from unrolled.kernels.torch.operators import applier, plain, recorded, transforming
from unrolled.kernels.torch.packed import Packed, kept, rows

SHARED = 2**16  # so many zeros at most are kept
_shared: dict[torch.dtype, Tensor] = {}


class Way(NamedTuple):
    """All of a call but its tensors; `states`: how many of them are the caller's, 0 where they are zeros."""

    cell: Cell
    names: tuple[str, ...]
    reverse: bool
    batch_first: bool
    states: int


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
    if transforming() or x.dim() != 3:
        return None
    packed = kept(cell, names, weights)
    if packed is None or not plain((x, *state) if state else (x,)):
        return None
    B, _, features = x.shape if batch_first else (x.shape[1], 0, x.shape[2])
    if features != packed.sizes.I or x.stride(2) != 1 or x.dtype is not packed.dtype:
        return None
    if state is not None and not _fits(state, B, packed):
        return None
    if recorded((x, *(state or ()), *weights)):
        if not x.numel():
            return None
        way = Way(cell, names, reverse, batch_first, len(state or ()))
        y, *last = _record(way, packed, x, *(state or ()), *weights)
        return y, last
    before = _zeros(x, B, packed) if state is None else state
    return _run(packed, reverse, batch_first, x, before, None)


def step(
    cell: Cell, names: tuple[str, ...], weights: tuple[Tensor, ...], x: Tensor, state: Sequence[Tensor] | None
) -> list[Tensor] | None:
    """One step alone, x (B, I), each state (B, P or H) -> the states after it; None as in `straight`, and
    where a gradient is recorded."""
    if transforming() or recorded((x, *(state or ()), *weights)):
        return None
    packed = kept(cell, names, weights)
    if packed is None or not plain((x, *state) if state else (x,)):
        return None
    (B, features), widths, dtype = x.shape, packed.widths, packed.dtype
    if features != packed.sizes.I or x.stride(1) != 1 or x.dtype is not dtype:
        return None
    before = _zeros(x, B, packed) if state is None else state
    if state is not None:
        for k, s in enumerate(state):
            if s.shape != (B, widths[k]) or s.dtype is not dtype or not s.is_contiguous():
                return None
    after = [x.new_empty(B, width) for width in widths]
    h, c = after[0].data_ptr(), after[-1].data_ptr()
    packed.layer.run(
        False,
        torch.get_num_threads(),
        1,
        B,
        x.data_ptr(),
        0,
        x.stride(0),
        before[0].data_ptr(),
        before[-1].data_ptr(),
        h,
        0,
        packed.sizes.P,
        0,
        c if len(after) > 1 else 0,
        0,
    )
    return after


def _run(
    packed: Packed, reverse: bool, batch_first: bool, x: Tensor, state: Sequence[Tensor], tape: Tensor | None
) -> tuple[Tensor, list[Tensor]]:
    (T, B, _), (time, row, _) = x.shape, x.stride()
    if batch_first:
        T, B, time, row = B, T, row, time
    P = packed.sizes.P
    y = x.new_empty(T, B, P)  # in the order of the long way: dropout after it draws in the order of memory
    last = [x.new_empty(1, B, width) for width in packed.widths]
    packed.layer.run(
        reverse,
        torch.get_num_threads(),
        T,
        B,
        x.data_ptr(),
        time,
        row,
        state[0].data_ptr(),
        state[-1].data_ptr(),
        y.data_ptr(),
        B * P,
        P,
        last[0].data_ptr(),
        last[-1].data_ptr(),
        0 if tape is None else tape.data_ptr(),
    )
    return y.transpose(0, 1) if batch_first else y, last


class _Straight(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, way: Way, packed: Packed, x: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        tape = x.new_empty(x.shape[0] * x.shape[1] * packed.tape)
        state = rest[: way.states] or _zeros(x, x.shape[0 if way.batch_first else 1], packed)
        y, last = _run(packed, way.reverse, way.batch_first, x, state, tape)
        ctx.way = way
        ctx.save_for_backward(x, y, tape, *rest)
        ctx.set_materialize_grads(False)
        return y, *last

    @staticmethod
    def backward(ctx: Any, dy: Tensor | None, *d_last: Tensor | None) -> tuple[Tensor | None, ...]:
        way, (x, y, tape, *rest) = ctx.way, ctx.saved_tensors
        needs = ctx.needs_input_grad[2:]
        wants_weights = any(needs[1 + way.states :])
        packed = kept(way.cell, way.names, rest[way.states :])
        given = [d for d in (dy, *d_last) if d is not None]
        if torch.is_grad_enabled() or packed is None or transforming() or not plain(given):
            found = _the_long_way(way, x, y, tape, rest, (dy, *d_last), needs[0], wants_weights)
        else:
            found = _run_back(way, packed, x, y, tape, rest, dy, d_last, needs[0], wants_weights)
        return None, None, *[d if need else None for d, need in zip(found, needs, strict=True)]


_record = applier(_Straight)


def _run_back(
    way: Way,
    packed: Packed,
    x: Tensor,
    y: Tensor,
    tape: Tensor,
    rest: Sequence[Tensor],
    dy: Tensor | None,
    d_last: Sequence[Tensor | None],
    wants_x: bool,
    wants_weights: bool,
) -> list[Tensor | None]:
    """The gradients of x, of the caller's states and of the weights."""
    T, B, I = (x.shape[1], x.shape[0], x.shape[2]) if way.batch_first else x.shape
    state, weights = rest[: way.states], rest[way.states :]
    before = state or _zeros(x, B, packed)
    dx = x.new_empty(T, B, I) if wants_x else None
    d_state = [x.new_empty(1, B, width) for width in packed.widths]
    d_weights = [w.new_empty(w.shape) for w in weights] if wants_weights else []
    places = dict(zip(way.names, [d.data_ptr() for d in d_weights], strict=False))
    dy = None if dy is None else rows(dy)
    d_ends = [None if d is None else d.contiguous() for d in d_last]
    ends = [0 if d is None else d.data_ptr() for d in d_ends]
    packed.layer.run_back(
        way.reverse,
        torch.get_num_threads(),
        T,
        B,
        _place(x, way.batch_first),
        before[0].data_ptr(),
        before[-1].data_ptr(),
        _place(y, way.batch_first),
        tape.data_ptr(),
        NOWHERE if dy is None else _place(dy, way.batch_first),
        ends[0],
        ends[-1],
        0 if dx is None else dx.data_ptr(),
        d_state[0].data_ptr(),
        d_state[-1].data_ptr(),
        [places.get(name, 0) for name in GRADIENTS],
    )
    if way.batch_first and dx is not None:
        dx = dx.transpose(0, 1)
    found: list[Tensor | None] = [dx, *d_state[: way.states]]
    found += d_weights or [None] * len(weights)
    return found


def _the_long_way(
    way: Way,
    x: Tensor,
    y: Tensor,
    tape: Tensor,
    rest: Sequence[Tensor],
    d: Sequence[Tensor | None],
    wants_x: bool,
    wants_weights: bool,
) -> list[Tensor | None]:
    """The same by the operator, for a derivative of the gradients or a transform."""

    def turned(tensor: Tensor) -> Tensor:
        return tensor.transpose(0, 1) if way.batch_first else tensor

    x, y = turned(x), turned(y)
    T, B, _ = x.shape
    sizes = way.cell.state_sizes(way.cell.units(rest[way.states + 1].shape[0]))
    state = [s[0] for s in rest[: way.states]] or [x.new_zeros(B, size) for size in sizes]
    form = Form(way.cell, (way.reverse,), way.names, (), False, False, True, 0)
    request = Request(form, tuple([one is not None for one in d]), wants_x, wants_weights)
    dy, *d_last = d
    given = [*([] if dy is None else [turned(dy)]), *[one[0] for one in d_last if one is not None]]
    tensors = [x, *state, *rest[way.states :], y, tape.view(T, B, -1), *given]
    dx, *others = recurrence.recurrence_backward(request, tensors)
    d_state = [one.unsqueeze(0) for one in others[: way.states]]
    return [turned(dx), *d_state, *others[len(sizes) :]]


def _place(tensor: Tensor, batch_first: bool) -> Place:
    """Of a sequence: its address, the strides of time and row."""
    time, row, _ = tensor.stride()
    return (tensor.data_ptr(), row, time) if batch_first else (tensor.data_ptr(), time, row)


def _fits(state: Sequence[Tensor], B: int, packed: Packed) -> bool:
    widths, dtype = packed.widths, packed.dtype
    if len(state) != len(widths):
        return False
    for k, s in enumerate(state):
        if s.shape != (1, B, widths[k]) or s.dtype is not dtype or not s.is_contiguous():
            return False
    return True


def _zeros(x: Tensor, B: int, packed: Packed) -> list[Tensor]:
    """For each state enough zeros, which nobody writes to and many calls share."""
    numbers = B * max(packed.widths)
    zeros = _shared.get(x.dtype)
    if zeros is None or zeros.numel() < numbers:
        zeros = torch.zeros(numbers, dtype=x.dtype)
        if numbers <= SHARED:
            _shared[x.dtype] = zeros
    return [zeros] * len(packed.widths)
