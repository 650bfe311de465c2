"""Our variants of a cell beside our plain cell and the reference loop; two directions beside one."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from unrolled import cells
from unrolled.bench.grid import both
from unrolled.bench.layers import CELLS, KINDS, make, peer, products, random, twin
from unrolled.bench.workload import LOOP, MODES, OURS, TORCH, Mode, Peers, Size, Workload

SIZE = Size(100, 32, 128, 128)
PLAIN, ONE_DIRECTION = "unrolled, plain", "unrolled, one direction"


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
                yield Variant(name, word, {key: NUMBERS.get(key, value) for key, value in options.items()})
        yield Variant(name, "zoneout", {"zoneout": 0.1}, drawn=True)


VARIANTS = {variant.name: variant for variant in _variants()}


def workloads() -> Iterator[Workload]:
    for name in VARIANTS:
        for mode in MODES:
            yield Workload("variants", mode, name, SIZE, _variant)
    for cell in CELLS:
        for mode in MODES:
            flops = (6 if mode == "training" else 2) * products(cell, SIZE.T * SIZE.B, SIZE)
            yield Workload("directions", mode, cell, SIZE, _directions, flops, threads=1)


def _variant(mode: Mode, name: str, size: Size) -> Peers:
    cell, _, options, drawn = VARIANTS[name]
    layer = KINDS[cell].ours
    ours = make(layer, size.I, size.H, **options)
    loop = twin(ours, layer, size.I, size.H, **options, backend="reference")
    x = random(size.T, size.B, size.I)
    peers = {OURS: peer(mode, ours, x, drawn=drawn)}
    if options:
        peers[PLAIN] = peer(mode, make(layer, size.I, size.H), x, answer="plain")
    return peers | {LOOP: peer(mode, loop, x, drawn=drawn)}


def _directions(mode: Mode, cell: str, size: Size) -> Peers:
    kind = CELLS[cell]
    ours = make(kind.ours, size.I, size.H, bidirectional=True)
    torchs = twin(ours, kind.torch, size.I, size.H, bidirectional=True)
    one, _, x = both(cell, size)
    return {
        OURS: peer(mode, ours, x),
        ONE_DIRECTION: peer(mode, one, x, answer="one direction"),
        TORCH: peer(mode, torchs, x),
    }
