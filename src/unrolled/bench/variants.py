"""Our variants of a cell beside our plain cell and the reference loop; two directions beside one."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from torch import Tensor, nn

from unrolled.bench.grid import both
from unrolled.bench.layers import CELLS, inference, make, products, training, twin
from unrolled.bench.workload import LOOP, OURS, SAME, TORCH, Mode, Peer, Peers, Size, Workload

SIZE = Size(100, 32, 128, 128)
PLAIN, ONE_DIRECTION = "unrolled, plain", "unrolled, one direction"
MODES: tuple[Mode, ...] = ("inference", "training")


class Variant(NamedTuple):
    """A cell and what it is asked for. Drawn: its training calls draw random numbers."""

    cell: str
    options: dict[str, Any]
    drawn: bool = False


VARIANTS = {
    "lstm peephole": Variant("lstm", {"peephole": True}),
    "lstm layer norm": Variant("lstm", {"layer_norm": True}),
    "lstm projection": Variant("lstm", {"proj_size": SIZE.H // 2}),
    "lstm coupled": Variant("lstm", {"coupled_input_forget": True}),
    "lstm blocks": Variant("lstm", {"cells_per_block": 4}),
    "lstm zoneout": Variant("lstm", {"zoneout": 0.1}, drawn=True),
    "gru reset before": Variant("gru", {"reset_after": False}),
    "gru layer norm": Variant("gru", {"layer_norm": True}),
    "gru zoneout": Variant("gru", {"zoneout": 0.1}, drawn=True),
}


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
    cell, options, drawn = VARIANTS[name]
    kind = CELLS[cell]
    ours = make(kind.ours, SIZE.I, SIZE.H, **options)
    loop = twin(ours, kind.ours, SIZE.I, SIZE.H, **options, backend="reference")
    plain, _, x = both(cell, SIZE)
    return {
        OURS: timed(ours, mode, x, drawn=drawn),
        PLAIN: timed(plain, mode, x, answer="plain"),
        LOOP: timed(loop, mode, x, drawn=drawn),
    }


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
