"""What a mean over origins tells, and what is noise. Of the origins n at the steps o_n of their series, s_n
is a sum of k_n scores, and their mean is m = Σ s / Σ k:

    e_n      = s_n - m k_n
    Var m    = C / (C - 1) Σ_{n, l of one series} w(o_n - o_l) e_n e_l / (Σ k)²
    w(δ)     = max(0, 1 - |δ| / b)      b = 2 H + 8, H the horizon
    margin   = t √Var m                 t the 97.5 % quantile of Student's distribution, C - 1 degrees
    C        = Σ min(N, 1 + 1.5 d / b)  over the series, of N origins, the last d steps behind the first

Forecasts of origins less than H apart have outcomes in common, and errors that come later are like those
before: w counts both. C stands for the number of observations that do not depend on each other; below 2
nothing can be told, and the margin is infinite. Series are taken not to depend on each other.

Source   Diebold and Mariano 1995, with the kernel of Bartlett
"""

import math

import numpy as np
from numpy.typing import NDArray

from unrolled.decoding.distributions import student_quantile

Array = NDArray[np.float64]
Steps = NDArray[np.int64]


def margin(sums: Array, counts: Array, series: Steps, origins: Steps, horizon: int) -> float:
    """sums (N,), counts (N,); series (N,), origins (N,) rising within each series. Origins without a score do
    not count."""
    known, reach = counts > 0, 2 * horizon + 8
    if not known.any():
        return math.inf
    sums, counts, series, origins = sums[known], counts[known], series[known], origins[known]
    begins = np.flatnonzero(np.diff(series, prepend=-1))
    ends = np.append(begins[1:], len(series))
    distance = origins[ends - 1] - origins[begins]
    independent = float(np.minimum(ends - begins, 1 + 1.5 * distance / reach).sum())
    if independent < 2:
        return math.inf
    e = sums - counts * (sums.sum() / counts.sum())
    variance = float(e @ e)
    for lag in range(1, len(e)):
        distance = origins[lag:] - origins[:-lag]
        weight = np.where(series[lag:] == series[:-lag], np.maximum(0, 1 - distance / reach), 0)
        if not weight.any():
            break
        variance += 2 * float(weight @ (e[lag:] * e[:-lag]))
    variance *= independent / (independent - 1) / counts.sum() ** 2
    t = student_quantile(np.array([0.975]), np.array([independent - 1]))[0]
    return float(t) * math.sqrt(max(variance, 0.0))
