"""Windows of W steps over one or more series. A window that begins at step s of its series is, t = 0 … W-1:

    x[t] = inputs[s + t]
    y[t] = targets[s + t + ahead]                                   horizon None
    y[t, h] = targets[s + t + ahead + h],  h = 0 … horizon-1        horizon given

Shapes   inputs (T_i, I), targets (T_i, …) -> x (B, W, I), y (B, W, …) or y (B, W, horizon, …)
         With n_i = T_i - ahead - (horizon - 1) usable steps a series has n_i - W + 1 windows.
         ahead=1 is next-step prediction; ahead=0 takes targets that are aligned with their inputs already.

random       every window of every series once an epoch, in an order drawn from (seed, epoch)
consecutive  the series are cut into pieces of W steps; a row walks through neighbouring pieces, so that its
             state can be carried from batch to batch; `reset` marks the rows that begin anew

A series shorter than the window (random) and the end of a series (consecutive) come as rows with fewer than
W true steps, told by `lengths`; past them x and y hold zeros or steps of the same series, never another's.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.errors import DataError
from unrolled.files.messages import option, shown

Steps = NDArray[np.int64]
Sampling = Literal["random", "consecutive"]


@dataclass(frozen=True, slots=True)
class Batch:
    """B windows. `lengths` (B,) int64 on the CPU: true steps of each row, None where all have W; a row whose
    pieces are used up has 0. `reset` (B,) bool: rows whose state begins anew; None under random sampling,
    where no row continues another.
    """

    x: Tensor
    y: Tensor
    lengths: Tensor | None
    reset: Tensor | None


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where the N windows of an epoch begin: `starts` (N,) in the joined series, `lengths` (N,) their true
    steps, `reset` (N,) or None. Batch number k takes entries k·rows … (k+1)·rows-1.
    """

    starts: Tensor
    lengths: Tensor
    reset: Tensor | None
    rows: int

    def select(self, keep: Tensor) -> "_Plan":
        """Of windows that do not follow one another those of `keep` (N,)."""
        if not keep.any():
            raise DataError("no window of the training part has a value to learn, gaps alone; give more data")
        return _Plan(self.starts[keep], self.lengths[keep], None, min(self.rows, int(keep.sum())))


class Windows:
    """Batches of windows, a pure function of (seed, epoch).

    `names` is what errors call the series; `notes` tells which series are too short for even one step. `keep`
    (n_i - W + 1,), of a shorter series (1,), says which windows of each series are drawn under random
    sampling. Raises DataError where no series fills a window or none is kept.
    """

    def __init__(
        self,
        inputs: Sequence[Tensor],
        targets: Sequence[Tensor],
        window: int,
        batch_size: int,
        seed: int,
        sampling: Sampling = "random",
        *,
        ahead: int,
        horizon: int | None = None,
        names: Sequence[str] | None = None,
        keep: Sequence[Tensor] | None = None,
    ) -> None:
        sizes = [[len(x) for x in part] for part in (inputs, targets)]
        if sizes[0] != sizes[1] or not inputs:
            raise ValueError(
                f"inputs and targets must be pairs of equal length, got lengths {sizes[0]} and {sizes[1]}"
            )
        labels = list(names) if names is not None else [str(number) for number in range(len(inputs))]
        margin = ahead + (horizon or 1) - 1
        usable = np.array([len(x) - margin for x in inputs])
        _check_lengths(usable, sizes[0], labels, window, margin)
        self.notes = tuple(
            f"series {shown(label)} is left out: its training part has length {len(x)}, needed are "
            f"{margin + 1}"
            for label, x, steps in zip(labels, inputs, usable, strict=True)
            if steps < 1
        )
        filled = [i for i, steps in enumerate(usable) if steps >= 1]
        usable = usable[filled]
        stored = -(-usable // window) * window + margin
        offsets = np.cumsum(stored) - stored
        self._x = _views(_joined([inputs[i] for i in filled], stored), window, 0, None)
        self._y = _views(_joined([targets[i] for i in filled], stored), window, ahead, horizon)
        self._window, self._seed, self._shuffled = window, seed, sampling == "random"
        self._plan = _PLANS[sampling](usable, offsets, window, batch_size)
        if keep is not None:
            self._plan = self._plan.select(torch.cat([keep[i] for i in filled]))
        self._ragged = bool((self._plan.lengths < window).any())

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self._plan.starts) // self._plan.rows)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from number `skip` on, as if the first `skip` were drawn and dropped."""
        if skip < 0:
            raise ValueError(f"skip must be 0 or more, got {skip}")
        plan = self._shuffle(epoch) if self._shuffled else self._plan
        for first in range(skip * plan.rows, len(plan.starts), plan.rows):
            part = slice(first, first + plan.rows)
            starts = plan.starts[part].to(self._x.device)
            reset, lengths = None if plan.reset is None else plan.reset[part], plan.lengths[part]
            yield Batch(
                self._x.index_select(0, starts),
                self._y.index_select(0, starts),
                lengths if self._ragged and bool((lengths < self._window).any()) else None,
                reset,
            )

    def _shuffle(self, epoch: int) -> _Plan:
        plan = self._plan
        state = np.random.SeedSequence((self._seed, epoch)).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(state[0]))
        order = torch.randperm(len(plan.starts), generator=generator)
        return _Plan(plan.starts[order], plan.lengths[order], None, plan.rows)


def _random_plan(usable: Steps, offsets: Steps, window: int, batch_size: int) -> _Plan:
    windows = np.maximum(usable - window + 1, 1)
    within = np.arange(windows.sum()) - np.repeat(np.cumsum(windows) - windows, windows)
    starts = np.repeat(offsets, windows) + within
    lengths = np.repeat(np.minimum(usable, window), windows)
    return _Plan(torch.from_numpy(starts), torch.from_numpy(lengths), None, min(batch_size, len(starts)))


def _consecutive_plan(usable: Steps, offsets: Steps, window: int, batch_size: int) -> _Plan:
    """All pieces in one line, series after series; row r takes the r-th run of neighbouring pieces."""
    pieces = -(-usable // window)
    within = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    starts = np.repeat(offsets, pieces) + within * window
    lengths = np.minimum(np.repeat(usable, pieces) - within * window, window)

    rows = min(batch_size, len(starts))
    steps = -(-len(starts) // rows)
    taken = np.full(rows, len(starts) // rows) + (np.arange(rows) < len(starts) % rows)
    step, row = np.arange(steps)[:, None], (np.cumsum(taken) - taken)[None, :]
    present = step < taken[None, :]
    piece = np.where(present, row + step, 0)
    reset = present & ((step == 0) | (within[piece] == 0))
    table = (starts[piece], np.where(present, lengths[piece], 0), reset)
    flat = [torch.from_numpy(column.reshape(-1)) for column in table]
    return _Plan(flat[0], flat[1], flat[2], rows)


_PLANS = {"random": _random_plan, "consecutive": _consecutive_plan}


def _joined(parts: Sequence[Tensor], stored: Steps) -> Tensor:
    """All series in one tensor (Σ stored, …), each filled up with zeros to its stored length."""
    joined = parts[0].new_zeros((int(stored.sum()), *parts[0].shape[1:]))
    for part, end, length in zip(parts, np.cumsum(stored), stored, strict=True):
        first = int(end - length)
        joined[first : first + len(part)] = part
    return joined


def _views(joined: Tensor, window: int, ahead: int, horizon: int | None) -> Tensor:
    """(N, W, …) or (N, W, horizon, …): the window at every row of `joined`, without a copy."""
    (step, *rest), shape = joined.stride(), joined.shape[1:]
    span = ahead + window + (horizon or 1) - 1
    inner = [window] if horizon is None else [window, horizon]
    count = len(joined) - span + 1
    return joined.as_strided([count, *inner, *shape], [step, *(step for _ in inner), *rest], ahead * step)


def _check_lengths(
    usable: Steps, lengths: Sequence[int], labels: Sequence[str], window: int, margin: int
) -> None:
    if (usable >= window).any():
        return
    longest = int(np.argmax(usable))
    others = "" if len(labels) == 1 else f", the longest of {len(labels)},"
    fits = usable[longest] >= 1
    remedy = f"set {option('window', int(usable[longest]))} or less" if fits else "give more data"
    raise DataError(
        f"a window of {window} needs at least {window + margin} steps of training data; "
        f"series {shown(labels[longest])}{others} has {lengths[longest]}; {remedy}"
    )
