"""Forecasts from known origins. From the origin o the network reads rows o-W+1 … o and forecasts steps o+1 …
o+H.

    H ≤ S    the S steps of row o are the forecast, with its distribution in closed form H > S    (strategy
    recursive, S = 1) each point forecast is fed back as the value of the next step; the distribution
             is that of P drawn paths, in which each draw is fed back; quantiles are taken over the paths

Shapes   origins (N,) -> point (N, H, K), quantiles (N, H, K, L), crps (N, H, K), in the units of the file
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.blocks.outputs import Output
from unrolled.models.forecast import answers
from unrolled.nn.state import Named
from unrolled.tasks import metrics
from unrolled.tasks.forecast.data import Codec, Coded
from unrolled.tasks.forecast.network import Network, repeated, run_on
from unrolled.tasks.outputs import criterion

Array = NDArray[np.float64]
Steps = NDArray[np.int64]

# Rows (origins times paths) that run through the network together.
ROWS_TOGETHER = 8192


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
    def output(self) -> Output:
        return self.network.block.output

    @property
    def levels(self) -> tuple[float, ...]:
        """Of the quantiles."""
        return self.other_levels or self.output.levels

    def forecast(self, series: Coded, origins: Steps, horizon: int, y: Array | None = None) -> Forecast:
        """From origins (N,) of one series; y (N, H, K) are the outcomes where they are known."""
        forecasts = self._closed if horizon <= self.codec.steps else self._fed_back
        with torch.no_grad():
            return Forecast.joined(list(forecasts(series, origins, horizon, y)))

    def futures(
        self, series: Coded, origin: int, horizon: int, count: int, draws: torch.Generator
    ) -> Iterator[Array]:
        """`count` drawn futures (P, H, K) after one origin, in parts of as many as run together."""
        with torch.no_grad():
            raw, state = self.context(series, np.array([origin]))
            known = series.k[_from(np.array([origin]), 1, horizon)]
            for part in _parts(count, ROWS_TOGETHER):
                paths = min(part.stop, count) - part.start
                yield self._drawn(raw, state, known, horizon, paths, draws)[0]

    def context(self, series: Coded, origins: Steps) -> tuple[Tensor, Named]:
        """raw (N, S, K, R) of the last row, and the state after it."""
        raw, state = self.network(series.x[_from(origins, 1 - self.window, 1)])
        return raw[:, -1], state

    def _closed(self, series: Coded, origins: Steps, horizon: int, y: Array | None) -> Iterator[Forecast]:
        output = self.output
        for part in _parts(len(origins), ROWS_TOGETHER):
            raw = self.context(series, origins[part])[0][:, :horizon]
            said = answers(self.codec, output, raw.numpy(), self.levels)
            crps = self._crps(raw, y[part]) if output.is_distribution and y is not None else None
            yield Forecast(said["forecast"], said.get("quantiles"), crps)

    def _crps(self, raw: Tensor, y: Array) -> Array:
        scaler = self.codec.scalers["target"]
        outcomes = torch.from_numpy(scaler.transform(y))
        return criterion(self.output).crps(raw.double(), outcomes).numpy() * scaler.scale

    def _fed_back(self, series: Coded, origins: Steps, horizon: int, y: Array | None) -> Iterator[Forecast]:
        output, draws = self.output, torch.Generator().manual_seed(self.seed)
        paths = self.paths if output.is_distribution else 1
        for part in _parts(len(origins), max(1, ROWS_TOGETHER // paths)):
            raw, state = self.context(series, origins[part])
            known = series.k[_from(origins[part], 1, horizon)]
            point = self.codec.values(run_on(self.network, raw[:, 0], state, known, horizon, output.point))
            if not output.is_distribution:
                yield Forecast(point)
                continue
            last = np.moveaxis(self._drawn(raw, state, known, horizon, paths, draws), 1, -1)
            quantiles = np.moveaxis(np.quantile(last, self.levels, axis=-1), 0, -1)
            yield Forecast(point, quantiles, None if y is None else metrics.crps(last, y[part]))

    def _drawn(
        self, raw: Tensor, state: Named, known: Tensor, horizon: int, paths: int, draws: torch.Generator
    ) -> Array:
        """(N, P, H, K) in the units of the file, each draw fed back for the next."""
        drawn = run_on(
            self.network,
            raw[:, 0].repeat_interleave(paths, 0),
            repeated(state, paths),
            known.repeat_interleave(paths, 0),
            horizon,
            lambda raw: criterion(self.output).sample(raw, draws),
        )
        return self.codec.values(drawn).reshape(-1, paths, *drawn.shape[1:])


def _parts(count: int, size: int) -> list[slice]:
    return [slice(first, first + size) for first in range(0, count, size)]


def _from(origins: Steps, first: int, end: int) -> Tensor:
    """(N, end - first) the steps o + first … o + end - 1 of every origin."""
    return torch.from_numpy(origins[:, None] + np.arange(first, end))
