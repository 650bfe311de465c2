"""Small calls against torch.nn: cells, one step of a network, packed rows and lengths, half precision.

In calls so small the way into a kernel is most of the time. One step of 256 units or more in inference runs
in `frozen()`, where no call looks whether its weights changed; the default, which does, stands beside it.
"""

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

import unrolled.nn
from unrolled.bench.grid import PACKED, bfloat16, both, lengths, padded
from unrolled.bench.layers import CELLS, inference, make, random, training, twin
from unrolled.bench.onnxpeer import onnxruntime
from unrolled.bench.workload import ONNX, OURS, SAME, TORCH, Mode, Peer, Peers, Size, Workload

MODES: tuple[Mode, ...] = ("inference", "training")
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

Run = Callable[[Any], Any]  # x -> (y, state)


def workloads() -> Iterator[Workload]:
    for group, (shapes, modes, build, tolerance) in GROUPS.items():
        for mode in modes:
            for cell in CELLS:
                for shape in shapes:
                    made, quick = partial(build, mode, cell, shape), shape in QUICK
                    yield Workload(
                        group, mode, cell, shape, made, quick=quick, small=True, tolerance=tolerance
                    )


def peer(mode: Mode, module: nn.Module, call: Run, x: Tensor, answer: str = SAME) -> Peer:
    """`call(x)` of `module`, in either mode."""
    return training(module, call, x, answer) if mode == "training" else inference(lambda: call(x), answer)


def held_frozen(module: nn.Module, call: Run) -> Run:
    """`call`; `module` is frozen as long as this exists."""
    holding = ExitStack()
    holding.enter_context(unrolled.nn.frozen(module))

    def run(x: Any, holding: ExitStack = holding) -> Any:
        return call(x)

    return run


def one_step(mode: Mode, H: int, call: Callable[[nn.Module], Run], ours: nn.Module, x: Tensor) -> Peers:
    """Our peers of one step: frozen, and the default beside it, where a frozen one is what is judged."""
    if mode == "training" or H < FROZEN_FROM:
        return {OURS: peer(mode, ours, call(ours), x)}
    default = copy.deepcopy(ours)
    return {
        OURS: peer(mode, ours, held_frozen(ours, call(ours)), x),
        DEFAULT: peer(mode, default, call(default), x),
    }


def _cells(mode: Mode, cell: str, size: Size) -> Peers:
    """T steps of a cell, one call each; in training the gradient is that of the last h."""
    ours, torchs = cells(cell, size)
    T, B, I, H = size
    x = random(T, B, I) if T > 1 else random(B, I)

    def call(module: nn.Module) -> Run:
        return stepping(module, T, first(cell, B, H))

    peers = one_step(mode, H, call, ours, x)
    return {OURS: peers[OURS], TORCH: peer(mode, torchs, call(torchs), x), **peers}


def cells(cell: str, size: Size) -> tuple[nn.Module, nn.Module]:
    """Our cell and torch's with the same weights."""
    kind = CELLS[cell]
    name = f"{kind.torch.__name__}Cell"
    ours = make(getattr(unrolled.nn, name), size.I, size.H)
    return ours, twin(ours, getattr(nn, name), size.I, size.H)


def first(cell: str, *shape: int, dtype: torch.dtype = torch.float32) -> Any:
    """An initial state, as a layer or a cell takes it."""
    parts = tuple(random(*shape, seed=seed).to(dtype) for seed in range(len(CELLS[cell].states)))
    return parts if len(parts) > 1 else parts[0]


def stepping(module: nn.Module, T: int, state: Any) -> Run:
    """x (T, B, I), or (B, I) where T = 1 -> the last h, and all of the last state."""

    def run(x: Tensor) -> tuple[Tensor, Any]:
        after = state
        for one in x.unbind() if T > 1 else (x,):
            after = module(one, after)
        return (after[0] if isinstance(after, tuple) else after), after

    return run


def _networks(mode: Mode, cell: str, shape: Network) -> Peers:
    """One step of one row, from a state."""
    layers, directions, H = shape
    options: dict[str, Any] = {"num_layers": layers, "bidirectional": directions == 2}
    ours = make(CELLS[cell].ours, H, H, **options)
    torchs = twin(ours, CELLS[cell].torch, H, H, **options)
    x, state = random(1, 1, H), first(cell, layers * directions, 1, H)

    def call(module: nn.Module) -> Run:
        return lambda x: module(x, state)

    peers = one_step(mode, H, call, ours, x)
    return {OURS: peers[OURS], TORCH: peer(mode, torchs, call(torchs), x), **peers}


def _packed(mode: Mode, cell: str, size: Size) -> Peers:
    """A PackedSequence in, one out."""
    ours, torchs, x = both(cell, size)
    data, *rest = pack_padded_sequence(x, lengths(size), enforce_sorted=False)

    def call(module: nn.Module) -> Run:
        def run(data: Tensor) -> tuple[Tensor, Any]:
            y, state = module(PackedSequence(data, *rest))
            return y.data, state

        return run

    return {OURS: peer(mode, ours, call(ours), data), TORCH: peer(mode, torchs, call(torchs), data)}


def _lengths(mode: Mode, cell: str, size: Size) -> Peers:
    """Padded rows and their lengths; torch.nn packs them and pads them again."""
    ours, torchs, x = both(cell, size)
    each = lengths(size)
    return {
        OURS: peer(mode, ours, lambda x: ours(x, lengths=each), x),
        PACKED: peer(mode, torchs, padded(torchs, each, size.T), x),
    }


def _half(autocast: bool, of_cells: bool, mode: Mode, cell: str, size: Size) -> Peers:
    """A module of torch.nn, and the same accelerated: in bfloat16, or under autocast to it."""
    T, B, I, H = size
    _, torchs = cells(cell, size) if of_cells else both(cell, size)[:2]
    ours = copy.deepcopy(torchs)
    unrolled.nn.accelerate(ours)
    x = random(B, I) if of_cells and T == 1 else random(T, B, I)
    if not autocast:
        ours, torchs, x = ours.bfloat16(), torchs.bfloat16(), x.bfloat16()
    state = first(cell, B, H, dtype=x.dtype)

    def call(module: nn.Module) -> Run:
        run = stepping(module, T, state) if of_cells else module
        return bfloat16(run) if autocast else run

    return {OURS: peer(mode, ours, call(ours), x), TORCH: peer(mode, torchs, call(torchs), x)}


def _onnx(mode: Mode, cell: str, size: Size) -> Peers:
    """One step of one layer, from a state, through the frozen module."""
    ours, _, x = both(cell, size)
    state = first(cell, 1, size.B, size.H)
    parts = state if isinstance(state, tuple) else (state,)
    default = copy.deepcopy(ours)
    return {
        OURS: peer(mode, ours, held_frozen(ours, lambda x: ours(x, state)), x),
        ONNX: onnxruntime(cell, size, ours, x, parts),
        DEFAULT: peer(mode, default, lambda x: default(x, state), x),
    }


class Group(NamedTuple):
    """Workloads of one builder, which takes a mode, a cell and one of the shapes."""

    shapes: tuple[Any, ...]
    modes: tuple[Mode, ...]
    build: Callable[..., Peers]
    tolerance: float | None = None


GROUPS = {
    "small-cells": Group(CELL_SIZES, MODES, _cells),
    "small-step": Group(NETWORKS, MODES, _networks),
    "small-packed": Group(ROWS, MODES, _packed),
    "small-lengths": Group(ROWS, MODES, _lengths),
    "small-bfloat16": Group(HALF_LAYERS, MODES, partial(_half, False, False), HALF_TOLERANCE),
    "small-bfloat16-cells": Group(HALF_CELLS, MODES, partial(_half, False, True), HALF_TOLERANCE),
    "small-autocast": Group(HALF_LAYERS, MODES, partial(_half, True, False), HALF_TOLERANCE),
    "small-autocast-cells": Group(HALF_CELLS, MODES, partial(_half, True, True), HALF_TOLERANCE),
    "small-onnx-narrow": Group(NARROW, MODES[:1], _onnx),
    "small-onnx": Group(WIDE, MODES[:1], _onnx),
}
