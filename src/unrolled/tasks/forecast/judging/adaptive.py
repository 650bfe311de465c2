"""Intervals that widen and narrow with the errors that came before. From origin n of a series an outcome y is
inside where, with the point p and the quantiles l and u of the outermost levels, 1 - α apart,

    p - θ_n (p - l) ≤ y ≤ p + θ_n (u - p)
    θ_1 = 1      θ ← θ exp(RATE (miss - α))      for each earlier origin whose whole horizon is known by now

`miss`: the share of that origin's outcomes that were outside of what was told then. In the long run as many
are outside as should be, however the series changes.

Source   Gibbs and Candès 2021, arXiv:2106.00170
Differs  the width is moved, not the level: it can grow beyond the largest error of the validation part
"""

import numpy as np
from numpy.typing import NDArray

from unrolled.tasks.forecast.judging.backtest import Backtest
from unrolled.tasks.forecast.paths import Forecast

RATE = 0.3
# Fewer origins of a series, or fewer horizons that they span, tell nothing of what such intervals do.
LEAST_ORIGINS, LEAST_HORIZONS = 30, 5


def adaptive_coverage(backtest: Backtest, forecast: Forecast, columns: slice, nominal: float) -> float:
    """The share of the outcomes of these targets that is inside; NaN where no series has origins enough."""
    inside = [
        _inside(backtest, forecast.of(columns), columns, np.flatnonzero(backtest.series == one), nominal)
        for one in np.unique(backtest.series)
    ]
    every = np.concatenate(inside)
    return float(every.mean()) if len(every) else np.nan


def _inside(
    backtest: Backtest, forecast: Forecast, columns: slice, rows: NDArray[np.int64], nominal: float
) -> NDArray[np.bool_]:
    """Of each outcome of one series."""
    origins, y = backtest.origins[rows], backtest.y[rows][..., columns]
    H = y.shape[1]
    if (
        forecast.quantiles is None
        or len(rows) < LEAST_ORIGINS
        or origins[-1] - origins[0] < LEAST_HORIZONS * H
    ):
        return np.empty(0, np.bool_)
    point, quantiles = forecast.point[rows], forecast.quantiles[rows]
    below, above = point - quantiles[..., 0], quantiles[..., -1] - point
    known = ~np.isnan(y)
    inside, theta, revealed = np.zeros(y.shape, np.bool_), 1.0, 0
    for n, origin in enumerate(origins):
        while origins[revealed] + H <= origin:
            if known[revealed].any():
                miss = 1 - float(inside[revealed][known[revealed]].mean())
                theta *= float(np.exp(RATE * (miss - (1 - nominal))))
            revealed += 1
        error = y[n] - point[n]
        inside[n] = (-theta * below[n] <= error) & (error <= theta * above[n])
    return inside[known]
