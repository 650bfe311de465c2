"""Plain cells against torch.nn and onnxruntime: the grid of shapes, random lengths, one step, memory."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unrolled.bench.layers import CELLS, inference, make, named, products, random, training, twin
from unrolled.bench.onnxpeer import onnxruntime
from unrolled.bench.workload import ONNX, OURS, TORCH, Absent, Peer, Peers, Size, Workload

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
            tokens = size.T * size.B
            flops = products(cell, tokens, size)
            quick = size in QUICK
            yield Workload(
                "grid", "inference", cell, size, partial(_inference, cell, size), flops, quick=quick
            )
            yield Workload(
                "grid", "training", cell, size, partial(_training, cell, size), 3 * flops, quick=quick
            )
            yield Workload("memory", "saved", cell, size, partial(_saved, cell, size), quick=quick, once=True)
        for size in RAGGED:
            flops = 3 * products(cell, int(lengths(size).sum()), size)
            slow = size == GRID[-1]  # seconds a call on one thread: a quarter of the time of all workloads
            yield Workload("lengths", "training", cell, size, partial(_lengths, cell, size), flops, once=slow)
        for size in STEPS:
            flops = products(cell, 1, size)
            yield Workload("step", "inference", cell, size, partial(_step, cell, size), flops, quick=True)


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


def bfloat16(layer: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
    """The call of `layer` under autocast."""

    def call(x: Tensor) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return layer(x)

    return call


def _inference(cell: str, size: Size) -> Peers:
    ours, torchs, x = both(cell, size)
    peers: dict[str, Peer | Absent] = {
        OURS: inference(lambda: ours(x)),
        TORCH: inference(lambda: torchs(x)),
        ONNX: onnxruntime(cell, size, ours, x),
    }
    if size == BFLOAT16:
        rounded = bfloat16(torchs)
        peers[BFLOAT16_PEER] = inference(lambda: rounded(x), answer=None)
    return peers


def _training(cell: str, size: Size) -> Peers:
    ours, torchs, x = both(cell, size)
    peers = {OURS: training(ours, ours, x), TORCH: training(torchs, torchs, x)}
    if size == BFLOAT16:
        peers[BFLOAT16_PEER] = training(torchs, bfloat16(torchs), x, answer=None)
    return peers


def _saved(cell: str, size: Size) -> Peers:
    ours, torchs, x = both(cell, size)
    return {OURS: saving(ours, x), TORCH: saving(torchs, x)}


def saving(layer: nn.Module, x: Tensor) -> Peer:
    """A forward call, for what it saves."""
    x = x.clone().requires_grad_()

    def run() -> dict[str, Tensor]:
        return named(layer(x))

    return Peer(run, run, gradients=True, held=(x, *layer.parameters()))


def _lengths(cell: str, size: Size) -> Peers:
    ours, torchs, x = both(cell, size)
    each = lengths(size)

    return {
        OURS: training(ours, lambda x: ours(x, lengths=each), x),
        PACKED: training(torchs, padded(torchs, each, size.T), x),
    }


def padded(layer: nn.Module, each: Tensor, T: int) -> Callable[[Tensor], Any]:
    """The call of a layer of torch.nn on rows of these lengths: packs x, and pads y."""

    def call(x: Tensor) -> tuple[Tensor, Any]:
        y, state = layer(pack_padded_sequence(x, each, enforce_sorted=False))
        return pad_packed_sequence(y, total_length=T)[0], state

    return call


def _step(cell: str, size: Size) -> Peers:
    ours, torchs, x = both(cell, size)
    parts = tuple(random(1, size.B, size.H, seed=seed) for seed in range(len(CELLS[cell].states)))
    state = parts if len(parts) > 1 else parts[0]
    return {
        OURS: inference(lambda: ours(x, state)),
        TORCH: inference(lambda: torchs(x, state)),
        ONNX: onnxruntime(cell, size, ours, x, parts),
    }
