"""What a forecaster is trained on: windows of the training parts, and its loss on the validation parts.

Row t has the S targets y_t = z_{t+1} … z_{t+S}. The loss is the mean over every row of a window, or over its
last row. Targets that the file does not have are NaN: they count nowhere, and a window without others is left
out.

Validation windows reach back into the training part for context. Where every row counts they overlap by half
and their later half counts, so that each validation target counts once, with half a window or more behind it.
Where the last row counts there is one window for each target.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from unrolled.batching.windows import Batch, Windows
from unrolled.errors import DataError
from unrolled.files.messages import option
from unrolled.tasks.forecast.config import Plan
from unrolled.tasks.forecast.data import Coded
from unrolled.tasks.forecast.network import Network
from unrolled.tasks.outputs import criterion

VALIDATION_BATCH = 256
Ends = Sequence[tuple[int, int]]


def training_windows(
    series: Sequence[Coded], ends: Ends, plan: Plan, batch_size: int, seed: int, last_only: bool = False
) -> Windows:
    """Windows over the rows before the end of each training part, with targets before it too."""
    pairs = [(s.x[:end], s.z[:end]) for s, (end, _) in zip(series, ends, strict=True)]
    inputs, targets = zip(*pairs, strict=True)
    return Windows(
        inputs,
        targets,
        plan.window,
        batch_size,
        seed,
        ahead=1,
        horizon=plan.steps,
        names=[s.name for s in series],
        keep=[_observed(z, plan, last_only) for z in targets],
    )


def _observed(z: Tensor, plan: Plan, last_only: bool) -> Tensor:
    """z (T, K) -> which windows of a series have a target that counts and that the file has."""
    rows = ~z[1:].isnan().all(1)
    if len(rows) < plan.steps:
        return rows[:0]
    rows = rows.unfold(0, plan.steps, 1).any(1)
    windows = rows.unfold(0, min(plan.window, len(rows)), 1)
    return windows[:, -1] if last_only else windows.any(1)


def mean_loss(network: Network, batch: Batch, last_only: bool) -> Tensor:
    """() the loss of x (B, W, I), y (B, W, S, K), without the padding of short series."""
    losses, observed = target_losses(network, batch.x, batch.y, batch.lengths)
    if batch.lengths is None and observed.all():
        rows = losses.mean((-2, -1))
        return rows[:, -1].mean() if last_only else rows.mean()
    W = losses.shape[1]
    row, last = torch.arange(W), W - 1 if batch.lengths is None else batch.lengths[:, None] - 1
    counted = row == last if last_only else row <= last
    return losses[counted[..., None, None] & observed].mean()


def target_losses(
    network: Network, x: Tensor, y: Tensor, lengths: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """(B, W, S, K) the loss of every target, and which of them the file has: the losses of others are to be
    left out. Those of 0 and 1 are times K: their mean is that of a step, of all its targets together. A mean
    over many targets, of which most are 0, has gradients as small as the optimizer's epsilon."""
    observed = ~y.isnan()
    raw, _ = network(x, lengths=lengths)
    losses = criterion(network.block.output).loss(raw, torch.where(observed, y, 0.0))
    return losses * y.shape[-1] if network.block.output.kind == "bernoulli" else losses, observed


class Validation:
    """The loss on the validation parts. DataError where none of them holds the targets of one row, or a value
    of theirs."""

    def __init__(self, series: Sequence[Coded], ends: Ends, plan: Plan, last_only: bool) -> None:
        self.plan, self.counted = plan, 1 if last_only else max(1, plan.window // 2)
        self.series = [(s.x, s.z) for s in series]
        self.windows = [(i, *place) for i, pair in enumerate(ends) for place in self._places(*pair)]
        if not self.windows:
            train, end = max(ends, key=lambda pair: pair[1] - pair[0])
            raise DataError(
                f"the validation part has {end - train} steps after {train} of training; wanted {plan.steps} "
                f"or more after {plan.window} or more ({option('window', plan.window)}); raise "
                f"{option('validation')}, or lower {option('window')} or {option('horizon')}"
            )
        if all(series[i].z[slice(*ends[i])].isnan().all() for i in {i for i, _, _ in self.windows}):
            raise DataError(f"the validation part holds no value, gaps alone; raise {option('validation')}")

    def __call__(self, network: Network) -> float:
        starts = range(0, len(self.windows), VALIDATION_BATCH)
        losses = [self._losses(network, slice(at, at + VALIDATION_BATCH)) for at in starts]
        return sum(part.sum().item() for part in losses) / sum(map(len, losses))

    def window(self, series: int, last: int) -> tuple[Tensor, Tensor]:
        """x (W, I), y (W, S, K) of the window whose last row is `last`; fewer rows where a series begins."""
        (rows, z), S, first = self.series[series], self.plan.steps, max(0, last + 1 - self.plan.window)
        return rows[first : last + 1], z[first + 1 : last + 1 + S].unfold(0, S, 1).mT

    def _places(self, train: int, end: int) -> Iterator[tuple[int, int]]:
        """(last row, number of last rows that count) of a series' windows, the latest first.

        Rows train-1 … end-1-S count: their targets lie in the validation part.
        """
        least = max(train, self.plan.least, 1)
        for last in range(end - 1 - self.plan.steps, least - 2, -self.counted):
            yield last, min(self.counted, last + 2 - train)

    def _losses(self, network: Network, part: slice) -> Tensor:
        """(N,) the losses of the targets that count, in float64."""
        pairs = [self.window(i, last) for i, last, _ in self.windows[part]]
        lengths = torch.tensor([len(x) for x, _ in pairs])
        x, y = (pad_sequence(list(tensors), batch_first=True) for tensors in zip(*pairs, strict=True))
        counted = torch.tensor([number for _, _, number in self.windows[part]])
        from_end = lengths[:, None] - 1 - torch.arange(x.shape[1])
        losses, observed = target_losses(network, x, y, None if (lengths == x.shape[1]).all() else lengths)
        inside = (from_end >= 0) & (from_end < counted[:, None])
        return losses[inside[..., None, None] & observed].double()
