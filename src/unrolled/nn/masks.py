"""The randomness of a layer, drawn before its loop runs."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import dropout

from unrolled.kernels.torch.backends import HALVES
from unrolled.kernels.torch.call import MASKS


def dropout_mask(like: Tensor, shape: Sequence[int], rate: float) -> Tensor:
    """Zero with chance `rate`, else 1 / (1 - rate)."""
    return dropout(like.new_ones(tuple(shape)), rate)


def draw(
    like: Tensor,
    T: int,
    B: int,
    sizes: Sequence[int],
    training: bool,
    drop_h: tuple[float, float],
    zoneout: Sequence[float],
) -> dict[str, Tensor]:
    """The masks of one call, (T, B, H) each, by their names in kernels/torch/call.py.

    On h_{t-1}: dropout at the first rate of `drop_h`, another mask at each step, or at the second, one for
    all steps. Of each state, as wide as `sizes` say: the share of its old value that a unit keeps, 0 or 1 as
    drawn in training, afterwards the rate itself.
    """
    like = like.float() if like.dtype in HALVES else like  # a rate keeps its digits
    masks: dict[str, Tensor] = {}
    if any(drop_h):
        drawn = dropout_mask(like, (T if drop_h[0] else 1, B, sizes[0]), max(drop_h))
        masks["recurrent"] = drawn.expand(T, -1, -1)
    for name, H, rate in zip(MASKS[1:], sizes, zoneout if any(zoneout) else (), strict=False):
        if training:
            masks[name] = (torch.rand((T, B, H), device=like.device) < rate).to(like.dtype)
        else:
            masks[name] = like.new_full((1, 1, H), rate).expand(T, B, H)
    return masks
