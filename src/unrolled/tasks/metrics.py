"""Errors of forecasts. y are outcomes, f forecasts, q quantiles; the mean runs over `axis`, or over all of y,
without the outcomes that were not observed (NaN); where none was, it is NaN.

    MAE       mean |y - f|
    RMSE      √ mean (y - f)²
    sMAPE     mean 200 |y - f| / (|y| + |f|), in per cent from 0 to 200, 0 where both are 0 (as in the M4
              competition)
    MASE      mean |y - f| / s, s the MAE that seasonal naive has inside the training part (Hyndman and
              Koehler 2006)
    CRPS      of S draws x: mean |x_i - y| - ½ mean |x_i - x_j| over i ≠ j, unbiased for every S ≥ 2. In the
    units
              of y; of a forecast in one number it is the MAE
    pinball   mean max(τ (y - q), (τ - 1) (y - q)), over the levels τ too
    coverage  share of low ≤ y ≤ high;   width   mean high - low

Shapes   y, f, low, high (...); q (..., L); draws (..., S)
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Axis = int | tuple[int, ...] | None


def mean(scores: NDArray[Any], y: Array, axis: Axis = None) -> Array:
    """Of the scores whose outcomes y, of their shape, were observed."""
    known = ~np.isnan(y)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, scores, 0).sum(axis) / known.sum(axis))


def mae(y: Array, f: Array, axis: Axis = None) -> Array:
    return mean(np.abs(y - f), y, axis)


def rmse(y: Array, f: Array, axis: Axis = None) -> Array:
    """Errors are divided by a power of two before they are squared: no square is infinite, or lost to 0."""
    error = np.where(np.isnan(y), 0, y - f)
    _, exponent = np.frexp(np.max(np.abs(error)))
    return np.asarray(np.ldexp(np.sqrt(mean(np.ldexp(error, -exponent) ** 2, y, axis)), exponent))


def smape(y: Array, f: Array, axis: Axis = None) -> Array:
    size = np.abs(y) + np.abs(f)
    return mean(200 * np.abs(y - f) / np.where(size == 0, 1, size), y, axis)


def mase(y: Array, f: Array, scale: Array, axis: Axis = None) -> Array:
    """`scale` broadcasts against y. NaN where it is 0: nothing can be measured by a perfect seasonal
    naive."""
    return mean(np.abs(y - f) / np.where(scale == 0, np.nan, scale), y, axis)


def naive_scale(parts: Sequence[Array], season: int) -> Array:
    """parts (T_i, K), the training parts of all series -> (K,) mean |y_t - y_{t-season}| over all of them,
    NaN where no two such values are known."""
    changes = np.concatenate([np.abs(part[season:] - part[:-season]) for part in parts if len(part) > season])
    return mean(changes, changes, 0)


def crps(draws: Array, y: Array) -> Array:
    """The score of each outcome, not their mean; NaN of one that was not observed."""
    S = draws.shape[-1]
    rank = 2 * np.arange(1, S + 1) - S - 1
    spread = np.sort(draws, axis=-1) @ rank / (S * (S - 1))
    return np.asarray(np.mean(np.abs(draws - y[..., None]), axis=-1) - spread)


def pinball(y: Array, q: Array, levels: Sequence[float], axis: Axis = None) -> Array:
    error, level = y[..., None] - q, np.asarray(levels)
    return mean(np.maximum(level * error, (level - 1) * error).mean(-1), y, axis)


def coverage(y: Array, low: Array, high: Array, axis: Axis = None) -> Array:
    return mean((low <= y) & (y <= high), y, axis)


def width(low: Array, high: Array, axis: Axis = None) -> Array:
    return np.asarray(np.mean(high - low, axis))
