"""The power spectrum of frames of real numbers, from +, - and × in one order for each frame: the same bits on
every processor and in any company. For K, a power of 2, and s(n) = 0 from W on,

    P(k) = |X(k)|²      X(k) = Σ_n s(n) w^(n k)      w = exp(-2πi / K)      k = 0 … K / 2

Even and odd samples are one complex transform of N = K / 2 points,

    z(n) = s(2n) + i s(2n + 1)              Z its transform, Z(N) = Z(0), Z̄ the conjugate
    X(k) = (Z(k) + Z̄(N - k)) / 2 - i w^k (Z(k) - Z̄(N - k)) / 2

which halves its points at each of log₂ N stages, in order without a reversal of bits. With m points still to
transform in each of N / m parts q, and w_m = exp(-2πi / m),

    z'(p, 0, q) = z(p, q) + z(p + m/2, q)               p < m/2
    z'(p, 1, q) = (z(p, q) - z(p + m/2, q)) w_m^p

Shapes   s (B, W) -> P (K / 2 + 1, B); inside, z (2, N, B) holds real and imaginary parts
Source   Stockham 1966; Cochran et al. 1967, doi:10.1109/PROC.1967.5957
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from unrolled.kernels.numpy.functions import waves

Array = NDArray[np.float64]


def power_spectrum(s: Array, K: int) -> Array:
    """K ≥ W and K ≥ 4."""
    (B, W), N = s.shape, K // 2
    z = np.zeros((2, N, B))
    z[0, : (W + 1) // 2], z[1, : W // 2] = s[:, ::2].T, s[:, 1::2].T
    m = N
    while m > 1:
        z, m = _halved(z.reshape(2, m, N // m, B)).reshape(2, N, B), m // 2
    ahead = np.concatenate([z, z[:, :1]], 1)
    behind = ahead[:, ::-1]
    (c, d), (even, odd) = _turns(K, N + 1), (ahead + behind, ahead - behind)
    # Of Z(k) + Z̄(N - k) the parts are even[0] and odd[1], of -i (Z(k) - Z̄(N - k)) even[1] and -odd[0].
    real = even[0] + (c * even[1] + d * odd[0])
    imaginary = odd[1] + (d * even[1] - c * odd[0])
    return np.asarray((real * real + imaginary * imaginary) / 4)


def _halved(z: Array) -> Array:
    """z (2, m, Q, B) -> z' (2, m / 2, 2, Q, B)."""
    _, m, Q, B = z.shape
    first, second = z[:, : m // 2], z[:, m // 2 :]
    halved = np.empty((2, m // 2, 2, Q, B))
    np.add(first, second, out=halved[:, :, 0])
    real, imaginary = first - second
    c, d = (turn[..., None] for turn in _turns(m, m // 2))
    np.subtract(c * real, d * imaginary, out=halved[0, :, 1])
    np.add(c * imaginary, d * real, out=halved[1, :, 1])
    return halved


@cache
def _turns(m: int, count: int) -> tuple[Array, Array]:
    """(count, 1) the real and the imaginary parts of exp(-2πi p / m), p = 0, 1, …"""
    sine, cosine = waves(np.arange(count)[:, None] / m)
    return cosine, -sine
