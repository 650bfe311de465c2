"""The loss of a network of the direct strategy, and what its validation part tells:

validation     origins rolled over the validation part, at even distances
shares         of the members on the base, after the training: base + Σ_k share_k (member_k - base) has
               the least squared error on the validation part, and a pull towards the base alone, the
               stronger the shorter that part is (docs/decisions/0168)
offsets        of calibrated intervals
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from unrolled.batching.splits import evenly
from unrolled.blocks.direct import Direct, FedBack
from unrolled.blocks.outputs import Output
from unrolled.decoding.distributions import distribution
from unrolled.errors import DataError
from unrolled.files.messages import counted, option
from unrolled.tasks.forecast.config import LEAST_HORIZONS, Plan
from unrolled.tasks.forecast.direct import base
from unrolled.tasks.forecast.direct.widths import telling
from unrolled.tasks.forecast.direct.windows import Array, Chosen, Ends, Origins, Windowed
from unrolled.tasks.forecast.network import Network
from unrolled.tasks.outputs import criterion

# Scores that tell the quantiles of a step ahead.
SCORES = 300
# Errors on one side of forecasts count as much as those on both where the scores span so many horizons.
EVEN = 20
# A validation looks at so many origins, of many series at more.
MOST_VALIDATED, MOST_OF_SERIES = 400, 1000
# The pull of shares towards the base alone, in horizons of the validation part.
PULL = 2.5


def mean_loss(network: Network, batch: Windowed, absolute: bool) -> Tensor:
    """() the mean loss of the members, each by itself, on a batch."""
    block = network.block
    assert isinstance(block, Direct)
    losses = []
    raws = block.lessons(network.ops, network.p, batch.x, batch.ahead)
    for one, raw in zip(block.members, raws, strict=True):
        y = batch.next[:, -one.window :] if isinstance(one, FedBack) else batch.y
        each, gone = _losses(block.taught, raw, y, absolute), y.isnan()
        losses.append(each[~gone].mean() if gone.any() else each.mean())
    return torch.stack(losses).mean()


def _losses(output: Output, raw: Tensor, y: Tensor, absolute: bool) -> Tensor:
    """(B, S, K), of outcomes that are NaN too, which are to be left out."""
    y = y.nan_to_num(0.0)
    if absolute:
        off: Tensor = output.point(raw) - y
        return off.abs() / raw[..., -1]
    losses = criterion(output).loss(raw, y)
    return losses * y.shape[-1] if output.kind == "bernoulli" else losses  # of a step: recursive/windows.py


class Validation:
    """The loss on the validation parts, and the members' shares; `kept` leaves windows out. DataError where
    no series has a whole horizon there with a value."""

    def __init__(
        self,
        origins: Origins,
        ends: Ends,
        plan: Plan,
        absolute: bool,
        kept: Callable[[Chosen], Chosen] | None = None,
    ) -> None:
        self.origins, self.absolute = origins, absolute
        of, last = origins.observed([np.arange(max(train - 1, 1), end - plan.steps) for train, end in ends])
        if not len(of):
            train, end = max(ends, key=lambda pair: pair[1] - pair[0])
            raise DataError(
                f"the validation part has {counted(end - train, 'step')} after {train} of training; wanted "
                f"{plan.steps} or more ({option('horizon')}), with a value; raise {option('validation')}, or "
                f"lower {option('horizon')}"
            )
        of, last = kept((of, last)) if kept else (of, last)
        most = max(MOST_VALIDATED, min(len(ends), MOST_OF_SERIES))
        every = evenly(len(of), most)
        self.of, self.last = of[every], last[every]
        self.horizons = sum(end - train for train, end in ends) / plan.steps
        self.span = max(end - train for train, end in ends) / plan.steps
        self.y = origins.outcomes(self.of, self.last)

    def windows(self) -> Iterator[tuple[slice, tuple[Tensor, Tensor]]]:
        return self.origins.in_parts(self.of, self.last)

    def __call__(self, network: Network) -> float:
        """In evaluation mode, of the members' mean."""
        total, count = 0.0, 0
        for part, x in self.windows():
            y = self.y[part]
            losses = _losses(network.block.output, network(*x), y, self.absolute)[~y.isnan()]
            total, count = total + losses.double().sum().item(), count + len(losses)
        return total / count

    def fit_shares(self, network: Network, errors: Array | None = None) -> tuple[float, ...]:
        """Gives each member its share, and tells them, after that of the base alone; `errors` as of
        `errors`."""
        errors = self.errors(network) if errors is None else errors
        pull = (PULL / self.horizons) ** 2 * float(errors.diagonal().min())
        shares = base.simplex(errors, np.eye(len(errors))[0], pull)
        with torch.no_grad():
            network.p.shares.copy_(torch.from_numpy(shares[1:]))
        return tuple(map(float, shares))

    @torch.no_grad()
    def errors(self, network: Network) -> Array:
        """(M + 1, M + 1) the mean products of the errors of the base and of each member."""
        block = network.block
        assert isinstance(block, Direct)
        products, count = np.zeros((len(block.members) + 1,) * 2), 0
        for part, x in self.windows():
            y = self.y[part]
            raws = block.each(network.ops, network.p, *x)
            of = criterion(block.taught)
            unit = raws[0][..., -1] if self.absolute else of.unit(torch.stack(raws[1:]).mean(0))
            point = of.point if block.taught.is_discrete else block.taught.point
            each = [((y - point(raw)) / unit)[~y.isnan()] for raw in raws]
            errors = torch.stack(each).double().numpy()
            products, count = products + errors @ errors.T, count + errors.shape[1]
        return np.asarray(products / count)

    def calibrate(self, network: Network) -> str:
        """Puts the offsets of calibrated intervals into the network: of each step ahead, each target and each
        level the quantile of the scores, by how much outcomes were above what is told without offsets, in
        units of the frames' spreads and of their series' widths, or of those of distributions; of the
        series whose errors tell those of others (widths.py). Where a step has fewer than SCORES, those of
        its neighbours are pooled with them."""
        block = network.block
        assert isinstance(block, Direct)
        levels, scores = block.output.levels, np.full((*self.y.shape, len(block.output.levels)), np.nan)
        widths = np.ones(len(scores))
        with torch.no_grad():
            network.p.offsets.zero_()
            for part, x in self.windows():
                score = _scores(block.output, network(*x), self.y[part])
                if block.widths is not None:
                    width = network.ops.numbered(network.p.widths, x[0][:, -1, block.series])
                    widths[part] = width.double().numpy()
                scores[part] = score / widths[part, None, None, None]
            scores = scores[telling(widths)]
            if block.output.kind == "point":
                moves = around_points(scores[..., 0], levels, self.span)
            else:
                each = [offsets(scores[..., i], (level,)) for i, level in enumerate(levels)]
                moves = np.concatenate(each, -1)
            network.p.offsets.copy_(torch.from_numpy(moves))
        by = f"{len(scores):,} forecasts of the validation part, which chose the weights too"
        few = f"; too few to rely on: they span {self.horizons:.3g} horizons, {LEAST_HORIZONS} are wanted"
        return f"intervals: calibrated by {by}{few if self.horizons < LEAST_HORIZONS else ''}"


def spread(errors: Array, shares: Sequence[float], kinds: Sequence[str]) -> str:
    """What the forecasts are alone and together, and how far the members are apart: the root mean squares of
    their errors, as of `errors`, and of their distances from their mean."""
    alone = np.sqrt(errors.diagonal())
    each = ", ".join(f"{kind} {error:.3g}" for kind, error in zip(kinds, alone, strict=True))
    together = float(np.sqrt(np.array(shares) @ errors @ np.array(shares)))
    of_members = errors[1:, 1:]
    apart = float(np.sqrt(max(0.0, of_members.diagonal().mean() - of_members.mean())))
    return f"errors on the validation part: {each}; together {together:.3g}, members {apart:.3g} apart"


def _scores(output: Output, raw: Tensor, y: Tensor) -> Array:
    """Of outcomes y (B, S, K) those of each level, (B, S, K, L), NaN where missing."""
    if output.kind == "point":
        score: Array = ((y - output.point(raw)) / raw[..., -1]).double().numpy()
        return np.repeat(score[..., None], len(output.levels), -1)
    quantiles = distribution(replace(output, calibrated=False)).quantiles(
        torch.cat([raw[..., : output.size], raw[..., -2:]], -1).numpy(), np.array(output.levels)
    )
    return np.asarray((y.numpy()[..., None] - quantiles) / (quantiles[..., -1:] - quantiles[..., :1]))


def around_points(scores: Array, levels: Sequence[float], span: float) -> Array:
    """Of points as of `offsets`: quantiles of the scores, and where they span few horizons the more of those
    of the scores and their negatives. Errors of one horizon, and of all series in it, go one way together:
    which way is seen as often as there are horizons, how far in each of them."""
    share = span / (span + EVEN)
    even = offsets(np.concatenate([scores, -scores]), levels)
    return share * offsets(scores, levels) + (1 - share) * even


def offsets(scores: Array, levels: Sequence[float]) -> Array:
    """scores (N, S, K), NaN where there is none -> (S, K, L), rising in L."""
    N, S, K = scores.shape
    around = min(S - 1, max(0, -(-SCORES // N) // 2))
    quantiles = np.empty((S, K, len(levels)))
    for h in range(S):
        near = scores[:, max(0, h - around) : h + around + 1]
        for k in range(K):
            known = near[..., k][~np.isnan(near[..., k])]
            quantiles[h, k] = np.quantile(known, levels) if len(known) else np.nan
    return np.nan_to_num(quantiles)
