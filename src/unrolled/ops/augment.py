"""Numbers that recurrent layers read, changed at random in training.

    noise         adds σ ε, ε standard normal
    time_mask     hides one stretch of steps, its length uniform up to this share of the row's
    feature_mask  hides one stretch of neighbouring features likewise

What is hidden becomes 0, the training mean. A new draw for every row of every batch.

Shapes   x (B, T, I), lengths (B,) -> (B, T, I)
Source   the masks are those of SpecAugment, Park et al. 2019, arXiv:1904.08779, with lengths as shares
"""

import torch
from torch import Tensor


def augmented(x: Tensor, lengths: Tensor, noise: float, time_mask: float, feature_mask: float) -> Tensor:
    if noise:
        x = x + noise * torch.randn_like(x)
    if time_mask:
        x = x.masked_fill(_stretch(lengths, x.shape[1], time_mask)[..., None], 0.0)
    if feature_mask:
        sizes = torch.full_like(lengths, x.shape[2])
        x = x.masked_fill(_stretch(sizes, x.shape[2], feature_mask)[:, None], 0.0)
    return x


def _stretch(sizes: Tensor, most: int, share: float) -> Tensor:
    """(B, most) true in one stretch of each row, within its first sizes (B,) places."""
    u, v = torch.rand(2, len(sizes))
    length = (u * ((share * sizes).floor() + 1)).floor()
    first = (v * (sizes - length + 1)).floor()
    place = torch.arange(most)
    inside: Tensor = (first[:, None] <= place) & (place < (first + length)[:, None])
    return inside
