"""Batches of sequences of like length, so that little is padded; and the padding itself.

The order of an epoch is drawn from (seed, epoch). It is cut into pools of POOL batches; a pool is sorted by
length and cut into batches, and the batches of all pools are drawn in a new order.

Shapes   rows (T_i, …) -> x (B, T, …) with T the longest T_i, lengths (B,) int64
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Indices = NDArray[np.int64]
B = TypeVar("B")

POOL = 50


class Buckets(Generic[B]):
    """Every sequence once an epoch. `collate(indices)` makes the batch of the sequences `indices` (B,), and
    `changed(indices, epoch)` the one to learn from in that epoch, where it is another; what `batches` gives
    follows from (seed, epoch) and the lengths (N,) alone."""

    def __init__(
        self,
        lengths: Sequence[int],
        collate: Callable[[Indices], B],
        batch_size: int,
        seed: int,
        changed: Callable[[Indices, int], B] | None = None,
    ) -> None:
        self.lengths, self.collate, self.changed = np.asarray(lengths, np.int64), collate, changed
        self.batch_size, self.seed = batch_size, seed

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[B]:
        """The batches of epoch 1, 2, …, without the first `skip`."""
        for indices in self.plan(epoch)[skip:]:
            yield self.collate(indices) if self.changed is None else self.changed(indices, epoch)

    def plan(self, epoch: int) -> list[Indices]:
        """The indices of each batch in order. The one smaller batch, if any, is of the last pool."""
        draw = np.random.default_rng([self.seed, epoch])
        order, pool = draw.permutation(len(self.lengths)), POOL * self.batch_size
        pools = [order[first : first + pool] for first in range(0, len(order), pool)]
        cut = [batch for one in pools for batch in _cut(one, self.lengths, self.batch_size)]
        return [cut[k] for k in draw.permutation(len(cut))]


def by_length(lengths: Sequence[int], batch_size: int) -> list[Indices]:
    """All indices in batches of like length, the shortest first: for use, where the order is free."""
    return _cut(np.arange(len(lengths)), np.asarray(lengths, np.int64), batch_size)


def padded(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """x (B, T, …) and lengths (B,); the padding is 0."""
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True), lengths


def _cut(indices: Indices, lengths: Indices, batch_size: int) -> list[Indices]:
    ordered = indices[np.argsort(lengths[indices], kind="stable")]
    return [ordered[first : first + batch_size] for first in range(0, len(ordered), batch_size)]
