"""What stands on a recurrent layer, against torch.nn: a linear layer and a softmax over 10,000 words."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from torch import nn

import unrolled.nn
from unrolled.bench.layers import make, peer, random, twin
from unrolled.bench.workload import MODES, OURS, TORCH, Mode, Peers, Workload

WORDS = 10_000
TOKENS = 35 * 20


class Head(NamedTuple):
    """A module that unrolled.nn and torch.nn both have, its arguments, and the width of its input."""

    module: str
    arguments: tuple[int, ...]
    options: dict[str, Any]
    width: int
    flops: float = 0.0


HEADS = {
    "linear": Head("Linear", (256, WORDS), {}, 256, 2.0 * TOKENS * 256 * WORDS),
    "softmax": Head("Softmax", (), {"dim": -1}, WORDS),
    "log softmax": Head("LogSoftmax", (), {"dim": -1}, WORDS),
    "layer norm": Head("LayerNorm", (256,), {}, 256),
}


def workloads() -> Iterator[Workload]:
    for name, head in HEADS.items():
        for mode in MODES:
            flops = head.flops * (3 if mode == "training" else 1)
            yield Workload("heads", mode, name, (TOKENS, head.width, *head.arguments[1:]), _head, flops)


def _head(mode: Mode, name: str, shape: tuple[int, ...]) -> Peers:
    head = HEADS[name]
    ours = make(getattr(unrolled.nn, head.module), *head.arguments, **head.options)
    torchs = twin(ours, getattr(nn, head.module), *head.arguments, **head.options)
    x = random(*shape[:2])
    return {OURS: peer(mode, ours, x), TORCH: peer(mode, torchs, x)}
