"""What a call costs beside its kernel: the way from Python into it, and the look at every weight.

One step of 8 units is hardly more than the way in. The kernel's own time for a step is a hundredth of what a
hundred steps more take. In training, what any function of one's own costs in autograd is subtracted too.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.bench.grid import GRID, both
from unrolled.bench.layers import CELLS, Call, peer, random, state, twin
from unrolled.bench.small import cells, held_frozen, stepping
from unrolled.bench.workload import MODES, OURS, Mode, Peers, Size, Workload

SIZE = Size(1, 1, 8, 8)
MORE = 100  # steps
LONG, EMPTY = f"unrolled, {MORE} steps more", "empty autograd.Function"
FROZEN = "unrolled, frozen"


def workloads() -> Iterator[Workload]:
    for mode in MODES:
        for cell in CELLS:
            for group, build in OVERHEADS.items():
                yield Workload(group, mode, cell, SIZE, build, threads=1, quick=True, small=True)
            for size in GRID:
                yield Workload("looking", mode, cell, size, _looking)


def beside_kernel(mode: str, median: Callable[[str], float | None]) -> float | None:
    """Microseconds of a call that are neither its kernel's nor autograd's, from medians in milliseconds."""
    call, longer = median(OURS), median(LONG)
    empty = median(EMPTY) if mode == "training" else 0.0
    if call is None or longer is None or empty is None:
        return None
    return 1e3 * (call - (longer - call) / MORE - empty)


def _layer(mode: Mode, cell: str, size: Size) -> Peers:
    ours, _, x = both(cell, size)
    first = state(cell, 1, size.B, size.H)
    return _peers(mode, cell, size, ours, x, lambda x: ours(x, first), 1 + len(CELLS[cell].states))


def _cell(mode: Mode, cell: str, size: Size) -> Peers:
    ours, _ = cells(cell, size)
    call = stepping(ours, 1, state(cell, size.B, size.H))
    return _peers(mode, cell, size, ours, random(size.B, size.I), call, len(CELLS[cell].states))


def _peers(mode: Mode, cell: str, size: Size, ours: nn.Module, x: Tensor, call: Call, outputs: int) -> Peers:
    layer, _, more = both(cell, size._replace(T=size.T + MORE))
    first = state(cell, 1, size.B, size.H)
    longer = peer(mode, layer, more, lambda x: layer(x, first), "a longer call")
    if mode == "inference":
        return {OURS: peer(mode, ours, x, held_frozen(ours, call)), LONG: longer}
    nothing = peer(mode, ours, x, empty(ours, outputs, first), answer=None)
    return {OURS: peer(mode, ours, x, call), LONG: longer, EMPTY: nothing}


class Empty(torch.autograd.Function):
    """Takes what a call takes, gives as many outputs and gradients, and computes nothing."""

    @staticmethod
    def forward(ctx: Any, outputs: int, x: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        ctx.save_for_backward(x, *others)
        ctx.set_materialize_grads(False)
        return tuple(torch.empty_like(x) for _ in range(outputs))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        taken = zip(ctx.saved_tensors, ctx.needs_input_grad[1:], strict=True)
        return None, *(torch.empty_like(t) if needed else None for t, needed in taken)


def empty(module: nn.Module, outputs: int, state: Any) -> Call:
    """The call of the empty function on x, the state and the weights of `module`."""
    others = (*(state if isinstance(state, tuple) else (state,)), *module.parameters())

    def run(x: Tensor) -> tuple[Tensor, tuple[()]]:
        y, *_ = Empty.apply(outputs, x, *others)  # type: ignore[no-untyped-call]
        return y, ()

    return run


OVERHEADS = {"overhead": _layer, "overhead-cells": _cell}


def _looking(mode: Mode, cell: str, size: Size) -> Peers:
    """A call that looks whether its weights have changed, and one that does not; they have not."""
    ours, _, x = both(cell, size)
    other = twin(ours, CELLS[cell].ours, size.I, size.H)
    return {
        OURS: peer(mode, ours, x, changes=False),
        FROZEN: peer(mode, other, x, held_frozen(other, other), changes=False),
    }
