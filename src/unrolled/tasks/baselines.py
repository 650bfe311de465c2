"""Forecasts that need no training. From the origin o, the last known step, for h = 1 … H and a season of m:

    persistence      f_{o+h} = y_o
    mean             f_{o+h} = mean of y_0 … y_o
    seasonal naive   f_{o+h} = y_{o+h-m⌈h/m⌉}                  the last known value of the same phase
    drift            f_{o+h} = y_o + h (y_o - y_0) / o         the line from the first to the last known value

Where a value is missing (NaN) the last one known before it stands in its place, for the seasonal naive the
last known one of its phase, if there is one.

Shapes   y (T, K), origins (N,) -> f (N, H, K). Every origin must have a season of history: o ≥ m - 1, and two
         known values of every target
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unrolled.codecs.gaps import carried

Array = NDArray[np.float64]
Steps = NDArray[np.int64]
Baseline = Callable[[Array, Steps, int, int], Array]

# A season is believed where the changes of the series repeat after it with at least this autocorrelation.
LEAST_CORRELATION = 0.1
# … and, for a length that no calendar suggests, with at least this one at a peak.
LEAST_PEAK = 0.3
# So many deviations of a correlation that is none, those of few pairs less those of all, are none.
FEW_PAIRS = 3
# Steps of series of one length whose autocorrelations are taken at once.
TOGETHER = 2**18


@dataclass(frozen=True)
class Season:
    """`steps` is 1 where no season was found. `why` says in words how it was chosen."""

    steps: int
    why: str


def persistence(y: Array, origins: Steps, horizon: int, season: int) -> Array:
    return np.repeat(_known(y, 1)[origins][:, None], horizon, axis=1)


def mean(y: Array, origins: Steps, horizon: int, season: int) -> Array:
    """A power of two brings the values near 1: no sum is infinite."""
    _, exponent = np.frexp(np.fmax.reduce(np.abs(y)))
    sums, counts = np.cumsum(np.where(np.isnan(y), 0, np.ldexp(y, -exponent)), 0), np.cumsum(~np.isnan(y), 0)
    return np.repeat(np.ldexp(sums[origins] / counts[origins], exponent)[:, None], horizon, axis=1)


def seasonal_naive(y: Array, origins: Steps, horizon: int, season: int) -> Array:
    ahead = np.arange(1, horizon + 1)
    phases = _known(y, season)
    y = np.where(np.isnan(phases), _known(y, 1), phases)
    return np.asarray(y[origins[:, None] + ahead - season * -(-ahead // season)])


def drift(y: Array, origins: Steps, horizon: int, season: int) -> Array:
    steps = np.where(np.isnan(y), np.nan, np.arange(len(y))[:, None])
    first, last = np.fmin.reduce(steps), _known(steps, 1)[origins]
    begin, end = y[first.astype(np.int64), np.arange(y.shape[1])], _known(y, 1)[origins]
    slope = (end - begin) / (last - first)
    ahead = (origins[:, None] - last)[:, None] + np.arange(1, horizon + 1)[:, None]
    return np.asarray(end[:, None] + ahead * slope[:, None])


def _known(y: Array, season: int) -> Array:
    """y (T, K) with the last known value of the same phase where one is missing, NaN where there is none."""
    if not np.isnan(y).any():
        return y
    filled = y.copy()
    for phase in range(min(season, len(y))):
        same_phase = y[phase::season]
        filled[phase::season] = carried(
            same_phase, np.isnan(same_phase), np.full(same_phase.shape[1:], np.nan)
        )
    return filled


SEASONAL = "seasonal naive"
BASELINES: dict[str, Baseline] = {
    "persistence": persistence,
    "mean": mean,
    SEASONAL: seasonal_naive,
    "drift": drift,
}


def find_season(parts: Sequence[Array], periods: Sequence[int], step: str) -> Season:
    """parts (T_i, K), the training parts of all series; periods, the natural lengths of the step called
    `step`.

    A natural length is tested on the autocorrelation of the changes y_t - y_{t-1}: the level, which makes
    every lag of a slow series look alike, is gone from them. The length with the highest is taken; where none
    is high enough, the highest peak of the autocorrelation.
    """
    correlation = autocorrelation(parts)
    fitting = [m for m in periods if m < len(correlation)]
    best = max(fitting, key=lambda m: correlation[m], default=0)
    if best and correlation[best] >= LEAST_CORRELATION:
        return Season(best, f"a natural period of the step {step}; {_repeat(correlation, best)}")
    inner = correlation[1:-1]
    peaks = 1 + np.flatnonzero((inner > correlation[:-2]) & (inner >= correlation[2:]))
    peaks = peaks[(peaks >= 2) & (correlation[peaks] >= LEAST_PEAK)]
    if len(peaks):
        peak = int(peaks[np.argmax(correlation[peaks])])
        return Season(peak, f"the highest peak of the autocorrelation; {_repeat(correlation, peak)}")
    tried = f"; tried {', '.join(map(str, fitting))}" if fitting else ""
    return Season(1, f"no season was found in the changes of the training part{tried}")


def autocorrelation(parts: Sequence[Array]) -> Array:
    """(L + 1,) of the changes, at lags 0 … L, a third of the longest part; the mean over the targets that
    change. Series are pooled: their lagged products are summed before the division by their squares."""
    lags = max(len(part) for part in parts) // 3
    if not lags:
        return np.zeros(1)
    parts = [part for part in parts if len(part) > 2]
    # A power of two for each target brings it near 1: no square is infinite, or lost to 0.
    _, exponent = np.frexp(np.fmax.reduce([np.fmax.reduce(np.abs(part)) for part in parts], 0))
    products = np.sum(_products_of_each([np.ldexp(part, -exponent) for part in parts], lags), axis=0)
    changing = products[:, products[0] > 0]
    return np.asarray(np.mean(changing / changing[0], axis=1)) if changing.size else np.zeros(lags + 1)


def _products_of_each(parts: Sequence[Array], lags: int) -> Array:
    """(N, lags + 1, K) of N parts, those of one length together."""
    products, lengths = np.empty((len(parts), lags + 1, parts[0].shape[1])), np.array([*map(len, parts)])
    for length in np.unique(lengths):
        alike = np.flatnonzero(lengths == length)
        size = max(1, TOGETHER // int(length))
        for at in (alike[first : first + size] for first in range(0, len(alike), size)):
            products[at] = _products(np.stack([parts[k] for k in at]), lags)
    return products


def _products(y: Array, lags: int) -> Array:
    """y (N, T, K) -> (N, lags + 1, K) Σ_t d_t d_{t-l} of the centred changes d. Where changes are missing the
    sums are scaled up to the pairs that there would be, less what the fewer pairs alone may add."""
    changes = np.diff(y, axis=1)
    known = ~np.isnan(changes)
    mean = np.nansum(changes, 1, keepdims=True) / np.maximum(known.sum(1, keepdims=True), 1)
    changes = np.where(known, changes - mean, 0)
    products = _lagged(changes, lags)
    if known.all():
        return products
    possible = known.shape[1] - np.arange(lags + 1)[:, None]
    pairs = np.maximum(np.rint(_lagged(known.astype(np.float64), lags)), 1)
    scaled = products * possible / pairs
    less = FEW_PAIRS * (1 / np.sqrt(pairs) - 1 / np.sqrt(possible)) * scaled[:, :1]
    return np.asarray(np.where(known.all((1, 2), keepdims=True), products, scaled - less))


def _lagged(x: Array, lags: int) -> Array:
    """x (N, T, K) -> (N, lags + 1, K) Σ_t x_t x_{t-l}, by the Fourier transform."""
    spectrum = np.fft.rfft(x, 2 * max(x.shape[1], lags + 1), axis=1)
    return np.asarray(np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, : lags + 1])


def _repeat(correlation: Array, lag: int) -> str:
    return (
        f"the changes of the training part repeat after {lag} steps with correlation {correlation[lag]:.2f}"
    )
