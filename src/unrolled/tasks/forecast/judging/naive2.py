"""Naive2, the forecast by which the M4 competition measures all others: persistence, of a seasonal series
seasonally adjusted. Of the steps t = 0 … o up to the origin, L = o + 1 of them, and a season of m:

    seasonal      where L ≥ 3 m and |r_m| > 1.645 √((1 + 2 Σ_{k<m} r_k²) / L), r the autocorrelation
    factor        s_p = mean of y_t / trend_t over the t of phase p = t mod m, divided by the mean over all p;
                  trend_t is the mean of the season around t, its ends halved where m is even
    Naive2        f_{o+h} = y_o / s_{o mod m} · s_{(o+h) mod m}, all s = 1 where it is not seasonal

Source   Makridakis, Spiliotis and Assimakopoulos 2020, and the competition's code in R
Differs  R looks at 10 log10(L) lags alone, and calls a longer season none

All origins of a series are taken together, by sums that run on over its steps.

Shapes   y (T, K) above 0 and without gaps, origins (N,) -> f (N, H, K)
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Steps = NDArray[np.int64]

NAIVE2 = "naive2"
LEAST_SEASONS = 3
NORMAL_90 = 1.645
TOGETHER = 2**22  # products of a few lags that are in memory at once


def naive2(y: Array, origins: Steps, horizon: int, season: int) -> Array:
    ahead = np.arange(horizon + 1)
    columns = [_factors(column, origins, season) for column in y.T]
    phases = (origins[:, None] + ahead) % season
    factors = np.stack([np.take_along_axis(column, phases, 1) for column in columns], -1)
    return np.asarray((y[origins] / factors[:, 0])[:, None] * factors[:, 1:])


def _factors(y: Array, origins: Steps, season: int) -> Array:
    """y (T,) -> (N, m) the factor of each phase, as each origin knows it."""
    factors = np.ones((len(origins), season))
    seasonal = _is_seasonal(y, origins, season)
    if not seasonal.any():
        return factors
    half = season // 2
    weights = np.ones(2 * half + 1)
    weights[[0, -1]] = 1 if season % 2 else 0.5
    around = np.convolve(y, weights, "valid") / season
    ratios = np.zeros(-(-len(y) // season) * season)
    ratios[half : half + len(around)] = y[half : half + len(around)] / around
    counted = np.zeros(len(ratios))
    counted[half : half + len(around)] = 1
    sums, counts = (np.cumsum(each.reshape(-1, season), 0) for each in (ratios, counted))
    phases = np.arange(season)
    last = (origins[seasonal, None] - half - phases) // season  # the last whole trend of each phase
    means = sums[last, phases] / counts[last, phases]
    factors[seasonal] = means / means.mean(1, keepdims=True)
    return factors


def _is_seasonal(y: Array, origins: Steps, season: int) -> NDArray[np.bool_]:
    """(N,)."""
    long = origins + 1 >= LEAST_SEASONS * season
    if season < 2 or not long.any():
        return np.zeros(len(origins), np.bool_)
    known = np.maximum(origins + 1, LEAST_SEASONS * season)
    r = _autocorrelation(y, np.minimum(known, len(y)), season)
    limit = NORMAL_90 * np.sqrt((1 + 2 * (r[:, :-1] ** 2).sum(1)) / known)
    return np.asarray(long & (np.abs(r[:, -1]) > limit))


def _autocorrelation(y: Array, known: Steps, most: int) -> Array:
    """(N, most) of the first known (N,) values, at lags 1 … most; 0 where they are all the same."""
    y = y - y[: known[0]].mean()
    sums = np.concatenate([[0], np.cumsum(y)])
    squares = np.concatenate([[0], np.cumsum(y * y)])[known]
    mean = (sums[known] / known)[:, None]
    lags, parts = np.arange(1, most + 1), max(1, TOGETHER // len(y))
    pairs = known[:, None] - lags
    products = np.concatenate(
        [_lagged(y, pairs[:, at : at + parts], lags[at : at + parts]) for at in range(0, most, parts)], axis=1
    )
    products += mean * (pairs * mean - sums[pairs] - sums[known][:, None] + sums[lags])
    variance = squares[:, None] - known[:, None] * mean**2
    return np.asarray(np.where(variance > 0, products / np.where(variance > 0, variance, 1), 0))


def _lagged(y: Array, pairs: Steps, lags: Steps) -> Array:
    """pairs (N, P) of the lags (P,) -> Σ_{t < pairs} y_t y_{t+lag}."""
    longer = np.concatenate([y, np.zeros(lags[-1])])
    moved = np.lib.stride_tricks.sliding_window_view(longer, len(y))[lags]
    return np.asarray(np.cumsum(moved * y, 1)[np.arange(len(lags)), pairs - 1])
