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
    """The masks of one call, (T, B, H) each, by their names in kernels/torch/call.py.

    On h_{t-1}, in training: another at each step at rate `fresh`, or one for all steps at rate `fixed`. Of
    each state, as wide as `sizes` say: the share of its old value that a unit keeps, 0 or 1 as drawn in
    training, afterwards the rate itself.
    """
    like = like.float() if like.dtype in HALVES else like  # a rate keeps its digits
    masks: dict[str, Tensor] = {}
    if training and (fresh or fixed):
        thinned = thinning(like, (T if fresh else 1, B, sizes[0]), fresh or fixed)
        masks["recurrent"] = thinned.expand(T, -1, -1)
    for name, H, rate in zip(MASKS[1:], sizes, rates if any(rates) else (), strict=False):
        if training:
            masks[name] = (torch.rand((T, B, H), device=like.device) < rate).to(like.dtype)
        else:
            masks[name] = like.new_full((1, 1, H), rate).expand(T, B, H)
    return masks
