"""The direct strategy: what its network reads (blocks/direct.py), what is fitted before the training, and the
windows that it is trained, chosen and combined on.

    origin o       the last known step of a window; its targets are z_{o+1} … z_{o+S}
    training       every origin whose targets lie in the training part, an epoch a part of them by lot
    validation     origins rolled over the validation part, at even distances
    shares         of the members on the base, after the training: base + Σ_k share_k (member_k - base) has
                   the least squared error on the validation part, and a pull towards equal shares, the
                   stronger the shorter that part is (docs/decisions/0161)

Of several series each counts in its own windows' frames; a window that hardly varies, by the spread of its
series, is not trained on.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from unrolled.blocks.direct import ABOUT, Direct, Member, Row, Segments, Steps
from unrolled.blocks.leaves import Linear, Parameter
from unrolled.blocks.outputs import Output
from unrolled.codecs.series import SeriesCodec
from unrolled.codecs.windows import window_steps
from unrolled.errors import DataError
from unrolled.files.messages import counted, option
from unrolled.models.forecast import TOGETHER, pieces
from unrolled.tasks.forecast import base
from unrolled.tasks.forecast.config import ForecastModel, ForecastOptions, Plan
from unrolled.tasks.forecast.data import Coded, output_of
from unrolled.tasks.forecast.network import Network
from unrolled.tasks.model import recurrent
from unrolled.tasks.outputs import criterion

Array = NDArray[np.float64]
Places = NDArray[np.int64]
Ends = Sequence[tuple[int, int]]
Chosen = tuple[Places, Places]

SEGMENTS, STEPS = "segments", "steps"
# Segments hold one season, or a part of a longer one.
LEAST_SEGMENT, MOST_SEGMENT = 6, 26
# Members look back so far, of series of LONG steps the second.
SEASONS, SEASONS_OF_LONG, MOST_READ = 4, 14, 336
# A spread below this share of a series' own is its floor.
FLOOR = 0.05
# Up to so many targets, or series, have a base each.
MOST_BASES, MOST_NAMED = 16, 1000
# Scores that tell the quantiles of a step ahead.
SCORES = 300
# Between two validations there are so many steps, where the training has a number of them.
LEAST_STEPS = 10
# A validation looks at so many origins, and a training is validated so often.
MOST_VALIDATED, MOST_OF_SERIES, VALIDATIONS = 400, 1000, 25
UNLIMITED = 1500  # steps of a training that none limit, for that count
MOST_REFERENCES = 4000
# The pull of shares towards equal ones, in horizons of the validation part.
PULL = 10
# A member has a share whose error is not above the least by more than so many deviations.
WORST = 2


@dataclass(frozen=True)
class Reading:
    """How windows are read: their frame's length, the `period` that fills up short ones, the members as
    `members_of` gives them, how many bases there are, whether points have calibrated intervals, and the
    references of blocks/direct.py."""

    frame: int
    period: int
    members: tuple[tuple[str, int, int], ...]
    bases: int
    calibrated: bool
    references: tuple[tuple[float, ...], ...]

    def about(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def restore(cls, about: Mapping[str, Any]) -> Self:
        members = tuple((kind, window, size) for kind, window, size in about["members"])
        references = tuple(tuple(map(float, one)) for one in about["references"])
        return cls(**{**about, "members": members, "references": references})


def block_of(
    model: ForecastModel, options: ForecastOptions, codec: SeriesCodec, reading: Reading, window: int
) -> Direct:
    S, K, levels = codec.steps, len(codec.targets), options.quantile_levels
    row = Row(K, codec.own - K + codec.flags - bool(codec.names), codec.ahead)
    output = output_of(codec, options.output, levels, framed=True, calibrated=reading.calibrated)

    def member(kind: str, steps: int, size: int) -> Member:
        layer = recurrent(model, (size if kind == SEGMENTS else 1) * row.read + ABOUT)
        if kind == SEGMENTS:
            return Segments.of(layer, S * output.size, steps, size, model.output_dropout or 0.0)
        return Steps.of(layer, row, output.size, steps, model.output_dropout or 0.0)

    return Direct(
        members=tuple(member(*one) for one in reading.members),
        base=(Linear(window, S, bias=False, zero=True),) * reading.bases,
        shares=Parameter((len(reading.members),)),
        offsets=Parameter((S, K, len(levels))) if reading.calibrated else None,
        output=output,
        steps=S,
        frame=reading.frame,
        period=reading.period,
        row=row,
        series=codec.own - 1 if codec.names else None,
        references=reading.references,
    )


def members_of(count: int, window: int, season: int, longest: int) -> tuple[tuple[str, int, int], ...]:
    """By turns the kind of each, the window that it reads, and the size of its segments."""
    segment = _segment(season)
    seasons = SEASONS_OF_LONG if longest >= base.LONG else SEASONS
    whole = min(window, MOST_READ, seasons * season if season > 1 else 8 * segment) // segment * segment
    kinds = [(SEGMENTS, whole, segment)] if whole >= 2 * segment else []
    kinds.append((STEPS, min(window, max(2 * season, 48), 200), 1))
    return tuple(kinds[k % len(kinds)] for k in range(count))


def _segment(season: int) -> int:
    if season <= MOST_SEGMENT:
        return season * -(-LEAST_SEGMENT // season)
    divisors = [n for n in range(LEAST_SEGMENT, MOST_SEGMENT + 1) if season % n == 0]
    return max(divisors, default=24)


def begin(network: Network, bases: Sequence[base.Base]) -> None:
    """Puts the fitted bases, where there are some, into the network, and shares its members evenly. No
    training changes either."""
    for part in (*network.p.base, *adjusted(network)):
        part.requires_grad_(False)
    for linear, fitted in zip(network.p.base, bases, strict=False):
        linear.weight.copy_(torch.from_numpy(fitted.weights))
    network.p.shares.fill_(1 / len(network.p.shares))


def adjusted(network: Network) -> list[Tensor]:
    """What only a validation part tells: the shares, and the offsets of calibrated intervals."""
    block = network.block
    assert isinstance(block, Direct)
    return [network.p.shares, *([network.p.offsets] if block.offsets is not None else [])]


class Origins:
    """Windows (N, L, I) of joined series, by their last steps: of series `of` (N,) the steps `last` (N,)."""

    def __init__(self, series: Sequence[Coded], window: int, horizon: int, period: int, ahead: int) -> None:
        self.window, self.horizon, self.period = window, horizon, period
        lengths = [len(s) for s in series]
        self.begins = np.cumsum([0, *lengths[:-1]])
        self.x = torch.cat([s.x for s in series])
        self.z = torch.cat([s.z for s in series])
        # Without covariates after the last target nothing is known ahead of it: a row of it holds the place.
        known = [s.k[: len(s), s.k.shape[1] - ahead :] for s in series]
        rows = [
            pad(k, (0, 0, 0, len(s) - len(k)), value=math.nan) for s, k in zip(series, known, strict=True)
        ]
        self.ahead = torch.cat(rows)

    def windows(self, of: Places, last: Places) -> tuple[Tensor, Tensor]:
        """(N, L, I), and (N, S, U) what is known of the steps ahead."""
        steps = window_steps(last, self.window, self.period) + self.begins[of][:, None]
        ahead = (self.begins[of] + last)[:, None] + np.arange(self.horizon)
        return self.x[torch.from_numpy(steps)], self.ahead[torch.from_numpy(ahead)]

    def outcomes(self, of: Places, last: Places) -> Tensor:
        """(N, S, K), NaN where a value is missing."""
        steps = (self.begins[of] + last)[:, None] + np.arange(1, self.horizon + 1)
        return self.z[torch.from_numpy(steps)]

    def observed(self, lasts: Sequence[Places]) -> Chosen:
        """Of the steps of each series those that have an outcome."""
        of, last = np.repeat(np.arange(len(lasts)), [len(one) for one in lasts]), np.concatenate(lasts)
        known = (~self.z.isnan().all(1)).numpy()
        counts = np.concatenate([[0], np.cumsum(known)])
        first = self.begins[of] + last + 1
        seen = counts[first + self.horizon] > counts[first]
        return of[seen], last[seen]


def frames(origins: Origins, of: Places, last: Places, frame: int) -> tuple[Array, Array]:
    """The means and deviations (N, K) of the windows' frames."""
    K = origins.z.shape[1]
    means, spreads = np.empty((len(of), K)), np.empty((len(of), K))
    for part in pieces(len(of), 1024):
        steps = window_steps(last[part], frame, origins.period) + origins.begins[of[part]][:, None]
        values = origins.x[:, :K].numpy()[steps].astype(np.float64)
        means[part], spreads[part] = values.mean(1), values.std(1)
    return means, spreads


def training_origins(origins: Origins, ends: Ends, plan: Plan) -> Chosen:
    """Every origin of the training parts that has outcomes there, and history enough: the window's, or of a
    shorter series a third of what there is."""
    lasts = []
    for end, _ in ends:
        least = max(2, min(plan.window, (end - plan.steps) // 3))
        lasts.append(np.arange(least - 1, end - plan.steps))
    of, last = origins.observed(lasts)
    if not len(of):
        longest = max(end for end, _ in ends)
        raise DataError(
            f"the longest training part has {longest} steps; wanted {plan.steps + 2} or more with a value "
            f"for {option('horizon', plan.steps)}; lower it, or give more data"
        )
    return of, last


def reading_of(
    origins: Origins,
    chosen: Chosen,
    members: tuple[tuple[str, int, int], ...],
    parts: Sequence[Array],
    bases: int,
    calibrated: bool,
) -> Reading:
    """`parts` (T_i, K): the scaled training parts. The references are those of at most MOST_REFERENCES
    windows."""
    frame = max(window for _, window, _ in members)
    deviations = _spreads(parts)
    floor = FLOOR * np.min(np.where(deviations > 0, deviations, np.inf), axis=0)
    floor[np.isinf(floor)] = FLOOR  # every series is constant, each at a level of its own
    every = _evenly(len(chosen[0]), MOST_REFERENCES)
    means, spreads = frames(origins, chosen[0][every], chosen[1][every], frame)
    logs = np.log(np.maximum(spreads, floor))
    each = (floor, logs.mean(0), np.maximum(logs.std(0), 0.1), means.mean(0), np.maximum(means.std(0), floor))
    references = tuple(tuple(map(float, one)) for one in np.stack(each, 1))
    return Reading(frame, origins.period, members, bases, calibrated, references)


def _evenly(count: int, most: int) -> Places:
    """At most so many of `count`, at even distances."""
    return np.unique(np.linspace(0, count - 1, most).round().astype(np.int64))


class Windowed(NamedTuple):
    """x (B, L, I), ahead (B, S, U), y (B, S, K)."""

    x: Tensor
    ahead: Tensor
    y: Tensor


class Windows:
    """Batches of training windows, a pure function of (seed, epoch); an epoch is so many batches of them,
    by lot: `most` at the most, and `least` at the least, which may be several passes of few windows."""

    def __init__(
        self,
        origins: Origins,
        chosen: Chosen,
        batch_size: int,
        seed: int,
        most: int,
        least: int = 1,
    ) -> None:
        self.origins, self.chosen, self.seed = origins, chosen, seed
        self.rows = min(batch_size, len(chosen[0]))
        self.steps_per_epoch = max(min(most, -(-len(chosen[0]) // self.rows)), least)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Windowed]:
        state = np.random.SeedSequence((self.seed, epoch)).generate_state(1, np.uint64)
        draws, count = np.random.default_rng(state), len(self.chosen[0])
        once = self.steps_per_epoch <= -(-count // self.rows)
        passes = 1 if once else -(-self.steps_per_epoch * self.rows // count)
        order = np.concatenate([draws.permutation(count) for _ in range(passes)])
        for k in range(skip, self.steps_per_epoch):
            rows = order[k * self.rows : (k + 1) * self.rows]
            of, last = (one[rows] for one in self.chosen)
            yield Windowed(*self.origins.windows(of, last), self.origins.outcomes(of, last))


def varied(origins: Origins, chosen: Chosen, frame: int, parts: Sequence[Array]) -> Chosen:
    """Those whose windows vary, by the spread of their own series."""
    _, spreads = frames(origins, *chosen, frame)
    lively = (spreads >= FLOOR * _spreads(parts)[chosen[0]]).any(1)
    return (chosen[0][lively], chosen[1][lively]) if lively.any() else chosen


def _spreads(parts: Sequence[Array]) -> Array:
    """The deviation of each part's known values, (N, K); 0 of none."""
    spreads = np.zeros((len(parts), parts[0].shape[1]))
    for spread, part in zip(spreads, parts, strict=True):
        known = ~np.isnan(part).all(0)
        spread[known] = np.nanstd(part[:, known], axis=0)
    return spreads


def mean_loss(network: Network, batch: Windowed, absolute: bool) -> Tensor:
    """() the mean loss of the members, each by itself, on a batch."""
    block = network.block
    assert isinstance(block, Direct)
    gone, losses = batch.y.isnan(), []
    for raw in block.each(network.ops, network.p, batch.x, batch.ahead)[1:]:
        each = _losses(block.taught, raw, batch.y, absolute)
        losses.append(each[~gone].mean() if gone.any() else each.mean())
    return torch.stack(losses).mean()


def _losses(output: Output, raw: Tensor, y: Tensor, absolute: bool) -> Tensor:
    """(B, S, K), of outcomes that are NaN too, which are to be left out."""
    y = y.nan_to_num(0.0)
    off: Tensor = output.point(raw) - y
    return off.abs() / raw[..., -1] if absolute else criterion(output).loss(raw, y)


class Validation:
    """The loss on the validation parts, and the members' shares. DataError where no series has a whole
    horizon there with a value."""

    def __init__(self, origins: Origins, ends: Ends, plan: Plan, absolute: bool) -> None:
        self.origins, self.absolute = origins, absolute
        of, last = origins.observed([np.arange(max(train - 1, 1), end - plan.steps) for train, end in ends])
        if not len(of):
            train, end = max(ends, key=lambda pair: pair[1] - pair[0])
            raise DataError(
                f"the validation part has {counted(end - train, 'step')} after {train} of training; wanted "
                f"{plan.steps} or more ({option('horizon')}), with a value; raise {option('validation')}, or "
                f"lower {option('horizon')}"
            )
        most = max(MOST_VALIDATED, min(len(ends), MOST_OF_SERIES))
        every = _evenly(len(of), most)
        self.of, self.last = of[every], last[every]
        self.horizons = sum(end - train for train, end in ends) / plan.steps
        self.y = origins.outcomes(self.of, self.last)

    def windows(self) -> Iterator[tuple[slice, tuple[Tensor, Tensor]]]:
        for part in pieces(len(self.of), 256):
            yield part, self.origins.windows(self.of[part], self.last[part])

    def __call__(self, network: Network) -> float:
        """In evaluation mode, of the members' mean."""
        total, count = 0.0, 0
        for part, x in self.windows():
            y = self.y[part]
            losses = _losses(network.block.output, network(*x), y, self.absolute)[~y.isnan()]
            total, count = total + losses.double().sum().item(), count + len(losses)
        return total / count

    def share(self, network: Network) -> tuple[float, ...]:
        """Gives each member its share, and tells them, after that of the base alone."""
        with torch.no_grad():
            errors = self._errors(network)
        squares = errors.diagonal()
        good = np.flatnonzero(
            np.sqrt(squares) <= (1 + WORST / math.sqrt(self.horizons)) * math.sqrt(squares.min())
        )
        pull, even = PULL / self.horizons * float(squares.min()), np.full(len(good), 1 / len(good))
        shares = np.zeros(len(errors))
        shares[good] = base.simplex(errors[np.ix_(good, good)], even, pull)
        with torch.no_grad():
            network.p.shares.copy_(torch.from_numpy(shares[1:]))
        return tuple(map(float, shares))

    def _errors(self, network: Network) -> Array:
        """(M + 1, M + 1) the mean products of the errors of the base and of each member."""
        block = network.block
        assert isinstance(block, Direct)
        products, count = np.zeros((len(block.members) + 1,) * 2), 0
        for part, x in self.windows():
            y = self.y[part]
            raws = block.each(network.ops, network.p, *x)
            unit = raws[0][..., -1] if self.absolute else 1.0
            each = [((y - block.taught.point(raw)) / unit)[~y.isnan()] for raw in raws]
            errors = torch.stack(each).double().numpy()
            products, count = products + errors @ errors.T, count + errors.shape[1]
        return np.asarray(products / count)

    def calibrate(self, network: Network) -> str:
        """Puts the offsets of calibrated intervals into the network: of each step ahead and each target the
        quantiles of the scores, errors of the forecasts in units of their frames' spreads. Where a step has
        fewer than SCORES, those of its neighbours are pooled with them."""
        block = network.block
        assert isinstance(block, Direct)
        scores = np.full(self.y.shape, np.nan)
        with torch.no_grad():
            for part, x in self.windows():
                raw = network(*x)
                scores[part] = ((self.y[part] - block.output.point(raw)) / raw[..., -1]).double().numpy()
            network.p.offsets.copy_(torch.from_numpy(offsets(scores, block.output.levels)))
        by = f"{len(scores):,} forecasts of the validation part, which chose the weights too"
        return f"intervals: calibrated by {by}"


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


def after_each_step(
    network: Network, codec: SeriesCodec, rows: Sequence[NDArray[np.float32]], fill: float
) -> list[NDArray[Any]]:
    """raw (T_i, S, K, R) after each step of rows (T_i, width): their windows in batches, each with one of
    `fill`."""
    block = network.block
    assert isinstance(block, Direct)
    x, ahead = codec.split(np.concatenate(rows))
    lengths = [len(row) for row in rows]
    last = np.concatenate([np.arange(length) for length in lengths])
    begin = np.repeat(np.cumsum([0, *lengths[:-1]]), lengths)
    blank, none = np.full_like(x[:1], fill).repeat(block.window, 0)[None], np.full_like(ahead[:1], fill)
    raws = []
    for part in pieces(len(last), max(1, TOGETHER // block.numbers)):
        windows = x[window_steps(last[part], block.window, block.period) + begin[part, None]]
        batch = np.concatenate([windows, blank]), np.concatenate([ahead[part], none])
        with torch.no_grad():
            raws.append(network(*map(torch.from_numpy, batch))[:-1].numpy())
    return np.split(np.concatenate(raws), np.cumsum(lengths)[:-1])
