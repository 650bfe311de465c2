"""Batches of long sequences in stretches of W steps, for truncated backpropagation with a carried state.

B rows walk side by side, each through sequences of its own, one after another. A batch holds the next W
steps of every row, or what is left of its sequence. Where a sequence begins, the row's state begins anew
(`begins`); elsewhere it is that of the row in the batch before. Rows that are through have length 0.

Sequences are dealt to rows once, the longest first to the row with the fewest stretches so far, so that every
epoch has as many batches; the order within a row is drawn from (seed, epoch).

Shapes   sequences (T_i,) -> indices, starts, lengths (B,) int64, begins (B,) bool
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Out = TypeVar("Out")


class Stretch(NamedTuple):
    """Row r holds steps starts[r] … starts[r] + lengths[r] - 1 of sequence indices[r]."""

    indices: NDArray[np.int64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    begins: NDArray[np.bool_]


class Stretches(Generic[Out]):
    """Every step of every sequence once an epoch. `collate(stretch)` makes the batch."""

    def __init__(
        self,
        lengths: Sequence[int],
        window: int,
        collate: Callable[[Stretch], Out],
        batch_size: int,
        seed: int,
    ) -> None:
        self.lengths, self.window, self.collate, self.seed = list(lengths), window, collate, seed
        self.rows = _dealt([-(-length // window) for length in self.lengths], batch_size)
        self.steps_per_epoch = max(sum(-(-self.lengths[i] // window) for i in row) for row in self.rows)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Out]:
        """The batches of epoch 1, 2, …, without the first `skip`."""
        draw = np.random.default_rng([self.seed, epoch])
        rows = [self._walk(draw.permutation(row)) for row in self.rows]
        for at in range(skip, self.steps_per_epoch):
            stretches = [walk[at] if at < len(walk) else (walk[-1][0], 0, 0, True) for walk in rows]
            indices, starts, lengths, begins = (np.array(part) for part in zip(*stretches, strict=True))
            yield self.collate(Stretch(indices, starts, lengths, begins))

    def _walk(self, order: NDArray[np.int64]) -> list[tuple[int, int, int, bool]]:
        """The stretches of one row in order."""
        W = self.window
        return [
            (int(i), start, min(W, self.lengths[i] - start), start == 0)
            for i in order
            for start in range(0, self.lengths[i], W)
        ]


def _dealt(sizes: Sequence[int], rows: int) -> list[list[int]]:
    """The numbers of the sequences of each row; no row without one."""
    heap = [(0, row) for row in range(min(rows, len(sizes)))]
    dealt: list[list[int]] = [[] for _ in heap]
    for index in sorted(range(len(sizes)), key=lambda i: (-sizes[i], i)):
        size, row = heap[0]
        heapq.heapreplace(heap, (size + sizes[index], row))
        dealt[row].append(index)
    return dealt
