"""Encoded sequences and their labels, as a network learns from them.

Shapes   x (B, T, I), lengths (B,), labels of all rows one after another (Σ L_i,), counts (B,) the L_i
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.buckets import padded
from unrolled.errors import DataError
from unrolled.files.examples import Sequences
from unrolled.files.messages import listed
from unrolled.models.transcribe import NOTHING
from unrolled.tasks import examples
from unrolled.tasks.pooled import encoded
from unrolled.tasks.transcribe.codec import Numbers, TranscribeCodec


class Batch(NamedTuple):
    """`indices` (B,) of the sequences among the examples; `states` (B, S) where an HMM is trained."""

    x: Tensor
    lengths: Tensor
    labels: Tensor
    counts: Tensor
    indices: NDArray[np.int64]
    states: Tensor | None = None


@dataclass(frozen=True)
class Examples(examples.RowExamples[Batch]):
    """`rows` (N,) of (T_i, I), `labels` (N,) of (L_i,)."""

    rows: Sequence[Tensor]
    labels: Sequence[Numbers]

    @classmethod
    def of(cls, codec: TranscribeCodec, data: Sequences) -> Self:
        return cls(encoded(codec.inputs, data), codec.numbers(data))

    def beside(self, rows: Sequence[Tensor], indices: NDArray[np.int64]) -> Batch:
        x, lengths = padded(rows)
        labels = [self.labels[i] for i in indices]
        counts = torch.tensor([len(one) for one in labels])
        return Batch(x, lengths, torch.from_numpy(np.concatenate(labels)), counts, indices)

    def known(self) -> Self:
        """Those whose labels training holds."""
        some = [i for i, one in enumerate(self.labels) if (one != NOTHING).all()]
        return type(self)([self.rows[i] for i in some], [self.labels[i] for i in some])


def require_labels(codec: TranscribeCodec, data: Sequences, examples: Examples) -> None:
    """DataError for a transcript with symbols that are no labels."""
    labels = set(codec.labels[1:])
    for transcript, numbers, place in zip(data.answers or (), examples.labels, data.places, strict=True):
        if (numbers == NOTHING).any():
            odd = [one for one in codec.split(transcript) if one not in labels]
            raise DataError(f"{place}: {listed(odd)} is no label; write it otherwise")
