"""Whether the values of a window are read as they are, or less the first of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Parts = Sequence[NDArray[np.float64]]


def found_level(training: Parts, window: int) -> tuple[str, ...]:
    """Relative where more of a target's variance lies between windows than within them: within a window it
    shows little of its range, and its level in the test part may be one that training never saw. A power of
    two brings the values near 1: no square is infinite."""
    _, exponent = np.frexp(np.fmax.reduce(np.abs(np.concatenate(training)), 0))
    training = [np.ldexp(part, -exponent) for part in training]
    pieces = np.concatenate(
        [p[: len(p) // window * window].reshape(-1, window, p.shape[1]) for p in training]
    )
    within = _variance(pieces) if len(pieces) else np.full(training[0].shape[1], np.inf)
    total = _variance(np.concatenate(training)[None])
    return tuple(
        "relative" if inside < 0.5 * variance else "absolute"
        for inside, variance in zip(within, total, strict=True)
    )


def _variance(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """y (N, T, K) -> (K,) the mean of N variances over T steps. One of fewer known values is scaled to what T
    of them have in the mean, and does not count where there are fewer than two."""
    T, count = y.shape[1], (~np.isnan(y)).sum(1)
    mean = np.nansum(y, 1) / np.maximum(count, 1)
    squares = np.nansum((y - mean[:, None]) ** 2, 1)
    counted = (count > 1) | (count == T)
    variances = np.where(counted, squares, 0) / np.maximum(count - 1, 1) * (T - 1) / T
    return np.asarray(variances.sum(0) / np.maximum(counted.sum(0), 1))
