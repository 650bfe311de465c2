"""The error at the horizon: forecasts fed back from origins spread over the validation parts, as a backtest
feeds them back (paths.py), in scaled units.

    points          mean squared error
    distributions   CRPS of PATHS drawn futures, of the same random numbers after every epoch

Every step of the horizon counts alike, and no step after the validation part is looked at. Where no
validation part is as long as the horizon, as many steps as the longest has are forecast.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from unrolled.files.messages import counted
from unrolled.tasks import metrics
from unrolled.tasks.forecast.config import Plan
from unrolled.tasks.forecast.data import Codec, Coded
from unrolled.tasks.forecast.judging.backtest import outcomes, possible_origins, spread
from unrolled.tasks.forecast.network import Network
from unrolled.tasks.forecast.paths import Predictor
from unrolled.tasks.forecast.recursive.windows import Ends

# So many futures are fed back together, at about all origins; and of a distribution so many from each.
FUTURES, PATHS = 512, 8
# What stands for a forecast that is not finite: it is as far off as can be.
FARTHEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class HorizonValidation:
    """From `origins` (N_i,) of each of these series; `y` (N, H, K) came after them, scaled."""

    series: tuple[Coded, ...]
    origins: tuple[NDArray[np.int64], ...]
    y: NDArray[np.float64]
    codec: Codec
    window: int
    distribution: bool
    seed: int

    @classmethod
    def of(
        cls, series: Sequence[Coded], ends: Ends, codec: Codec, plan: Plan, distribution: bool, seed: int
    ) -> Self | None:
        """None where not even two steps can be forecast."""
        least = max(plan.least, 2)
        horizon = min(plan.horizon, max(end - max(train, least) for train, end in ends))
        if horizon < 2:
            return None
        known = [replace(s, y=s.y[:end]) for s, (_, end) in zip(series, ends, strict=True)]
        possible = possible_origins(known, [train for train, _ in ends], least - 1, horizon)
        used = [i for i, at in enumerate(possible) if len(at)]
        most = FUTURES // PATHS if distribution else FUTURES
        if not used:
            return None
        used = used[:: -(-len(used) // most)]
        origins = spread([possible[i] for i in used], plan.season, most).of
        chosen = tuple(series[i] for i in used)
        y = np.concatenate(
            [outcomes(s.z.double().numpy(), at, horizon) for s, at in zip(chosen, origins, strict=True)]
        )
        return cls(chosen, origins, y, codec, plan.window, distribution, seed)

    @property
    def horizon(self) -> int:
        return int(self.y.shape[1])

    @property
    def measure(self) -> str:
        return f"{'CRPS' if self.distribution else 'MSE'} over {counted(self.horizon, 'step')}"

    def __call__(self, network: Network) -> float:
        predictor = Predictor(network, self.codec, self.window, PATHS, self.seed)
        scaled = predictor.fed_back(self.series, self.origins, self.horizon)
        futures = scaled.nan_to_num(FARTHEST, FARTHEST, -FARTHEST).double().movedim(1, -1).numpy()
        scores = metrics.crps(futures, self.y) if self.distribution else (futures[..., 0] - self.y) ** 2
        return float(metrics.mean(scores, self.y))
