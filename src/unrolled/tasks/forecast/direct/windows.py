"""The windows that a network of the direct strategy is trained, chosen and combined on.

    origin o       the last known step of a window; its targets are z_{o+1} … z_{o+S}
    training       every origin whose targets lie in the training part, an epoch a part of them by lot

Of several series each counts in its own windows' frames; a window that hardly varies, by the spread of its
series, is not trained on.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from unrolled.batching.splits import evenly
from unrolled.blocks.direct import Direct
from unrolled.codecs.series import SeriesCodec
from unrolled.codecs.windows import window_steps
from unrolled.errors import DataError
from unrolled.files.messages import option
from unrolled.models.forecast import TOGETHER, pieces
from unrolled.tasks.forecast.config import Plan
from unrolled.tasks.forecast.data import Coded
from unrolled.tasks.forecast.direct.bases import FLOOR
from unrolled.tasks.forecast.direct.reading import Reading
from unrolled.tasks.forecast.network import Network

Array = NDArray[np.float64]
Places = NDArray[np.int64]
Ends = Sequence[tuple[int, int]]
Chosen = tuple[Places, Places]

MOST_REFERENCES = 4000
# Where the network is told which series a window is of, this share of those that it is trained on counts as
# of an unknown series, which has the base of all others: so it learns what to say of series to come.
STRANGE = 0.2


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

    def in_parts(self, of: Places, last: Places) -> Iterator[tuple[slice, tuple[Tensor, Tensor]]]:
        """The same, of a few windows at a time, and which they are."""
        for part in pieces(len(of), 256):
            yield part, self.windows(of[part], last[part])

    def outcomes(self, of: Places, last: Places) -> Tensor:
        """(N, S, K), NaN where a value is missing."""
        steps = (self.begins[of] + last)[:, None] + np.arange(1, self.horizon + 1)
        return self.z[torch.from_numpy(steps)]

    def passed(self, of: Places, last: Places, y: Tensor) -> Tensor:
        """(N, L, K) the targets after each row of the windows; y (N, S, K) their outcomes."""
        steps = window_steps(last, self.window, self.period)[:, 1:] + self.begins[of][:, None]
        return torch.cat([self.z[torch.from_numpy(steps)], y[:, :1]], 1)

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
    least: Array | None = None,
) -> Reading:
    """`parts` (T_i, K): the scaled training parts; `least` (K,): the least sum of a frame where its mean is
    its spread. The references are those of at most MOST_REFERENCES windows."""
    frame = frame_of(members)
    floor = _floor(parts) if least is None else least / frame
    every = evenly(len(chosen[0]), MOST_REFERENCES)
    means, deviations = frames(origins, chosen[0][every], chosen[1][every], frame)
    spreads = np.maximum(deviations if least is None else means, floor)
    logs = np.log(spreads)
    second, least_scale = (means, floor) if least is None else (deviations / spreads, 0.1)
    each = (
        floor,
        logs.mean(0),
        np.maximum(logs.std(0), 0.1),
        second.mean(0),
        np.maximum(second.std(0), least_scale),
    )
    references = tuple(tuple(map(float, one)) for one in np.stack(each, 1))
    return Reading(frame, origins.period, members, bases, calibrated, references)


def frame_of(members: tuple[tuple[str, int, int], ...]) -> int:
    """The longest window of a member."""
    return max(window for _, window, _ in members)


def _floor(parts: Sequence[Array]) -> Array:
    deviations = _spreads(parts)
    floor = FLOOR * np.min(np.where(deviations > 0, deviations, np.inf), axis=0)
    floor[np.isinf(floor)] = FLOOR  # every series is constant, each at a level of its own
    return np.asarray(floor)


class Windowed(NamedTuple):
    """x (B, L, I), ahead (B, S, U), y (B, S, K), and the targets after each row of x, next (B, L, K)."""

    x: Tensor
    ahead: Tensor
    y: Tensor
    next: Tensor


class Numbers(NamedTuple):
    """Rows tell in this place the number of their series, which is `other` for any that is not known."""

    place: int
    other: int


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
        numbers: Numbers | None = None,
    ) -> None:
        self.origins, self.chosen, self.seed, self.numbers = origins, chosen, seed, numbers
        self.rows = min(batch_size, len(chosen[0]))
        self.steps_per_epoch = max(min(most, -(-len(chosen[0]) // self.rows)), least)

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Windowed]:
        state = np.random.SeedSequence((self.seed, epoch)).generate_state(1, np.uint64)
        draws, count = np.random.default_rng(state), len(self.chosen[0])
        once = self.steps_per_epoch <= -(-count // self.rows)
        passes = 1 if once else -(-self.steps_per_epoch * self.rows // count)
        order = np.concatenate([draws.permutation(count) for _ in range(passes)])
        strange = torch.from_numpy(draws.random(len(order)) < STRANGE) if self.numbers else None
        for k in range(skip, self.steps_per_epoch):
            drawn = slice(k * self.rows, (k + 1) * self.rows)
            of, last = (one[order[drawn]] for one in self.chosen)
            x, ahead = self.origins.windows(of, last)
            if self.numbers is not None and strange is not None:
                x[strange[drawn], :, self.numbers.place] = self.numbers.other
            y = self.origins.outcomes(of, last)
            yield Windowed(x, ahead, y, self.origins.passed(of, last, y))


def varied(origins: Origins, chosen: Chosen, frame: int, parts: Sequence[Array]) -> Chosen:
    """Those whose windows vary, by the spread of their own series."""
    _, spreads = frames(origins, *chosen, frame)
    lively = (spreads >= FLOOR * _spreads(parts)[chosen[0]]).any(1)
    return (chosen[0][lively], chosen[1][lively]) if lively.any() else chosen


def _spreads(parts: Sequence[Array]) -> Array:
    """The deviation of each part's known values, (N, K); 0 of none."""
    spreads = np.zeros((len(parts), parts[0].shape[1]))
    for spread, part in zip(spreads, parts, strict=True):
        if len(part) and not np.isnan(part).any():
            spread[:] = np.std(part, axis=0)
            continue
        known = ~np.isnan(part).all(0)
        spread[known] = np.nanstd(part[:, known], axis=0)
    return spreads


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
