"""What stands before recurrent layers that read numbers: the numbers, changed at random in training.

Shapes   x (B, T, I), lengths (B,) -> (B, T, width)
Source   the masks are those of SpecAugment, Park et al. 2019, arXiv:1904.08779, with lengths as shares
"""

import torch
from torch import Tensor, nn


class Front(nn.Module):
    """What turns a row into steps of `width` features: x, lengths (B,) -> (B, T, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width


class Augment(Front):
    """Numbers as they are; in training, changed at random.

    noise         adds σ ε, ε standard normal
    time_mask     hides one stretch of steps, its length uniform up to this share of the row's
    feature_mask  hides one stretch of neighbouring features likewise

    What is hidden becomes 0, the training mean. A new draw for every row of every batch.
    """

    def __init__(self, width: int, noise: float, time_mask: float, feature_mask: float) -> None:
        super().__init__(width)
        self.noise, self.time_mask, self.feature_mask = noise, time_mask, feature_mask

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        if not self.training:
            return x
        if self.noise:
            x = x + self.noise * torch.randn_like(x)
        if self.time_mask:
            x = x.masked_fill(_stretch(lengths, x.shape[1], self.time_mask)[..., None], 0.0)
        if self.feature_mask:
            sizes = torch.full_like(lengths, x.shape[2])
            x = x.masked_fill(_stretch(sizes, x.shape[2], self.feature_mask)[:, None], 0.0)
        return x


def _stretch(sizes: Tensor, most: int, share: float) -> Tensor:
    """(B, most) true in one stretch of each row, within its first sizes (B,) places."""
    u, v = torch.rand(2, len(sizes))
    length = (u * ((share * sizes).floor() + 1)).floor()
    first = (v * (sizes - length + 1)).floor()
    place = torch.arange(most)
    inside: Tensor = (first[:, None] <= place) & (place < (first + length)[:, None])
    return inside
