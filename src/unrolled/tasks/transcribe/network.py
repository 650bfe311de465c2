"""The network of transcripts: at every step what is labelled there, or that nothing is. Per row:

    x_t     numbers; in training with noise and masks, augment.py
    s_i     = [x_{ki} … x_{ki+k-1}]     k steps side by side; zeros where the last ones lack some
    y       = layer(dropout(s))         the recurrent layers, both directions by default
    log p_i = log_softmax(W dropout(y_i) + b)

Shapes   x (B, T, I), lengths (B,) -> s (B, S, k I) -> log p (B, S, O); S = ⌈T / k⌉, of a row ⌈length / k⌉
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from unrolled.batching.buckets import by_length
from unrolled.nn import Linear
from unrolled.nn.functional import log_softmax
from unrolled.ops.torch import TRAINING, USE
from unrolled.tasks.model import build
from unrolled.tasks.transcribe.config import TranscribeModelConfig

# What goes through a network at once where nothing is learnt: so many sequences, and numbers that it says.
BATCH, MOST_SAID = 64, 2**24


class TranscribeNetwork(nn.Module):
    """Of `width` I numbers a step; `outputs` O. `chain`: what a way of decoding learns beside the layers."""

    def __init__(
        self, config: TranscribeModelConfig, width: int, outputs: int, chain: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.subsample = config.subsample
        self.rates = config.noise, config.time_mask, config.feature_mask
        self.layer = build(config, width * config.subsample)
        self.before, self.after = nn.Dropout(config.input_dropout), nn.Dropout(config.output_dropout)
        self.head = Linear(self.layer.output_size, outputs)
        self.chain = chain

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """log p (B, S, O), and how many steps of it (B,) each row has."""
        ops = TRAINING if self.training else USE
        steps = grouped_steps(lengths, self.subsample)
        s = side_by_side(ops.augmented(x, lengths, *self.rates), lengths, self.subsample)
        y, _ = self.layer(self.before(s), lengths=steps)
        return log_softmax(self.head(self.after(y))), steps


def grouped_steps(lengths: Tensor, k: int) -> Tensor:
    """(B,) ⌈length / k⌉."""
    return (lengths + k - 1) // k


def side_by_side(x: Tensor, lengths: Tensor, k: int) -> Tensor:
    """x (B, T, I) -> s (B, ⌈T / k⌉, k I), with zeros behind each row's end."""
    if k == 1:
        return x
    B, T, _ = x.shape
    x = x.masked_fill((torch.arange(T) >= lengths[:, None])[..., None], 0.0)
    return functional.pad(x, (0, 0, 0, -T % k)).reshape(B, -(-T // k), -1)


def together(network: TranscribeNetwork, lengths: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """The indices of all sequences, those of like length together, as many at once as memory allows."""
    for indices in by_length(lengths, BATCH):
        steps = -(-max(lengths[i] for i in indices) // network.subsample)
        size = max(1, MOST_SAID // (steps * network.head.out_features))
        for first in range(0, len(indices), size):
            yield indices[first : first + size]
