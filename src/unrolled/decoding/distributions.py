"""What a forecast says, from the raw numbers of a head (blocks/outputs.py): quantiles, and how likely a
number is; see tasks/outputs.py.

All in float64 by kernels/numpy/functions.py, in one order for each number: the same bits on every processor
and in any company. Student's t with ν > 1 has, with t = √ν sinh u,

    F(t) = 1/2 + I(U) / 2 I(∞),   I(U) = ∫_0^U cosh(u)^-ν du,   U = asinh(t / √ν)

whose integrand is smooth for every ν, taken by Gauss–Legendre with NODES points up to U; for I(∞) up to where
it falls below e^-NEGLIGIBLE. The quantile is the root U by Newton's method from the normal quantile: F is
concave for U > 0 and the normal quantile lies below the root, so the steps rise to it monotonically. Its
density needs no Γ: f(t) = (1 + t²/ν)^(-(ν+1)/2) / (2 √ν I(∞)).

Draws are made of uniform numbers u, v in [0, 1):

    gaussian    μ + σ Φ⁻¹(u)
    studentt    μ + σ √(ν (u^(-2/ν) - 1)) cos 2πv        exact for every ν (Bailey 1994)
    all others  the quantile of level u

Shapes   raw (..., R) -> point (...), quantiles (..., L); u (..., 2) -> drawn (...);
         y (...) -> log density (...)
"""

from abc import ABC, abstractmethod
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.blocks.outputs import Output
from unrolled.decoding.counts import count_quantile
from unrolled.files.messages import option
from unrolled.kernels.numpy import heads
from unrolled.kernels.numpy.functions import asinh, log1p, normal_quantile, sinh, waves

Array = NDArray[Any]

FLOOR = 1e-3
NODES = 48
NEGLIGIBLE = 40
NEWTON_STEPS = 60
TOGETHER = 4096  # numbers whose nodes are in memory at once
# Dispersions of counts stay above: 1/α is finite.
LEAST_DISPERSION = 1e-6
# Quantiles of smaller means are those of e^LEAST_LOG_MEAN.
LEAST_LOG_MEAN = -600
# A step of so small a share of the root is rounding.
CONVERGED = 1e-14
# Beyond, Student's t is the normal distribution but for its last bits.
MOST_DEGREES = 1e12
# Uniform numbers are kept so far from 0 and 1, where quantiles are infinite.
NEAREST = 1e-12
# Log odds of a forecast probability stay within ±MOST_ODDS: in float32 it is neither 0 nor 1.
MOST_ODDS = 15
LOG_ROOT_2PI = 0.9189385332046727  # ln √2π


class Distribution(ABC):
    """One row of DISTRIBUTIONS."""

    def __init__(self, output: Output) -> None:
        self.output, self.levels = output, output.levels

    def point(self, raw: Array) -> Array:
        """The forecast in one number, of the type of raw."""
        return np.asarray(self.output.point(raw))

    def lift(self, raw: Array) -> Any:
        """By how much the point is above the number at `location`."""
        return 0

    @abstractmethod
    def quantiles(self, raw: Array, levels: Array) -> Array:
        """The quantiles of `levels` (L,), or of others for each, (..., L)."""

    def drawn(self, raw: Array, u: Array) -> Array:
        """One draw of each, of uniform numbers (..., 2)."""
        return self.quantiles(raw, np.clip(u[..., :1], NEAREST, 1 - NEAREST))[..., 0]

    def log_density(self, raw: Array, y: Array) -> Array:
        """ln p of the numbers y."""
        raise ValueError(
            f"an output of kind '{self.output.kind}' has no density; wanted gaussian or studentt"
        )


class Framed(Distribution):
    """Another one, `inner`, in the units of a frame: (…, R + 2), the last two its mean and spread."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self.inner = distribution(replace(output, framed=False))

    def point(self, raw: Array) -> Array:
        lift = self.inner.lift(raw[..., :-2]) * raw[..., -1] ** 2
        return np.asarray(self.output.point(raw) + lift, raw.dtype)

    def quantiles(self, raw: Array, levels: Array) -> Array:
        mean, spread = _wide(raw[..., -2, None]), _wide(raw[..., -1, None])
        quantiles: Array = mean + spread * self.inner.quantiles(raw[..., :-2], levels)
        return quantiles

    def drawn(self, raw: Array, u: Array) -> Array:
        values: Array = self.output.unframed(_wide(raw), self.inner.drawn(raw[..., :-2], u))
        return values

    def log_density(self, raw: Array, y: Array) -> Array:
        mean, spread = _wide(raw[..., -2]), _wide(raw[..., -1])
        return np.asarray(self.inner.log_density(raw[..., :-2], (y - mean) / spread) - heads.log(spread))


class Point(Distribution):
    """No distribution."""

    def quantiles(self, raw: Array, levels: Array) -> Array:
        raise ValueError(
            "a point forecast has no distribution, so no quantiles and no draws; train with "
            f"{option('output', 'gaussian')}"
        )


class Gaussian(Distribution):
    """μ and σ."""

    def quantiles(self, raw: Array, levels: Array) -> Array:
        return _moved_and_scaled(raw, normal_quantile(levels))

    def log_density(self, raw: Array, y: Array) -> Array:
        u, scale = _standard(raw, y)
        return -(u * u) / 2 - heads.log(scale) - LOG_ROOT_2PI


class LogNormal(Gaussian):
    """What is told are logarithms in units of `scale`. The point stands for the mean of what they are of:
    ln E e^(sy) / s = μ + s σ² / 2."""

    def point(self, raw: Array) -> Array:
        return np.asarray(_wide(raw[..., 0]) + self.lift(raw), raw.dtype)

    def lift(self, raw: Array) -> Any:
        deviation = FLOOR + softplus(_wide(raw[..., 1]))
        return np.array(self.output.scale or 0.0) * deviation * deviation / 2


class StudentT(Distribution):
    """μ, σ and ν."""

    def quantiles(self, raw: Array, levels: Array) -> Array:
        return _moved_and_scaled(raw, student_quantile(levels, self._degrees(raw)))

    def drawn(self, raw: Array, u: Array) -> Array:
        df, level = self._degrees(raw), np.clip(u[..., :1], NEAREST, 1 - NEAREST)
        half = -heads.log(level) / df
        grown = 2 * sinh(half) * heads.exp(half)  # e^2x - 1 = 2 sinh x e^x
        return _moved_and_scaled(raw, np.sqrt(df * grown) * waves(u[..., 1:])[1])[..., 0]

    def log_density(self, raw: Array, y: Array) -> Array:
        t, scale = _standard(raw, y)
        df = np.minimum(self._degrees(raw)[..., 0], MOST_DEGREES)
        return -(df + 1) / 2 * log1p(t * t / df) - heads.log(2 * np.sqrt(df) * _whole_integral(df) * scale)

    def _degrees(self, raw: Array) -> Array:
        """(..., 1)."""
        return 2 + FLOOR + softplus(_wide(raw[..., 2:3]))


class Quantiles(Distribution):
    """The median, and steps from it."""

    def quantiles(self, raw: Array, levels: Array) -> Array:
        known, at = self._trained(raw), np.array(self.levels)
        p = np.broadcast_to(np.asarray(levels, np.float64), (*raw.shape[:-1], np.shape(levels)[-1]))
        cell = np.clip(np.searchsorted(at, p), 1, len(at) - 1)
        low, high = (np.take_along_axis(known, side, -1) for side in (cell - 1, cell))
        gap, first, last = at[cell] - at[cell - 1], at[0], at[-1]
        slope, share = (high - low) / gap, (p - at[cell - 1]) / gap
        below = low + slope * first * heads.log(p / first)
        above = high - slope * (1 - last) * heads.log((1 - p) / (1 - last))
        inside = (1 - share) * low + share * high
        return np.asarray(np.where(p < first, below, np.where(p > last, above, inside)))

    def _trained(self, raw: Array) -> Array:
        """(..., L) the quantiles of the levels themselves."""
        quantiles, m = _wide(raw).copy(), self.output.location
        step = softplus(quantiles)
        for i in range(m + 1, self.output.size):
            quantiles[..., i] = quantiles[..., i - 1] + step[..., i]
        for i in range(m - 1, -1, -1):
            quantiles[..., i] = quantiles[..., i + 1] - step[..., i]
        return quantiles


class Calibrated(Quantiles):
    """Another one, `inner`, whose quantiles are moved by so many of their widths, of a point by as much as is
    said. None is nearer to the one before than FLOOR: of an interval without a width none could be made wider
    by its errors."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self.inner = distribution(replace(output, calibrated=False))

    def point(self, raw: Array) -> Array:
        return self.inner.point(raw)

    def lift(self, raw: Array) -> Any:
        return self.inner.lift(raw)

    def _trained(self, raw: Array) -> Array:
        R = self.output.size
        quantiles, width = _wide(raw[..., :1]), np.ones((*raw.shape[:-1], 1))
        if self.output.kind != "point":
            quantiles = self.inner.quantiles(raw[..., :R], np.array(self.levels))
            width = quantiles[..., -1:] - quantiles[..., :1]
        quantiles, least = quantiles + width * _wide(raw[..., R:]), FLOOR * width[..., 0]
        m, L = self.levels.index(0.5), len(self.levels)
        for i in range(m + 1, L):
            quantiles[..., i] = np.maximum(quantiles[..., i], quantiles[..., i - 1] + least)
        for i in range(m - 1, -1, -1):
            quantiles[..., i] = np.minimum(quantiles[..., i], quantiles[..., i + 1] - least)
        return np.asarray(quantiles)


class Bernoulli(Distribution):
    """The point is the probability of a 1."""

    def point(self, raw: Array) -> Array:
        odds = np.clip(_wide(raw[..., 0]), -MOST_ODDS, MOST_ODDS)
        return np.asarray(1 / (1 + heads.exp(-odds)), raw.dtype)

    def quantiles(self, raw: Array, levels: Array) -> Array:
        none = 1 / (1 + heads.exp(_wide(raw[..., :1])))
        return np.where(np.isnan(none), none, np.asarray(levels, np.float64) > none)


class Counts(Distribution):
    """The point is the mean. Whole numbers divided by the scale, which is a power of two: they stay exact."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self.scale = np.array(output.scale or 1.0)

    def point(self, raw: Array) -> Array:
        return np.asarray(heads.exp(_wide(raw[..., 0])), raw.dtype)

    def quantiles(self, raw: Array, levels: Array) -> Array:
        mean = self.scale * heads.exp(np.maximum(_wide(raw[..., 0]), LEAST_LOG_MEAN))
        counts = count_quantile(np.asarray(levels, np.float64), mean[..., None], self._dispersion(raw))
        return np.asarray(counts / self.scale[..., None])

    def _dispersion(self, raw: Array) -> Array:
        """α (..., 1), 0 where there is none."""
        return np.zeros(1)


class NegBinomial(Counts):
    """With a dispersion."""

    def _dispersion(self, raw: Array) -> Array:
        return LEAST_DISPERSION + softplus(_wide(raw[..., 1:2]))


DISTRIBUTIONS: dict[str, type[Distribution]] = {
    "point": Point,
    "gaussian": Gaussian,
    "studentt": StudentT,
    "quantiles": Quantiles,
    "lognormal": LogNormal,
    "bernoulli": Bernoulli,
    "poisson": Counts,
    "negbinomial": NegBinomial,
}


def distribution(output: Output) -> Distribution:
    if output.framed:
        return Framed(output)
    return Calibrated(output) if output.calibrated else DISTRIBUTIONS[output.kind](output)


def softplus(a: Array) -> Array:
    """ln(1 + e^a)."""
    return heads.logaddexp(a, np.zeros((), a.dtype))


def student_quantile(p: Array, df: Array) -> Array:
    """F⁻¹(p), 0 < p < 1; p and ν > 1 of shapes that broadcast."""
    upper = np.maximum(p, 1 - np.asarray(p, np.float64))
    start = normal_quantile(upper)
    shape = np.broadcast_shapes(upper.shape, np.shape(df))
    level, begin, degrees = (np.broadcast_to(one, shape).ravel() for one in (upper, start, df))
    pieces = [slice(at, at + TOGETHER) for at in range(0, len(level), TOGETHER)]
    t = [_above(level[part], begin[part], np.minimum(degrees[part], MOST_DEGREES)) for part in pieces]
    above = np.concatenate([np.empty(0), *t]).reshape(shape)
    return np.where(np.asarray(p) < 0.5, -above, above)


def _above(p: Array, begin: Array, df: Array) -> Array:
    """F⁻¹(p) for p ≥ 1/2 (N,); begin (N,) is the normal quantile."""
    root_df = np.sqrt(df)
    wanted = (2 * p - 1) * _integral(_end(df), df)
    U = asinh(begin / root_df)
    going = np.flatnonzero(np.isfinite(U))
    for _ in range(NEWTON_STEPS):
        u, nu = U[going], df[going]
        step = (wanted[going] - _integral(u, nu)) / _density(u, nu)
        rises = step > CONVERGED * u  # each number stops by itself, whatever the others do
        U[going] = np.where(rises, u + step, u)
        going = going[rises]
        if not len(going):
            break
    return root_df * sinh(U)


def _integral(U: Array, df: Array) -> Array:
    """∫_0^U cosh(u)^-ν du; U and ν (N,)."""
    points, weights = _gauss_legendre(NODES)
    terms = weights * _density(points * U, df)
    total: Array = np.cumsum(terms, 0)[-1] * U  # a sum would choose its order by N
    return total


def _whole_integral(df: Array) -> Array:
    """I(∞) of each ν (...)."""
    flat = df.ravel()
    parts = [flat[at : at + TOGETHER] for at in range(0, len(flat), TOGETHER)]
    return np.concatenate([np.empty(0), *(_integral(_end(part), part) for part in parts)]).reshape(df.shape)


def _density(u: Array, df: Array) -> Array:
    """cosh(u)^-ν = (1 + sinh²u)^(-ν/2)."""
    w = sinh(u)
    return heads.exp(-df / 2 * log1p(w * w))


def _end(df: Array) -> Array:
    """Where ν ln cosh u is NEGLIGIBLE."""
    cosh = heads.exp(NEGLIGIBLE / df)
    return heads.log(cosh + np.sqrt(cosh * cosh - 1))


@cache
def _gauss_legendre(n: int) -> tuple[Array, Array]:
    """(n, 1) points in (0, 1) and their weights: (1 + x) / 2 of the roots x of the Legendre polynomial P_n,
    by Newton's method, and 1 / ((1 - x²) P_n'(x)²)."""
    points, weights = [], []
    for x in waves((np.arange(n) + 0.75) / (2 * n + 1))[1].tolist():
        for _ in range(9):
            below, p = 1.0, x
            for degree in range(2, n + 1):
                below, p = p, ((2 * degree - 1) * x * p - (degree - 1) * below) / degree
            slope = n * (x * p - below) / (x * x - 1)
            x -= p / slope
        points.append((1 + x) / 2)
        weights.append(1 / ((1 - x * x) * slope * slope))
    return np.array(points)[:, None], np.array(weights)[:, None]


def _wide(raw: Array) -> Array:
    return np.asarray(raw, np.float64)


def _scale(raw: Array) -> Array:
    return np.asarray(FLOOR + softplus(_wide(raw[..., 1])))


def _standard(raw: Array, y: Array) -> tuple[Array, Array]:
    """(y - μ) / σ and σ."""
    scale = _scale(raw)
    return (y - _wide(raw[..., 0])) / scale, scale


def _moved_and_scaled(raw: Array, standard: Array) -> Array:
    scale = _scale(raw)
    return np.asarray(_wide(raw[..., :1]) + scale[..., None] * standard)
