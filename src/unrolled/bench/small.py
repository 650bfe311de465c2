"""Small calls against torch.nn: cells, one step of a network, packed rows and lengths, half precision.

In calls so small the way into a kernel is most of the time. One step of 256 units or more in inference runs
in `frozen()`, where no call looks whether its weights changed; the default, which does, stands beside it.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import unrolled.nn
from unrolled.bench.grid import bfloat16, both, lengths, ragged
from unrolled.bench.layers import CELLS, Call, make, peer, random, state, twin
from unrolled.bench.onnxpeer import onnxruntime
from unrolled.bench.workload import MODES, ONNX, OURS, TORCH, Absent, Mode, Peer, Peers, Size, Workload

DEFAULT = "unrolled, not frozen"
FROZEN_FROM = 256  # units
# Half precision keeps 8 binary digits of a number, and each implementation rounds at other places.
HALF_TOLERANCE = 0.05


class Network(NamedTuple):
    """Layers, directions, and units of each, which are its features too."""

    layers: int
    directions: int
    H: int


CELL_SIZES = tuple(
    Size(T, B, I, H) for I, H in ((4, 8), (64, 128), (256, 512)) for B in (1, 4, 32) for T in (1, 20)
)
NETWORKS = tuple(
    Network(layers, directions, H)
    for layers, directions in ((1, 1), (2, 1), (3, 1), (1, 2))
    for H in (8, 64, 256, 1024)
)
ROWS = tuple(Size(T, B, H, H) for T in (5, 50) for B in (4, 32) for H in (32, 128))
HALF_LAYERS = (Size(1, 1, 64, 64), Size(20, 4, 64, 128), Size(50, 32, 128, 128), Size(100, 64, 256, 256))
HALF_CELLS = (Size(1, 1, 64, 128), Size(1, 32, 64, 128), Size(20, 4, 64, 128))
NARROW, WIDE = (Size(1, 1, 64, 64),), tuple(Size(1, 1, H, H) for H in (256, 512, 1024))
QUICK = (CELL_SIZES[0], NETWORKS[0], ROWS[0], *HALF_CELLS[:1], *NARROW)


def workloads() -> Iterator[Workload]:
    for name, (_, shapes, modes, build, tolerance) in GROUPS.items():
        for mode in modes:
            for cell in CELLS:
                for shape in shapes:
                    options: Any = {"quick": shape in QUICK, "small": True, "tolerance": tolerance}
                    yield Workload(name, mode, cell, shape, build, **options)


def held_frozen(module: nn.Module, call: Call) -> Call:
    """`call`; `module` is frozen as long as this exists."""
    holding = ExitStack()
    holding.enter_context(unrolled.nn.frozen(module))

    def run(x: Any, holding: ExitStack = holding) -> Any:
        return call(x)

    return run


def beside(
    theirs: Mapping[str, Peer | Absent],
    mode: Mode,
    ours: nn.Module,
    x: Tensor,
    call: Callable[[nn.Module], Call],
    frozen: bool = False,
) -> Peers:
    """Our peers and `theirs`; where a frozen one is what is judged, the default is another."""
    if not frozen:
        return {OURS: peer(mode, ours, x, call(ours)), **theirs}
    default = copy.deepcopy(ours)
    judged = peer(mode, ours, x, held_frozen(ours, call(ours)))
    return {OURS: judged, **theirs, DEFAULT: peer(mode, default, x, call(default))}


def _cells(mode: Mode, cell: str, size: Size) -> Peers:
    """T steps of a cell, one call each; in training the gradient is that of the last h."""
    ours, torchs = cells(cell, size)
    T, B, I, H = size
    x, first = random(T, B, I) if T > 1 else random(B, I), state(cell, B, H)

    def call(module: nn.Module) -> Call:
        return stepping(module, T, first)

    theirs = {TORCH: peer(mode, torchs, x, call(torchs))}
    return beside(theirs, mode, ours, x, call, mode == "inference" and H >= FROZEN_FROM)


def cells(cell: str, size: Size) -> tuple[nn.Module, nn.Module]:
    """Our cell and torch's with the same weights."""
    kind = CELLS[cell]
    name = f"{kind.torch.__name__}Cell"
    ours = make(getattr(unrolled.nn, name), size.I, size.H)
    return ours, twin(ours, getattr(nn, name), size.I, size.H)


def stepping(module: nn.Module, T: int, first: Any) -> Call:
    """x (T, B, I), or (B, I) where T = 1 -> the last h, and all of the last state."""

    def run(x: Tensor) -> tuple[Tensor, Any]:
        state = first
        for step in x.unbind() if T > 1 else (x,):
            state = module(step, state)
        return (state[0] if isinstance(state, tuple) else state), state

    return run


def _networks(mode: Mode, cell: str, shape: Network) -> Peers:
    """One step of one row, from a state."""
    layers, directions, H = shape
    options: dict[str, Any] = {"num_layers": layers, "bidirectional": directions == 2}
    ours = make(CELLS[cell].ours, H, H, **options)
    torchs = twin(ours, CELLS[cell].torch, H, H, **options)
    x, first = random(1, 1, H), state(cell, layers * directions, 1, H)

    def call(module: nn.Module) -> Call:
        return lambda x: module(x, first)

    theirs = {TORCH: peer(mode, torchs, x, call(torchs))}
    return beside(theirs, mode, ours, x, call, mode == "inference" and H >= FROZEN_FROM)


def _packed(mode: Mode, cell: str, size: Size) -> Peers:
    """A PackedSequence in, one out."""
    ours, torchs, x = both(cell, size)
    data, *rest = pack_padded_sequence(x, lengths(size), enforce_sorted=False)

    def call(module: nn.Module) -> Call:
        def run(data: Tensor) -> tuple[Tensor, Any]:
            y, state = module(PackedSequence(data, *rest))
            return y.data, state

        return run

    return beside({TORCH: peer(mode, torchs, data, call(torchs))}, mode, ours, data, call)


def _half(autocast: bool, of_cells: bool, mode: Mode, cell: str, size: Size) -> Peers:
    """A module of torch.nn, and the same accelerated: in bfloat16, or under autocast to it."""
    T, B, I, H = size
    _, torchs = cells(cell, size) if of_cells else both(cell, size)[:2]
    ours = copy.deepcopy(torchs)
    unrolled.nn.accelerate(ours)
    x = random(B, I) if of_cells and T == 1 else random(T, B, I)
    if not autocast:
        ours, torchs, x = ours.bfloat16(), torchs.bfloat16(), x.bfloat16()
    first = state(cell, B, H, dtype=x.dtype)

    def call(module: nn.Module) -> Call:
        run = stepping(module, T, first) if of_cells else module
        return bfloat16(run) if autocast else run

    return beside({TORCH: peer(mode, torchs, x, call(torchs))}, mode, ours, x, call)


def _onnx(mode: Mode, cell: str, size: Size) -> Peers:
    """One step of one layer, from a state, through the frozen module."""
    ours, _, x = both(cell, size)
    first = state(cell, 1, size.B, size.H)
    theirs = {ONNX: onnxruntime(cell, size, ours, x, first)}
    return beside(theirs, mode, ours, x, lambda module: lambda x: module(x, first), frozen=True)


class Group(NamedTuple):
    """Workloads of one builder, which takes a mode, a cell and one of the shapes."""

    title: str
    shapes: tuple[Any, ...]
    modes: tuple[Mode, ...]
    build: Callable[..., Peers]
    tolerance: float | None = None


def _rounded(title: str, shapes: tuple[Size, ...], autocast: bool, of_cells: bool) -> Group:
    return Group(title, shapes, MODES, partial(_half, autocast, of_cells), HALF_TOLERANCE)


GROUPS = {
    "small-cells": Group("steps of a cell", CELL_SIZES, MODES, _cells),
    "small-step": Group("one step of one row (layers × directions × units)", NETWORKS, MODES, _networks),
    "small-packed": Group("packed rows", ROWS, MODES, _packed),
    "small-lengths": Group("rows of random lengths", ROWS, MODES, ragged),
    "small-bfloat16": _rounded("accelerated layers in bfloat16", HALF_LAYERS, False, False),
    "small-bfloat16-cells": _rounded("accelerated cells in bfloat16", HALF_CELLS, False, True),
    "small-autocast": _rounded("accelerated layers under autocast to bfloat16", HALF_LAYERS, True, False),
    "small-autocast-cells": _rounded("accelerated cells under autocast to bfloat16", HALF_CELLS, True, True),
    "small-onnx-narrow": Group("one step of 64 units beside onnxruntime", NARROW, MODES[:1], _onnx),
    "small-onnx": Group("one step of more units beside onnxruntime", WIDE, MODES[:1], _onnx),
}
