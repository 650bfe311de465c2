"""What it costs, and saves, to keep every k-th state alone for backward: ours beside ours."""

from collections.abc import Iterator

from unrolled.bench.grid import both, saving
from unrolled.bench.layers import CELLS, peer, products, twin
from unrolled.bench.workload import OURS, Mode, Peers, Size, Workload

EVERY = 20
KEEPING = f"unrolled, every {EVERY}th"
SIZE = Size(500, 8, 64, 128)
LONG = Size(100_000, 1, 128, 128)


def workloads() -> Iterator[Workload]:
    for cell in CELLS:
        yield Workload("keeping", "training", cell, SIZE, _peers, 3 * products(cell, SIZE.T * SIZE.B, SIZE))
        for size in (SIZE, LONG):
            yield Workload("keeping", "saved", cell, size, _peers, once=True)


def _peers(mode: Mode, cell: str, size: Size) -> Peers:
    ours, _, x = both(cell, size)
    keeping = twin(ours, CELLS[cell].ours, size.I, size.H, keep_every=EVERY)
    if mode == "saved":
        return {OURS: saving(ours, x), KEEPING: saving(keeping, x)}
    return {OURS: peer(mode, ours, x), KEEPING: peer(mode, keeping, x)}
