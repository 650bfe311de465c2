"""Quantiles of distributions over whole numbers from 0 on, by sums of their probabilities; with r = 1/α

    α = 0    ln P(k) = k ln μ - μ - ln Γ(k+1)                                      Poisson
    α > 0    ln P(k) = ln Γ(k+r) - ln Γ(r) - ln Γ(k+1) + r ln(r/(r+μ)) + k ln(μ/(r+μ))
             negative binomial, variance μ + α μ²

P(0) + … + P(k) is summed from where the rest is nothing, k_0 = max(0, μ - 9σ - 9), by the ratio of P(k) to
P(k - 1): SINGLY numbers one by one. Beyond come steps of w numbers, which grow with the distance from k_0;
the sum of each is

    w P(m) + w (w² - 1) P''(m) / 24      m its middle, P'' by differences

and the one in which the sum reaches the level is divided again. All in float64, in one order for each number.
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.kernels.numpy import heads
from unrolled.kernels.numpy.functions import lgamma, log1p

Array = NDArray[Any]

TOGETHER = 4096  # numbers that are summed at once
# Numbers taken one by one; then in steps of 1/GROWTH of the way so far, STEPS of them together, MOST_STEPS in
# all, each taken again in PARTS.
SINGLY, GROWTH, STEPS, MOST_STEPS, PARTS = 256, 32, 32, 1024, 16
# A step of less probability beyond the mean is the last.
NOTHING = 1e-18
MOST = 1e12


def count_quantile(p: Array, mean: Array, dispersion: Array) -> Array:
    """The least k with P(0) + … + P(k) ≥ p, for 0 < p < 1, means > 0 and dispersions α ≥ 0; of shapes that
    broadcast. Not finite where the mean is not, or is MOST or more."""
    shape = np.broadcast_shapes(p.shape, mean.shape, dispersion.shape)
    p, mean, dispersion = (
        np.broadcast_to(np.asarray(one, np.float64), shape).ravel() for one in (p, mean, dispersion)
    )
    counts = np.where(np.isnan(mean), np.nan, np.inf)
    for rows in np.split(np.flatnonzero(mean < MOST), range(TOGETHER, len(p), TOGETHER)):
        counts[rows] = _count_quantile(p[rows], mean[rows], dispersion[rows])
    return np.asarray(counts.reshape(shape))


def _count_quantile(p: Array, mean: Array, dispersion: Array) -> Array:
    """All (N,)."""
    k: Array
    first = first_count(mean, dispersion)
    shrink = mean / (1 + dispersion * mean)  # of P(k) / P(k - 1) = shrink (1 + α (k - 1)) / k
    each = heads.exp(_log_probability(first, mean, dispersion))
    below, k = each, first.copy()
    for step in range(1, SINGLY):
        short = below < p
        if not short.any():
            return k
        k += short
        each = each * (shrink * (1 + dispersion * (first + (step - 1))) / (first + step))
        below = below + each
    far = np.flatnonzero(below < p)
    if len(far):
        k[far] = _far(*(one[far] for one in (p, mean, dispersion, first, below)))
    return k


def _far(p: Array, mean: Array, dispersion: Array, first: Array, below: Array) -> Array:
    """The same beyond the first SINGLY numbers, whose probabilities together are `below`."""
    begin, size, going = np.full(len(p), np.inf), np.ones(len(p)), np.arange(len(p))
    for begins, sizes in _steps_beyond():
        at = first[going, None] + begins
        each = np.broadcast_to(sizes, at.shape)
        done = _reached(at, each, going, (p, mean, dispersion), below, begin, size)
        going = going[~done]
        if not len(going):
            break
    while len(going := np.flatnonzero(size > 1)):
        part = np.ceil(size[going] / PARTS)[:, None]
        begins = part * np.arange(PARTS)
        sizes = np.clip(size[going, None] - begins, 0, part)
        at = begin[going, None] + begins
        missed = going[~_reached(at, sizes, going, (p, mean, dispersion), below, begin, size)]
        begin[missed], size[missed] = begin[missed] + size[missed] - 1, 1  # all but for rounding
    return begin


def _reached(
    begins: Array,
    sizes: Array,
    rows: Array,
    about: tuple[Array, ...],
    below: Array,
    begin: Array,
    size: Array,
) -> Array:
    """Which of the rows (N,) reach their p in steps (N, M) of so many numbers from `begins` on. Where they
    do, `below`, `begin` and `size` become those of the step, else `below` grows by all of them."""
    p, mean, dispersion = (one[rows, None] for one in about)
    mass = probability(begins, sizes, mean, dispersion)
    sums = below[rows, None] + np.cumsum(mass, 1)
    reached = (sums >= p) | ((mass < NOTHING) & (begins > mean))
    done: Array = reached.any(1)
    at, here = reached[done].argmax(1), rows[done]
    begin[here], size[here] = begins[done, at], sizes[done, at]
    below[rows] = sums[:, -1]
    below[here] = sums[done, at] - mass[done, at]
    return done


def first_count(mean: Array, dispersion: Array) -> Array:
    """k_0."""
    spread = np.sqrt(mean + dispersion * mean * mean)
    return np.asarray(np.maximum(0, np.floor(mean - 9 * spread - 9)))


def probability(begins: Array, sizes: Array, mean: Array, dispersion: Array) -> Array:
    """Of `sizes` numbers from `begins` on: that of their middle times the size, and what its curvature
    adds."""
    half = np.maximum(sizes - 1, 0) / 2
    low, middle, high = (
        heads.exp(_log_probability(begins + shift, mean, dispersion)) for shift in (0, half, 2 * half)
    )
    bent = sizes * (sizes + 1) / (6 * np.maximum(sizes - 1, 1)) * (low - 2 * middle + high)
    return np.where(sizes > 1, sizes * middle + bent, sizes * middle)


@cache
def _steps_beyond() -> list[tuple[Array, Array]]:
    """Where steps begin after k_0, and how many numbers each holds, STEPS together."""
    begins = [SINGLY]
    for _ in range(MOST_STEPS):
        begins.append(begins[-1] + begins[-1] // GROWTH)
    edges = np.array(begins, np.float64)
    cuts = range(STEPS, MOST_STEPS, STEPS)
    return list(zip(np.split(edges[:-1], cuts), np.split(np.diff(edges), cuts), strict=True))


def _log_probability(k: Array, mean: Array, dispersion: Array) -> Array:
    """ln P(k)."""
    poisson = k * heads.log(mean) - mean
    r = 1 / np.where(dispersion > 0, dispersion, 1)
    of_zero, grown = -r * log1p(mean / r), heads.log(mean / (r + mean))
    spread = lgamma(k + r) - lgamma(r) + of_zero + k * grown
    return np.where(dispersion > 0, spread, poisson) - lgamma(k + 1)
