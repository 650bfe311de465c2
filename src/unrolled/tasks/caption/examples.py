"""The examples of a training: every right answer of an input is one of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.buckets import padded
from unrolled.codecs.conditions import AttributeInputs, Pictures, Rows
from unrolled.files.captioned import Captioned
from unrolled.tasks import examples
from unrolled.tasks.caption.codec import Codec

# What goes through a network at once where nothing is learnt: so many inputs, of large pictures fewer.
BATCH, MOST_PIXELS = 256, 2**20


class Batch(NamedTuple):
    """`x` as the encoder takes it, (B, …) each; y (B, S) or (B, T, D), lengths (B,)."""

    x: tuple[Tensor, ...]
    y: Tensor
    lengths: Tensor


@dataclass(frozen=True)
class Examples(examples.Examples[Batch]):
    """Encoded inputs (N, …); M answers, and which input each one is of (M,)."""

    inputs: Pictures | AttributeInputs
    rows: Rows
    which: NDArray[np.int64]
    answers: Sequence[Tensor]

    @classmethod
    def of(cls, codec: Codec, data: Captioned) -> Self:
        """DataError for what cannot be encoded."""
        encoded = codec.answers.encode(data)
        which = np.repeat(np.arange(len(data)), [len(several) for several in encoded])
        answers = [torch.from_numpy(answer) for several in encoded for answer in several]
        return cls(codec.inputs, codec.inputs.encode(data), which, answers)

    @property
    def lengths(self) -> list[int]:
        return list(map(len, self.answers))

    def collate(self, indices: NDArray[np.int64]) -> Batch:
        x = tensors(self.inputs, self.rows, self.which[indices])
        return Batch(x, *padded([self.answers[i] for i in indices]))


def at_once(inputs: Pictures | AttributeInputs) -> int:
    """How many inputs go through a network together where nothing is learnt."""
    return max(1, min(BATCH, MOST_PIXELS // prod(inputs.size))) if isinstance(inputs, Pictures) else BATCH


def tensors(inputs: Pictures | AttributeInputs, rows: Rows, indices: NDArray[np.int64]) -> tuple[Tensor, ...]:
    """The rows of `indices` as the encoder takes them."""
    return tuple(torch.from_numpy(one) for one in inputs.scaled(tuple(one[indices] for one in rows)))
