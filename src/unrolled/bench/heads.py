"""What stands on a recurrent layer, against torch.nn: a linear layer and a softmax over 10,000 words."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from torch import nn

import unrolled.nn
from unrolled.bench.layers import make, random, twin
from unrolled.bench.variants import MODES, timed
from unrolled.bench.workload import OURS, TORCH, Mode, Peers, Workload

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
            shape = (TOKENS, head.width, *head.arguments[1:])
            yield Workload("heads", mode, name, shape, partial(_head, head, mode), flops)


def _head(head: Head, mode: Mode) -> Peers:
    ours_made: Callable[..., nn.Module] = getattr(unrolled.nn, head.module)
    ours = make(ours_made, *head.arguments, **head.options)
    torchs = twin(ours, getattr(nn, head.module), *head.arguments, **head.options)
    x = random(TOKENS, head.width)
    return {OURS: timed(ours, mode, x), TORCH: timed(torchs, mode, x)}
