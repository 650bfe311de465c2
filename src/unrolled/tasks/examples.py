"""Encoded examples as a network learns from them, in batches of like length."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.buckets import Buckets, by_length
from unrolled.training.batches import Step
from unrolled.training.config import TrainingConfig

Indices = NDArray[np.int64]
B = TypeVar("B")
T = TypeVar("T")
Changed = Callable[[int, int], Tensor]  # (index, epoch) -> an encoded row (T, …)


class Examples(ABC, Generic[B]):
    """N examples that do not follow one another."""

    @property
    @abstractmethod
    def lengths(self) -> Sequence[int]:
        """(N,) by which they are put side by side."""

    @abstractmethod
    def collate(self, indices: Indices) -> B:
        """The batch of those of `indices` (B,)."""

    def buckets(self, training: TrainingConfig) -> Buckets[B]:
        """The batches of a training."""
        return Buckets(self.lengths, self.collate, training.batch_size, training.seed)

    def batches(self, size: int) -> Iterator[B]:
        """All of them once, for use."""
        return map(self.collate, by_length(self.lengths, size))


class RowExamples(Examples[B]):
    """Encoded sequences `rows` (N,) of (T_i, …), and what stands beside each."""

    rows: Sequence[Tensor]

    @property
    def lengths(self) -> list[int]:
        return list(map(len, self.rows))

    @abstractmethod
    def beside(self, rows: Sequence[Tensor], indices: Indices) -> B:
        """The batch of `rows` (B,), which are those of `indices`, or stand in their place."""

    def collate(self, indices: Indices) -> B:
        return self.beside([self.rows[i] for i in indices], indices)

    def buckets(self, training: TrainingConfig, changed: Changed | None = None) -> Buckets[B]:
        """The batches of a training, of rows that are changed in each epoch where `changed` does so."""
        fresh = None if changed is None else partial(self._changed, changed)
        return Buckets(self.lengths, self.collate, training.batch_size, training.seed, fresh)

    def _changed(self, changed: Changed, indices: Indices, epoch: int) -> B:
        return self.beside([changed(int(i), epoch) for i in indices], indices)


def mean_step(losses: Callable[[B], Tensor]) -> Step[B]:
    """The step of a training whose batches do not follow one another: the mean of the losses (M,) of a batch,
    and no state."""
    return lambda batch, state: (losses(batch).mean(), None)


def mean_loss(losses: Callable[[B], Tensor], batches: Iterable[B]) -> float:
    """The mean of the losses (M,) of all batches, without gradients."""
    with torch.no_grad():
        return float(torch.cat([losses(batch) for batch in batches]).double().mean())


def in_batches(batches: Iterable[Indices], answer: Callable[[Indices], Iterable[T]]) -> list[T]:
    """(N,) what `answer(indices)` gives for each example, where `batches` hold every example once."""
    answers = {
        i: one for indices in batches for i, one in zip(indices.tolist(), answer(indices), strict=True)
    }
    return [answers[i] for i in range(len(answers))]
