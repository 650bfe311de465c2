"""How the outputs of two directions become one."""

from collections.abc import Callable

import torch
from torch import Tensor


def _mean(a: Tensor, b: Tensor) -> Tensor:
    return (a + b) / 2


# Of two parts (T, B, P) of one size; "concat" leaves them side by side, of any sizes.
COMBINED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "sum": torch.add,
    "mean": _mean,
    "product": torch.mul,
}


def merged(y: Tensor, merge: str) -> Tensor:
    """y (T, B, P of both directions side by side) -> one output (T, B, F)."""
    return y if merge == "concat" else COMBINED[merge](*y.chunk(2, -1))
