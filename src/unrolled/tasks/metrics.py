"""Errors of forecasts. y are outcomes, f forecasts, q quantiles; the mean runs over `axis`, or over all of y,
without the outcomes that were not observed (NaN); where none was, it is NaN. So is what would be divided
by 0: WAPE and relative bias of zeros alone, NSE and KGE of constant outcomes, KGE of constant forecasts or of
outcomes whose mean is 0.

    MAE       mean |y - f|
    RMSE      √ mean (y - f)²
    sMAPE     mean 200 |y - f| / (|y| + |f|), in per cent from 0 to 200, 0 where both are 0 (as in the M4
              competition)
    MASE      mean |y - f| / s, s the MAE that seasonal naive has inside the training part (Hyndman and
              Koehler 2006)
    WAPE      100 Σ|y - f| / Σ|y|, in per cent of all that came
    bias      mean f - y, above 0 where forecasts are too high; relative: 100 Σ(f - y) / Σ|y|, in per cent
    NSE       1 - Σ(y - f)² / Σ(y - ȳ)²: 1 is perfect, 0 as good as the mean of the outcomes (Nash and
              Sutcliffe 1970)
    KGE       1 - √((r - 1)² + (α - 1)² + (β - 1)²), r the correlation of f and y, α = σ_f / σ_y, β = f̄ / ȳ
              (Gupta et al. 2009)
    CRPS      of S draws x: mean |x_i - y| - ½ mean |x_i - x_j| over i ≠ j, unbiased for every S ≥ 2. In the
              units of y; of a forecast in one number it is the MAE
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
    return mean(np.abs(y - f) / _or_nan(scale), y, axis)


def wape(y: Array, f: Array, axis: Axis = None) -> Array:
    return np.asarray(100 * mae(y, f, axis) / _or_nan(mean(np.abs(y), y, axis)))


def bias(y: Array, f: Array, axis: Axis = None) -> Array:
    return mean(f - y, y, axis)


def relative_bias(y: Array, f: Array, axis: Axis = None) -> Array:
    return np.asarray(100 * bias(y, f, axis) / _or_nan(mean(np.abs(y), y, axis)))


def nse(y: Array, f: Array, axis: Axis = None) -> Array:
    return np.asarray(1 - (rmse(y, f, axis) / _deviation(y, axis)[1]) ** 2)


def kge(y: Array, f: Array, axis: Axis = None) -> dict[str, Array]:
    """ "kge" and its three parts."""
    f = np.where(np.isnan(y), np.nan, f)
    (dy, sy), (df, sf) = _deviation(y, axis), _deviation(f, axis)
    r = mean(dy / _beside(sy, axis) * (df / _beside(sf, axis)), y, axis)
    alpha, beta = sf / sy, mean(f, y, axis) / _or_nan(mean(y, y, axis))
    far = np.sqrt((r - 1) ** 2 + (alpha - 1) ** 2 + (beta - 1) ** 2)
    return {"kge": np.asarray(1 - far), "kge_r": r, "kge_alpha": np.asarray(alpha), "kge_beta": beta}


def _deviation(y: Array, axis: Axis) -> tuple[Array, Array]:
    """Each value less their mean, and the standard deviation, NaN where all are the same: less the lowest
    they are exactly 0 then, and so is their mean."""
    above = y - np.fmin.reduce(y, axis, keepdims=True)
    center = _beside(mean(above, above, axis), axis)
    return above - center, _or_nan(rmse(above, center, axis))


def _beside(means: Array, axis: Axis) -> Array:
    """What was taken over `axis`, to be broadcast over it again."""
    return means if axis is None else np.expand_dims(means, axis)


def _or_nan(divisor: Array) -> Array:
    return np.where(divisor == 0, np.nan, divisor)


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
