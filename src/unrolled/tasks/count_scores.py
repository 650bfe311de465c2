"""The continuous ranked probability score of counts (decoding/counts.py says of which distributions):

    CRPS(y) = Σ_k (F(k) - [y ≤ k])²      over k = 0, 1, …

In cells of w numbers from k_0 on, where F begins: SINGLY of one number, then of 1/GROWTH of the way so far,
until what is left is NOTHING. Within a cell F is linear, from F at its begin by its whole probability.
Against the sum over every number the error was below 1 in 1,000.

Shapes   y, mean, dispersion (N,) in counts -> (N,)
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.decoding.counts import MOST, first_count, probability

Array = NDArray[Any]

SINGLY, GROWTH, CELLS = 128, 128, 64
NOTHING = 1e-9
TOGETHER = 4096


def count_crps(y: Array, mean: Array, dispersion: Array) -> Array:
    """NaN where y or the mean is, infinite for means of MOST or more."""
    scores = np.where(np.isnan(y + mean), np.nan, np.inf)
    for rows in np.split(np.flatnonzero((mean < MOST) & ~np.isnan(y)), range(TOGETHER, len(y), TOGETHER)):
        scores[rows] = _count_crps(y[rows], mean[rows], dispersion[rows])
    return scores


def _count_crps(y: Array, mean: Array, dispersion: Array) -> Array:
    first = first_count(mean, dispersion)
    scores, below, end = np.maximum(first - y, 0), np.zeros(len(y)), first.copy()
    going = np.arange(len(y))
    for begins, sizes in _cells():
        at, each = first[going, None] + begins, np.broadcast_to(sizes, (len(going), CELLS))
        mass = probability(at, each, mean[going, None], dispersion[going, None])
        until = below[going, None] + np.cumsum(mass, 1)
        before = np.clip(y[going, None] - at, 0, each)  # numbers of a cell that are less than y
        start, slope = until - mass, mass / each
        squares = _squares(start, slope, before)
        squares = squares + _squares(start - 1, slope, each) - _squares(start - 1, slope, before)
        scores[going] += squares.sum(1)
        below[going], end[going] = until[:, -1], at[:, -1] + each[:, -1]
        going = going[1 - below[going] > NOTHING]
        if not len(going):
            break
    return np.asarray(scores + np.maximum(y - end, 0))


def _squares(start: Array, slope: Array, count: Array) -> Array:
    """Σ (start + i slope)² over i = 1 … count."""
    once = count * (count + 1)
    squares: Array = count * start**2 + start * slope * once + slope**2 * once * (2 * count + 1) / 6
    return squares


@cache
def _cells() -> list[tuple[Array, Array]]:
    """Where cells begin behind k_0, and how many numbers each holds, CELLS together."""
    edges = list(range(SINGLY + 1))
    while edges[-1] < MOST or len(edges) % CELLS != 1:
        edges.append(edges[-1] + edges[-1] // GROWTH)
    begins, sizes = np.array(edges[:-1], np.float64), np.diff(np.array(edges, np.float64))
    cuts = range(CELLS, len(begins), CELLS)
    return list(zip(np.split(begins, cuts), np.split(sizes, cuts), strict=True))
