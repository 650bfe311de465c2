"""The randomness of a layer, drawn before its loop runs."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import dropout

from unrolled.cells import Masks


def thinning(like: Tensor, shape: Sequence[int], rate: float) -> Tensor:
    """Zero with chance `rate`, else 1 / (1 - rate): what dropout multiplies by."""
    return dropout(like.new_ones(tuple(shape)), rate)


def recurrent(like: Tensor, T: int, B: int, H: int, fresh: float, fixed: float) -> Tensor | None:
    """Masks (T, B, H) on h_{t-1}: another at each step at rate `fresh`, or one for all at rate `fixed`."""
    if fresh:
        return thinning(like, (T, B, H), fresh)
    return thinning(like, (1, B, H), fixed).expand(T, B, H) if fixed else None


def zoneout(
    like: Tensor, T: int, B: int, sizes: Sequence[int], rates: Sequence[float], training: bool
) -> tuple[Tensor | float, ...] | None:
    """For each state: which units keep their old value (T, B, H), in training; afterwards the rate itself."""
    if not any(rates):
        return None
    if not training:
        return tuple(rates)
    shapes = [(T, B, H) for H in sizes]
    return tuple(
        torch.rand(shape, device=like.device) < rate for shape, rate in zip(shapes, rates, strict=True)
    )


def draw(
    like: Tensor,
    T: int,
    B: int,
    sizes: Sequence[int],
    training: bool,
    *,
    fresh: float,
    fixed: float,
    rates: Sequence[float],
) -> Masks:
    """The masks of one call. `sizes` are the widths of the cell's states."""
    thinned = recurrent(like, T, B, sizes[0], fresh, fixed) if training else None
    return Masks(thinned, zoneout(like, T, B, sizes, rates, training))
