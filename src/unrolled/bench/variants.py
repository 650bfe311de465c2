"""Our variants of a cell beside our plain cell and the reference loop; two directions beside one."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor, nn

from unrolled import cells
from unrolled.bench.grid import both
from unrolled.bench.layers import CELLS, KINDS, inference, make, products, random, training, twin
from unrolled.bench.workload import LOOP, OURS, SAME, TORCH, Mode, Peer, Peers, Size, Workload

SIZE = Size(100, 32, 128, 128)
PLAIN, ONE_DIRECTION = "unrolled, plain", "unrolled, one direction"
MODES: tuple[Mode, ...] = ("inference", "training")


class Variant(NamedTuple):
    """A cell and what it is asked for. Drawn: its training calls draw random numbers."""

    cell: str
    word: str  # as `unrolled kernels` calls what it is asked for; empty for a cell that torch.nn has not
    options: dict[str, Any]
    drawn: bool = False

    @property
    def name(self) -> str:
        return f"{self.cell} {self.word}".rstrip()


NUMBERS = {"proj_size": SIZE.H // 2, "cells_per_block": 4}  # options that are numbers


def _variants() -> Iterator[Variant]:
    for name, cell in cells.CELLS.items():
        if KINDS[name].torch is None:
            yield Variant(name, "", {})
        for word, options in cell.words().items():
            if word not in cell().wants:
                yield Variant(name, word, {own: NUMBERS.get(own, value) for own, value in options.items()})
        yield Variant(name, "zoneout", {"zoneout": 0.1}, drawn=True)


VARIANTS = {variant.name: variant for variant in _variants()}


def workloads() -> Iterator[Workload]:
    for name in VARIANTS:
        for mode in MODES:
            yield Workload("variants", mode, name, SIZE, partial(_variant, name, mode))
    for cell in CELLS:
        for mode in MODES:
            flops = (6 if mode == "training" else 2) * products(cell, SIZE.T * SIZE.B, SIZE)
            build = partial(_directions, cell, mode)
            yield Workload("directions", mode, cell, SIZE, build, flops, threads=1)


def timed(module: nn.Module, mode: Mode, x: Tensor, answer: str = SAME, drawn: bool = False) -> Peer:
    """The call of `module` on x, in either mode."""
    if mode == "training":
        return training(module, module, x, answer, drawn)
    module.eval()
    return inference(lambda: module(x), answer)


def _variant(name: str, mode: Mode) -> Peers:
    variant = VARIANTS[name]
    layer, options = KINDS[variant.cell].ours, variant.options
    ours = make(layer, SIZE.I, SIZE.H, **options)
    loop = twin(ours, layer, SIZE.I, SIZE.H, **options, backend="reference")
    x = random(SIZE.T, SIZE.B, SIZE.I)
    peers = {OURS: timed(ours, mode, x, drawn=variant.drawn)}
    if options:
        peers[PLAIN] = timed(make(layer, SIZE.I, SIZE.H), mode, x, answer="plain")
    return peers | {LOOP: timed(loop, mode, x, drawn=variant.drawn)}


def _directions(cell: str, mode: Mode) -> Peers:
    kind = CELLS[cell]
    ours = make(kind.ours, SIZE.I, SIZE.H, bidirectional=True)
    torchs = twin(ours, kind.torch, SIZE.I, SIZE.H, bidirectional=True)
    one, _, x = both(cell, SIZE)
    return {
        OURS: timed(ours, mode, x),
        ONE_DIRECTION: timed(one, mode, x, answer="one direction"),
        TORCH: timed(torchs, mode, x),
    }
