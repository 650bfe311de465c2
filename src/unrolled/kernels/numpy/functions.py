"""Functions of float64 numbers from +, -, ×, ÷, √ and the kernels' exp and log, without torch. Each number
goes through one order of operations: it has the same bits on every processor and in any company, which the
functions of numpy, torch and the C library do not promise.

    log1p             ln(1 + x)                  x > -1; what 1 + x rounds away is given back in proportion
    sinh, asinh                                  asinh of w ≥ 0
    power             x^k = x^⌊k⌋ e^((k-⌊k⌋) ln x)    x > 0, a number k ≥ 0
    lgamma            ln Γ(x)                    x > 0; Stirling's series from 8 on; below it by
                                                 Γ(x) = Γ(x + 8) / (x … (x + 7))
    waves             sin 2πp, cos 2πp           p in [0, 1); Taylor series from the nearest quarter of a turn
    normal_quantile   Φ⁻¹(p)                     0 < p < 1; with q = p - ½ and r = √-ln min(p, 1 - p),
                                                 q f(0.425² - q²) where |q| ≤ 0.425, else f(r - 1.6) where
                                                 r ≤ 5, else f(r - 5), of the sign of q; f rational functions

Source   Wichura 1988, doi:10.2307/2347330, algorithm AS 241, for normal_quantile
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.kernels.numpy import heads

Array = NDArray[np.float64]

# Below, e^u - e^-u would cancel, and the series up to u⁹ is exact to the last bit.
SMALL = 0.1
# Of the waves' series, of sine and cosine side by side: x² is divided by n (n+1) and (n-1) n from the last
# power on, x¹⁸ of the cosine, (π/4)¹⁸ / 18! < 2⁻⁵⁸, and x¹⁷ of the sine.
_DIVISORS = [np.array([n * (n + 1) if n < 18 else np.inf, (n - 1) * n]) for n in range(18, 1, -2)]

# Stirling's series: ln Γ(x) = (x - ½) ln x - x + ½ ln 2π + Σ c_n / x^(2n-1), and from where on 1/x¹³ is
# nothing.
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)
_HALF_LOG_TWO_PI, _FAR_ENOUGH = 0.9189385332046727, 8

# Coefficients of f above and below the line, the highest power first: in the middle, in the tails, far out.
_MIDDLE = (
    (2509.0809287301227, 5226.495278852854),
    (33430.57558358813, 28729.085735721943),
    (67265.7709270087, 39307.89580009271),
    (45921.95393154987, 21213.794301586597),
    (13731.69376550946, 5394.196021424751),
    (1971.5909503065513, 687.1870074920579),
    (133.14166789178438, 42.31333070160091),
    (3.3871328727963665, 1.0),
)
_TAIL = (
    (0.0007745450142783414, 1.0507500716444169e-09),
    (0.022723844989269184, 0.0005475938084995345),
    (0.2417807251774506, 0.015198666563616457),
    (1.2704582524523684, 0.14810397642748008),
    (3.6478483247632045, 0.6897673349851),
    (5.769497221460691, 1.6763848301838038),
    (4.630337846156546, 2.053191626637759),
    (1.4234371107496835, 1.0),
)
_FAR = (
    (2.0103343992922881e-07, 2.0442631033899397e-15),
    (2.7115555687434876e-05, 1.421511758316446e-07),
    (0.0012426609473880784, 1.8463183175100548e-05),
    (0.026532189526576124, 0.0007868691311456133),
    (0.29656057182850487, 0.014875361290850615),
    (1.7848265399172913, 0.1369298809227358),
    (5.463784911164114, 0.599832206555888),
    (6.657904643501103, 1.0),
)


def log1p(x: Array) -> Array:
    y = 1 + x
    rest = y - 1
    return np.where(rest != 0, heads.log(y) * (x / np.where(rest != 0, rest, 1.0)), x)


def sinh(u: Array) -> Array:
    grown, square = heads.exp(u), u * u
    series = u * (1 + square / 6 * (1 + square / 20 * (1 + square / 42 * (1 + square / 72))))
    return np.where(np.abs(u) < SMALL, series, (grown - 1 / grown) / 2)


def asinh(w: Array) -> Array:
    return log1p(w + w * w / (1 + np.sqrt(1 + w * w)))


def power(x: Any, k: float) -> Array:
    base = np.asarray(x, np.float64)
    n = int(k)
    y = np.ones_like(base) if k == n else heads.exp((k - n) * heads.log(base))
    for _ in range(n):
        y = y * base
    return y


def lgamma(x: Any) -> Array:
    x = np.asarray(x, np.float64)
    near, rising = x < _FAR_ENOUGH, np.ones_like(x)
    for n in range(_FAR_ENOUGH):
        rising = rising * (x + n)
    y = np.where(near, x + _FAR_ENOUGH, x)
    square, series = 1 / (y * y), np.zeros_like(y)
    for c in reversed(_STIRLING):
        series = series * square + c
    whole = (y - 0.5) * heads.log(y) - y + _HALF_LOG_TWO_PI + series / y
    return np.asarray(np.where(near, whole - heads.log(np.where(near, rising, 1.0)), whole))


def waves(p: Array) -> tuple[Array, Array]:
    quarter = np.rint(4 * p)
    x = 2 * np.pi * (p - quarter / 4)
    square, series = (x * x)[..., None], np.ones(2)
    for divisor in _DIVISORS:  # 1 - x²/((n-1) n) (1 - x²/((n+1) (n+2)) (1 - …))
        series = 1 - square / divisor * series
    sine, cosine = x * series[..., 0], series[..., 1]
    turn = quarter.astype(np.int64) % 4
    odd, back = turn % 2 == 1, turn >= 2
    sine, cosine = np.where(odd, cosine, sine), np.where(odd, -sine, cosine)
    return np.where(back, -sine, sine), np.where(back, -cosine, cosine)


def normal_quantile(p: Array) -> Array:
    p = np.asarray(p, np.float64)
    q = p - 0.5
    r = np.sqrt(-heads.log(np.where(q <= 0, p, 1 - p)))
    outside = np.where(r <= 5, _ratio(_TAIL, r - 1.6), _ratio(_FAR, r - 5))
    middle = q * _ratio(_MIDDLE, 0.180625 - q * q)
    return np.where(np.abs(q) <= 0.425, middle, np.where(q < 0, -outside, outside))


def _ratio(f: tuple[tuple[float, float], ...], x: Array) -> Array:
    """f(x)."""
    above, below = np.zeros_like(x), np.zeros_like(x)
    for a, b in f:
        above, below = above * x + a, below * x + b
    return above / below
