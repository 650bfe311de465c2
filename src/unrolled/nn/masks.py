"""The randomness of a layer, drawn before its loop runs."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import dropout

from unrolled.kernels.torch.backends import HALVES
from unrolled.kernels.torch.call import MASKS


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
) -> list[Tensor]:
    """For each state the share of its old value that a unit keeps, (T, B, H): drawn, 0 or 1, in training;
    afterwards the rate itself."""
    if not training:
        return [like.new_full((1, 1, H), rate).expand(T, B, H) for H, rate in zip(sizes, rates, strict=True)]
    return [
        (torch.rand((T, B, H), device=like.device) < rate).to(like.dtype)
        for H, rate in zip(sizes, rates, strict=True)
    ]


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
) -> dict[str, Tensor]:
    """The masks of one call by their names in kernels/torch/call.py. `sizes` are the widths of the states."""
    like = like.float() if like.dtype in HALVES else like  # a rate keeps its digits
    thinned = recurrent(like, T, B, sizes[0], fresh, fixed) if training else None
    found = {} if thinned is None else {"recurrent": thinned}
    if any(rates):
        found |= dict(zip(MASKS[1:], zoneout(like, T, B, sizes, rates, training), strict=False))
    return found
