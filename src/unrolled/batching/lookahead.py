"""Long sequences in windows, for networks that read in both directions.

The steps of a sequence are answered in pieces of S, the first and the last of which may be shorter. The
window of a piece holds up to L steps before it and L steps behind it, as far as there are any. To the network
each window is a sequence of its own, whose state begins anew; what it says of the steps beside the piece is
dropped:

    piece     steps first … last - 1
    window    steps max(0, first - L) … min(T, last + L) - 1

So each step is answered once, with L steps on both sides at least, and training and use agree. In use the
first piece begins with the sequence; in training it is shorter by lot, so that pieces have other borders in
every epoch.

Shapes   lengths (N,) -> windows; their outputs (W_i, …) -> (T_i, …)
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Out = TypeVar("Out")


class Window(NamedTuple):
    """Steps begin … end - 1 of a sequence, by its index, of which first … last - 1 are answered."""

    sequence: int
    begin: int
    end: int
    first: int
    last: int

    @property
    def steps(self) -> slice:
        return slice(self.begin, self.end)

    @property
    def piece(self) -> slice:
        """Within the window."""
        return slice(self.first - self.begin, self.last - self.begin)


@dataclass(frozen=True)
class Lookahead:
    """`steps` S and `margin` L."""

    steps: int
    margin: int

    @classmethod
    def restored(cls, about: Mapping[str, Any]) -> Self:
        """Of its plain values. LookupError, TypeError or ValueError for others."""
        steps, margin = about["steps"], about["margin"]
        if type(steps) is not int or type(margin) is not int or steps < 1 or margin < 0:
            raise ValueError(f"windows of {steps!r:.40} steps and {margin!r:.40} beside them")
        return cls(steps, margin)

    def of(self, lengths: Sequence[int], shorter: Sequence[int] | None = None) -> list[Window]:
        """The windows of sequences (N,), in order; `shorter` (N,): by how many steps, below S, the first
        piece of each is."""
        windows = []
        for index, T in enumerate(lengths):
            before = 0 if shorter is None else shorter[index]
            for at in range(-before, max(T, 1), self.steps):
                first, last = max(0, at), min(T, at + self.steps)
                begin, end = max(0, first - self.margin), min(T, last + self.margin)
                windows.append(Window(index, begin, end, first, last))
        return windows

    def joined(self, lengths: Sequence[int], outputs: Sequence[Array]) -> list[Array]:
        """(N,) of (T_i, …): the answers of windows, which are those of `of`."""
        parts: list[list[Array]] = [[] for _ in lengths]
        for window, o in zip(self.of(lengths), outputs, strict=True):
            parts[window.sequence].append(o[window.piece])
        return [np.concatenate(one) for one in parts]


def side_by_side(windows: Sequence[Window], most: int) -> Iterator[list[int]]:
    """Their numbers, at most so many together, all of one length."""
    sizes: dict[int, list[int]] = {}
    for k, one in enumerate(windows):
        sizes.setdefault(one.end - one.begin, []).append(k)
    for same in sizes.values():
        yield from (same[at : at + most] for at in range(0, len(same), most))


class LookaheadBatches(Generic[Out]):
    """Batches of windows in an order drawn from (seed, epoch), as are the lengths of the first pieces.
    `collate(windows)` makes the batch. Pieces with other borders may be one more a sequence: what is too much
    for as many batches every epoch is left out by lot."""

    def __init__(
        self,
        lengths: Sequence[int],
        lookahead: Lookahead,
        collate: Callable[[Sequence[Window]], Out],
        batch_size: int,
        seed: int,
    ) -> None:
        self.sequences, self.lookahead, self.collate = list(lengths), lookahead, collate
        self.batch_size, self.seed = batch_size, seed
        windows = lookahead.of(self.sequences)
        self.lengths = [one.end - one.begin for one in windows]
        self.steps_per_epoch = -(-len(windows) // batch_size)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Out]:
        """The batches of epoch 1, 2, …, without the first `skip`."""
        draw = np.random.default_rng([self.seed, epoch])
        most = [min(self.lookahead.steps, T) for T in self.sequences]
        windows = self.lookahead.of(self.sequences, draw.integers(most).tolist())
        order = draw.permutation(len(windows))[: len(self.lengths)]
        for at in range(skip * self.batch_size, len(order), self.batch_size):
            yield self.collate([windows[k] for k in order[at : at + self.batch_size]])
