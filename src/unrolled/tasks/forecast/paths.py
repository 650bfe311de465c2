"""Forecasts from known origins. From the origin o the network reads rows o-W+1 … o and forecasts steps o+1 …
o+H.

    H ≤ S    the S steps of row o are the forecast, with its distribution in closed form H > S    (strategy
    recursive, S = 1) each point forecast is fed back as the value of the next step; the distribution
             is that of P drawn paths, in which each draw is fed back; quantiles are taken over the paths

Shapes   origins (N,) -> point (N, H, K), quantiles (N, H, K, L), crps (N, H, K), in the units of the file
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.blocks.direct import Direct
from unrolled.blocks.outputs import Output
from unrolled.codecs.windows import window_steps
from unrolled.models.forecast import answers, pieces
from unrolled.nn.state import Named
from unrolled.tasks import metrics
from unrolled.tasks.forecast.data import Codec, Coded
from unrolled.tasks.forecast.network import LAST, Network, read, repeated, run_on
from unrolled.tasks.outputs import CRPS_LEVELS, criterion, pinball

Array = NDArray[np.float64]
Steps = NDArray[np.int64]

# Rows (origins times paths) that run through the network together, and steps of their windows; and outcomes
# that are scored together, each by many quantiles.
ROWS_TOGETHER, TOGETHER, SCORED_TOGETHER = 8192, 2**19, 2**12


@dataclass(frozen=True)
class Forecast:
    """`quantiles` is None where the output is no distribution, `crps` also where the outcomes are not
    known."""

    point: Array
    quantiles: Array | None = None
    crps: Array | None = None

    @classmethod
    def joined(cls, forecasts: Sequence["Forecast"]) -> Self:
        """One after the other along N."""
        names = forecasts[0].arrays()
        return cls(**{name: np.concatenate([each.arrays()[name] for each in forecasts]) for name in names})

    def of(self, targets: slice) -> "Forecast":
        """Of these targets alone."""
        return Forecast(**{name: array[:, :, targets] for name, array in self.arrays().items()})

    def rows(self, part: slice) -> "Forecast":
        """From these origins alone."""
        return Forecast(**{name: array[part] for name, array in self.arrays().items()})

    def arrays(self) -> dict[str, Array]:
        """Those that there are."""
        return {name: array for name, array in vars(self).items() if array is not None}


@dataclass(frozen=True)
class Predictor:
    """A trained network and how it is asked: `window` W, `paths` P, `seed` of what is drawn, and which
    quantiles are told where they are others than those of the output."""

    network: Network
    codec: Codec
    window: int
    paths: int
    seed: int
    other_levels: tuple[float, ...] | None = None

    @property
    def least(self) -> int:
        """How many steps a forecast needs behind it."""
        return 1 if isinstance(self.network.block, Direct) or self.output.is_discrete else self.window

    @property
    def output(self) -> Output:
        return self.network.block.output

    @property
    def levels(self) -> tuple[float, ...]:
        """Of the quantiles."""
        return self.other_levels or self.output.levels

    def forecast(self, series: Coded, origins: Steps, horizon: int, y: Array | None = None) -> Forecast:
        """From origins (N,) of one series; y (N, H, K) are the outcomes where they are known."""
        return self.forecast_each([series], [origins], horizon, None if y is None else [y])[0]

    def forecast_each(
        self,
        series: Sequence[Coded],
        origins: Sequence[Steps],
        horizon: int,
        outcomes: Sequence[Array] | None = None,
    ) -> list[Forecast]:
        """The same of each series, those that a network gives at once together."""
        with torch.no_grad():
            if horizon <= self.codec.steps:
                return self._closed(series, origins, horizon, outcomes)
            known: Sequence[Array | None] = outcomes or [None] * len(series)
            each = zip(series, origins, known, strict=True)
            return [Forecast.joined(list(self._fed_back(s, at, horizon, y))) for s, at, y in each]

    def fed_back(self, series: Sequence[Coded], origins: Sequence[Steps], horizon: int) -> Tensor:
        """Scaled (N, P, H, K), from all origins together: of points each forecast fed back, P = 1, of a
        distribution drawn paths."""
        draws, parts = torch.Generator().manual_seed(self.seed), list[Tensor]()
        for together in _together(series, origins, max(1, min(ROWS_TOGETHER, TOGETHER // self.window))):
            windows = zip(*(self._windows(s, at) for s, at in together), strict=True)
            raw, state = self._read(*(torch.cat(part) for part in windows))
            ends = [s.k[_from(at, 1, horizon + self.codec.steps - 1)] for s, at in together]
            where = raw, state, torch.cat(ends), horizon
            if self.output.is_distribution:
                parts.append(self._paths(*where, self.paths, draws))
            else:
                parts.append(run_on(self.network, *where, criterion(self.output).point)[:, None])
        return torch.cat(parts)

    def futures(
        self, series: Coded, origin: int, horizon: int, count: int, draws: torch.Generator
    ) -> Iterator[Array]:
        """`count` drawn futures (P, H, K) after one origin, in parts of as many as run together."""
        with torch.no_grad():
            raw, state = self.context(series, np.array([origin]))
            known = series.k[_from(np.array([origin]), 1, horizon + self.codec.steps - 1)]
            for part in pieces(count, ROWS_TOGETHER):
                paths = min(part.stop, count) - part.start
                yield self._drawn(raw, state, known, horizon, paths, draws)[0]

    def context(self, series: Coded, origins: Steps) -> tuple[Tensor, Named]:
        """raw (N, S, K, R) of the last row, and the state after it."""
        raw, state = self._read(*self._windows(series, origins))
        last = {LAST: torch.from_numpy(origins)} if isinstance(self.network.block, Direct) else {}
        return raw, state | last

    def _read(self, x: Tensor, ahead: Tensor, lengths: Tensor) -> tuple[Tensor, Named]:
        """What `read` says; of windows that are filled up, as if they were not."""
        return read(self.network, x, ahead, lengths if (lengths < x.shape[1]).any() else None)

    def _windows(self, series: Coded, origins: Steps) -> tuple[Tensor, Tensor, Tensor]:
        """What the network reads at each origin, (N, W, ·), what is known of the steps ahead, (N, S, U), and
        how many of the W steps there are, (N,)."""
        block, ahead = self.network.block, series.k[_from(origins, 0, self.codec.steps)]
        ahead = ahead[..., ahead.shape[-1] - self.codec.ahead :]
        if isinstance(block, Direct):
            steps = window_steps(origins, self.window, block.period)
            lengths = np.full(len(origins), self.window)
        elif self.output.is_discrete:
            lengths = np.minimum(self.window, origins + 1)
            behind = np.minimum(np.arange(self.window), lengths[:, None] - 1)
            steps = (origins + 1 - lengths)[:, None] + behind
        else:
            lengths = np.full(len(origins), min(self.window, int(origins.min()) + 1))
            steps = origins[:, None] + np.arange(1 - lengths[0], 1)
        return series.x[torch.from_numpy(steps)], ahead, torch.from_numpy(lengths)

    def _closed(
        self,
        series: Sequence[Coded],
        origins: Sequence[Steps],
        horizon: int,
        outcomes: Sequence[Array] | None,
    ) -> list[Forecast]:
        ends = np.cumsum([len(at) for at in origins])
        y = None if outcomes is None or not self.output.is_distribution else np.concatenate(outcomes)
        parts, first = [], 0
        for together in _together(series, origins, max(1, min(ROWS_TOGETHER, TOGETHER // self.window))):
            windows = zip(*(self._windows(s, at) for s, at in together), strict=True)
            raw = self._read(*(torch.cat(part) for part in windows))[0][:, :horizon]
            said = answers(self.codec, self.output, raw.numpy(), self.levels)
            crps = None if y is None else self._crps(raw, y[first : first + len(raw)])
            parts.append(Forecast(said["forecast"], said.get("quantiles"), crps))
            first += len(raw)
        whole = Forecast.joined(parts)
        return [whole.rows(slice(end - len(at), end)) for end, at in zip(ends, origins, strict=True)]

    def _crps(self, raw: Tensor, y: Array) -> Array:
        parts = pieces(len(y), max(1, SCORED_TOGETHER // (y.shape[1] * y.shape[2])))
        return np.concatenate([self._crps_together(raw[part], y[part]) for part in parts])

    def _crps_together(self, raw: Tensor, y: Array) -> Array:
        scaler = self.codec.scalers["target"]
        if scaler.curve is not None:  # the score of logarithms, or of powers, is another
            quantiles = answers(self.codec, self.output, raw.numpy(), CRPS_LEVELS)["quantiles"]
            return 2 * pinball(torch.from_numpy(quantiles), torch.from_numpy(y), CRPS_LEVELS).mean(-1).numpy()
        outcomes = torch.from_numpy(scaler.transform(y))
        return criterion(self.output).crps(raw.double(), outcomes).numpy() * scaler.scale

    def _fed_back(self, series: Coded, origins: Steps, horizon: int, y: Array | None) -> Iterator[Forecast]:
        output, draws = self.output, torch.Generator().manual_seed(self.seed)
        paths = self.paths if output.is_distribution else 1
        for part in pieces(len(origins), max(1, ROWS_TOGETHER // paths)):
            raw, state = self.context(series, origins[part])
            known = series.k[_from(origins[part], 1, horizon + self.codec.steps - 1)]
            point = self.codec.values(
                run_on(self.network, raw, state, known, horizon, criterion(output).point)
            )
            if not output.is_distribution:
                yield Forecast(point)
                continue
            last = np.moveaxis(self._drawn(raw, state, known, horizon, paths, draws), 1, -1)
            method: Any = "inverted_cdf" if output.is_discrete else "linear"  # outcomes, not numbers between
            quantiles = np.moveaxis(np.quantile(last, self.levels, axis=-1, method=method), 0, -1)
            yield Forecast(point, quantiles, None if y is None else metrics.crps(last, y[part]))

    def _drawn(
        self, raw: Tensor, state: Named, known: Tensor, horizon: int, paths: int, draws: torch.Generator
    ) -> Array:
        """`_paths` in the units of the file."""
        return self.codec.values(self._paths(raw, state, known, horizon, paths, draws))

    def _paths(
        self, raw: Tensor, state: Named, known: Tensor, horizon: int, paths: int, draws: torch.Generator
    ) -> Tensor:
        """(N, P, H, K), each draw fed back for the next."""
        drawn = run_on(
            self.network,
            raw.repeat_interleave(paths, 0),
            repeated(state, paths),
            known.repeat_interleave(paths, 0),
            horizon,
            lambda raw: criterion(self.output).sample(raw, draws),
        )
        return drawn.reshape(-1, paths, *drawn.shape[1:])


def _together(
    series: Sequence[Coded], origins: Sequence[Steps], size: int
) -> Iterator[list[tuple[Coded, Steps]]]:
    """All origins in their order, about `size` of them at a time."""
    together, count = list[tuple[Coded, Steps]](), 0
    for one, at in zip(series, origins, strict=True):
        for part in pieces(len(at), size):
            together.append((one, at[part]))
            count += len(at[part])
            if count >= size:
                yield together
                together, count = [], 0
    if together:
        yield together


def _from(origins: Steps, first: int, end: int) -> Tensor:
    """(N, end - first) the steps o + first … o + end - 1 of every origin."""
    return torch.from_numpy(origins[:, None] + np.arange(first, end))
