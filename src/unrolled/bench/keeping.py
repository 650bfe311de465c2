"""What it costs, and saves, to keep every k-th state alone for backward: ours beside ours."""

from collections.abc import Iterator
from functools import partial

from unrolled.bench.grid import both, saving
from unrolled.bench.layers import CELLS, products, training, twin
from unrolled.bench.workload import OURS, Mode, Peers, Size, Workload

EVERY = 20
KEEPING = f"unrolled, every {EVERY}th"
SIZE = Size(500, 8, 64, 128)
LONG = Size(100_000, 1, 128, 128)


def workloads() -> Iterator[Workload]:
    for cell in CELLS:
        flops = 3 * products(cell, SIZE.T * SIZE.B, SIZE)
        yield Workload("keeping", "training", cell, SIZE, partial(_peers, cell, "training", SIZE), flops)
        for size in (SIZE, LONG):
            yield Workload("keeping", "saved", cell, size, partial(_peers, cell, "saved", size), once=True)


def _peers(cell: str, mode: Mode, size: Size) -> Peers:
    ours, _, x = both(cell, size)
    keeping = twin(ours, CELLS[cell].ours, size.I, size.H, keep_every=EVERY)
    if mode == "saved":
        return {OURS: saving(ours, x), KEEPING: saving(keeping, x)}
    return {OURS: training(ours, ours, x), KEEPING: training(keeping, keeping, x)}
