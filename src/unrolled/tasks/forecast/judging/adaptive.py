"""Intervals that follow the errors, in a backtest: what a stream would have told (decoding/intervals.py)."""

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unrolled.codecs.scaling import Scaler
from unrolled.decoding.intervals import Adaptive
from unrolled.tasks.evaluation import MODEL
from unrolled.tasks.forecast.judging.backtest import Backtest

Array = NDArray[np.float64]
# Fewer origins of a series, or fewer horizons that they span, tell nothing of what such intervals do.
LEAST_ORIGINS, LEAST_HORIZONS = 30, 5


def adaptive_quantiles(backtest: Backtest, levels: Sequence[float], scaler: Scaler) -> Array | None:
    """(N, H, K, L) in place of the model's, NaN of a series with too few origins; None where there are none
    at all."""
    forecast, H = backtest.forecasts[MODEL], backtest.y.shape[1]
    if forecast.quantiles is None:
        return None
    rule, adapted = Adaptive(levels, scaler, H, backtest.stride), np.full(forecast.quantiles.shape, np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = scaler.transform(backtest.y).astype(np.float32)
    for one in np.unique(backtest.series):
        rows = np.flatnonzero(backtest.series == one)
        origins = backtest.origins[rows]
        if len(rows) >= LEAST_ORIGINS and origins[-1] - origins[0] >= LEAST_HORIZONS * H:
            adapted[rows] = _followed(rule, origins, forecast.quantiles[rows], z[rows])
    return adapted


def _followed(rule: Adaptive, origins: NDArray[np.int64], quantiles: Array, z: NDArray[np.float32]) -> Array:
    """Of one series: quantiles (N, H, K, L) and the scaled outcomes z (N, H, K) -> (N, H, K, L)."""
    theta, adapted, waiting = rule.start(z.shape[-1]), np.empty_like(quantiles), deque[int]()
    for n, origin in enumerate(origins):
        while waiting and origins[waiting[0]] + rule.horizon <= origin:
            known = waiting.popleft()
            inside = rule.inside(rule.bounds(adapted[known]), z[known]).sum(0)
            theta = rule.moved(theta, inside, (~np.isnan(z[known])).sum(0))
        adapted[n] = rule.adapted(quantiles[n], theta)
        if n % rule.every == 0:
            waiting.append(n)
    return adapted
