"""Batches of a long text of tokens w_0 … w_{N-1}, which may lie in a file larger than memory:

    x[r, t] = w[s_r + t],   y[r, t] = w[s_r + t + 1]        t = 0 … W-1

consecutive  B rows walk side by side through B equal stretches of the text, W tokens a batch: row r goes on
             where it was, so that its state is carried; fewer than B targets at the end of the text are left
             out, and the last batch of an epoch may be narrower than W
random       the text is cut into pieces of W, from a place drawn for each epoch on; B pieces a batch in an
             order drawn from (seed, epoch); no row goes on from another, so the state begins anew

Shapes   tokens (N,) -> x (B, W), y (B, W) int64
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.errors import DataError

Tokens = NDArray[np.int32]
Sampling = Literal["consecutive", "random"]


class Batch(NamedTuple):
    """`goes_on`: each row continues the same row of the batch before."""

    x: Tensor
    y: Tensor
    goes_on: bool


class Streams:
    """Every target once an epoch, but for fewer than B (consecutive) or 2 W (random); what `batches` gives
    follows from (seed, epoch) alone. Takes two tokens or more."""

    def __init__(
        self, tokens: Tokens, window: int, batch_size: int, sampling: Sampling = "consecutive", seed: int = 0
    ) -> None:
        targets = len(tokens) - 1
        if targets < 1:
            raise ValueError(f"wanted two tokens or more, got {len(tokens)}")
        self.tokens, self.seed, self.carries = tokens, seed, sampling == "consecutive"
        if self.carries:
            self.rows = min(batch_size, targets)
            self.length = targets // self.rows
            self.window, self.slack = min(window, self.length), 0
            self.steps_per_epoch = -(-self.length // self.window)
        else:
            self.window = min(window, targets)
            self.slack = min(self.window - 1, targets - self.window)
            self.pieces = (targets - self.slack) // self.window
            self.rows = min(batch_size, self.pieces)
            self.steps_per_epoch = -(-self.pieces // self.rows)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """The batches of epoch 1, 2, …, without the first `skip`."""
        return (self._walk if self.carries else self._draw)(epoch, skip)

    def _walk(self, epoch: int, skip: int) -> Iterator[Batch]:
        first = np.arange(self.rows) * self.length
        for at in range(skip * self.window, self.length, self.window):
            yield self._batch(first + at, min(self.window, self.length - at), at > 0)

    def _draw(self, epoch: int, skip: int) -> Iterator[Batch]:
        draw = np.random.default_rng([self.seed, epoch])
        starts = draw.integers(self.slack + 1) + draw.permutation(self.pieces) * self.window
        for at in range(skip * self.rows, self.pieces, self.rows):
            yield self._batch(starts[at : at + self.rows], self.window, False)

    def _batch(self, starts: NDArray[np.int64], width: int, goes_on: bool) -> Batch:
        rows = np.stack([self.tokens[start : start + width + 1] for start in starts]).astype(np.int64)
        both = torch.from_numpy(rows)
        return Batch(both[:, :-1], both[:, 1:], goes_on)


def encoded(pieces: Iterable[str], encode: Callable[[str], NDArray[np.int64]]) -> Tokens:
    """The numbers of a text in a file without a name, mapped into memory: it goes when the array does.

    DataError where there is no room for four bytes a token in the folder for temporary files.
    """
    with tempfile.TemporaryFile() as file:
        count = 0
        try:
            for piece in pieces:
                count += file.write(encode(piece).astype(np.int32).tobytes()) // 4
            file.flush()
        except OSError as error:
            raise DataError(
                f"the text has no room as numbers in {tempfile.gettempdir()}: {error.strerror}; free some, "
                "or name another folder in TMPDIR"
            ) from error
        if not count:
            return np.empty(0, np.int32)
        return np.memmap(file, np.int32, "r", shape=(count,))
