"""How the outputs of two directions become one."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class Merge(NamedTuple):
    """`size` of the result from the sizes of the parts, and the result (T, B, F) from the parts."""

    size: Callable[[Sequence[int]], int]
    combine: Callable[[Sequence[Tensor]], Tensor]


MERGES = {
    "concat": Merge(sum, lambda parts: torch.cat(tuple(parts), -1)),
    "sum": Merge(max, lambda parts: parts[0] + parts[1]),
    "mean": Merge(max, lambda parts: (parts[0] + parts[1]) / 2),
    "product": Merge(max, lambda parts: parts[0] * parts[1]),
}


def merged(parts: Sequence[Tensor], merge: str) -> Tensor:
    """One output from those of one direction or both."""
    return parts[0] if len(parts) == 1 else MERGES[merge].combine(parts)
