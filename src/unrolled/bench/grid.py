"""Plain cells against torch.nn and onnxruntime: the grid of shapes, random lengths, one step, memory."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unrolled.bench.layers import CELLS, Call, make, named, peer, products, random, state, twin
from unrolled.bench.onnxpeer import onnxruntime
from unrolled.bench.workload import ONNX, OURS, TORCH, Absent, Mode, Peer, Peers, Size, Workload

GRID = (
    Size(100, 1, 64, 64),
    Size(100, 1, 256, 256),
    Size(20, 50, 1, 100),
    Size(28, 150, 28, 150),
    Size(35, 32, 128, 256),
    Size(100, 32, 128, 128),
    Size(256, 16, 64, 64),
    Size(500, 8, 64, 128),
    Size(100, 64, 256, 256),
    Size(100, 128, 512, 512),
)
BIG = GRID[-2:]  # where the rate is told beside the machine's peak
QUICK = (GRID[0], GRID[2])
RAGGED = tuple(size for size in GRID if size.T >= 100 and size.B > 1)
STEPS = (Size(1, 1, 64, 64), Size(1, 1, 256, 256))
BFLOAT16 = BIG[0]  # the one shape with torch.nn under autocast beside it
BFLOAT16_PEER = "torch.nn, bfloat16"
PACKED = "torch.nn, packed"


def workloads() -> Iterator[Workload]:
    for cell in CELLS:
        for size in GRID:
            flops, quick = products(cell, size.T * size.B, size), size in QUICK
            yield Workload("grid", "inference", cell, size, _layer, flops, quick=quick)
            yield Workload("grid", "training", cell, size, _layer, 3 * flops, quick=quick)
            yield Workload("memory", "saved", cell, size, _saved, quick=quick, once=True)
        for size in RAGGED:
            flops = 3 * products(cell, int(lengths(size).sum()), size)
            slow = size == GRID[-1]  # seconds a call on one thread: a quarter of the time of all workloads
            yield Workload("lengths", "training", cell, size, ragged, flops, once=slow)
        for size in STEPS:
            yield Workload("step", "inference", cell, size, _step, products(cell, 1, size), quick=True)


def lengths(size: Size) -> Tensor:
    """Random lengths (B,), T/10 to T, the first of them T. torch packs no row of length 0."""
    generator = torch.Generator().manual_seed(size.B)
    drawn = torch.randint(max(1, size.T // 10), size.T + 1, (size.B,), generator=generator)
    drawn[0] = size.T
    return drawn


def both(cell: str, size: Size) -> tuple[nn.Module, nn.Module, Tensor]:
    """Our layer, torch's with the same weights, and x (T, B, I)."""
    ours = make(CELLS[cell].ours, size.I, size.H)
    return ours, twin(ours, CELLS[cell].torch, size.I, size.H), random(size.T, size.B, size.I)


def bfloat16(layer: Call) -> Call:
    """The call of `layer` under autocast."""

    def call(x: Tensor) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return layer(x)

    return call


def _layer(mode: Mode, cell: str, size: Size) -> Peers:
    ours, torchs, x = both(cell, size)
    peers: dict[str, Peer | Absent] = {OURS: peer(mode, ours, x), TORCH: peer(mode, torchs, x)}
    if mode == "inference":
        peers[ONNX] = onnxruntime(cell, size, ours, x)
    if size == BFLOAT16:
        peers[BFLOAT16_PEER] = peer(mode, torchs, x, bfloat16(torchs), answer=None)
    return peers


def _saved(mode: Mode, cell: str, size: Size) -> Peers:
    ours, torchs, x = both(cell, size)
    return {OURS: saving(ours, x), TORCH: saving(torchs, x)}


def saving(layer: nn.Module, x: Tensor) -> Peer:
    """A forward call, for what it saves."""
    x = x.clone().requires_grad_()

    def run() -> dict[str, Tensor]:
        return named(layer(x))

    return Peer(run, run, gradients=True, held=(x, *layer.parameters()))


def ragged(mode: Mode, cell: str, size: Size) -> Peers:
    """Padded rows and their lengths; torch.nn packs them and pads them again."""
    ours, torchs, x = both(cell, size)
    each = lengths(size)

    def packed(x: Tensor) -> tuple[Tensor, Any]:
        y, state = torchs(pack_padded_sequence(x, each, enforce_sorted=False))
        return pad_packed_sequence(y, total_length=size.T)[0], state

    ours_peer = peer(mode, ours, x, lambda x: ours(x, lengths=each))
    return {OURS: ours_peer, PACKED: peer(mode, torchs, x, packed)}


def _step(mode: Mode, cell: str, size: Size) -> Peers:
    ours, torchs, x = both(cell, size)
    first = state(cell, 1, size.B, size.H)
    return {
        OURS: peer(mode, ours, x, lambda x: ours(x, first)),
        TORCH: peer(mode, torchs, x, lambda x: torchs(x, first)),
        ONNX: onnxruntime(cell, size, ours, x, first),
    }
