"""How the outputs of two directions become one."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Merge(NamedTuple):
    """`size` of the result from those of the parts, and the result from two parts (T, B, P) of one size."""

    size: Callable[[Sequence[int]], int]
    combine: Callable[[Tensor, Tensor], Tensor] | None  # None: side by side, as they come, of any sizes


def _mean(a: Tensor, b: Tensor) -> Tensor:
    return (a + b) / 2


MERGES = {
    "concat": Merge(sum, None),
    "sum": Merge(max, torch.add),
    "mean": Merge(max, _mean),
    "product": Merge(max, torch.mul),
}


def merged(y: Tensor, merge: str) -> Tensor:
    """y (T, B, P of both directions side by side) -> one output (T, B, F)."""
    combine = MERGES[merge].combine
    return y if combine is None else combine(*y.chunk(2, -1))
