"""Scores z (T, F) of one sequence by its own mean and deviation, where each feature is known:

    of a whole one     (z_t - m) / max(s, LEAST_SPREAD)      m, s: over all its steps
    running            m_t = m_{t-1} + (z_t - m_{t-1}) / n_t        n_t = min(n_{t-1} + 1, MEMORY)
                       v_t = v_{t-1} + ((z_t - m_{t-1}) (z_t - m_t) - v_{t-1}) / n_t
                       (z_t - m_t) / max(√v_t, LEAST_SPREAD)

The running ones begin with m = 0 and v = 1, those of training, which count as n = BEGUN steps.

Rule     what step t is scaled by follows from step t - 1 in one order: the same bits whole, in chunks, beside
         other sequences
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
State = dict[str, NDArray[Any]]

# Deviation of a sequence, in units of that of training, below which it is no smaller: what hardly varies is
# not blown up.
LEAST_SPREAD = 1e-3
BEGUN, MEMORY = 30.0, 500.0
MEAN, VARIANCE, COUNT = "inputs.mean", "inputs.variance", "inputs.count"


def of_whole(z: Array) -> Array:
    """z (T, F) -> (T, F)."""
    known = ~np.isnan(z)
    count = np.maximum(known.sum(0), 1)
    with np.errstate(over="ignore", invalid="ignore"):
        away = z - np.where(known, z, 0).sum(0) / count
        deviation = np.sqrt(np.where(known, away**2, 0).sum(0) / count)
        return np.asarray(away / np.maximum(deviation, LEAST_SPREAD))


def start(*shape: int) -> State:
    """Before the first step, of features (…, F)."""
    return {MEAN: np.zeros(shape), VARIANCE: np.ones(shape), COUNT: np.full(shape, BEGUN)}


def running(z: Array, state: Mapping[str, NDArray[Any]]) -> tuple[Array, State]:
    """z (T, …, F) of the next T steps, and the state before them -> the same scaled, and the state after."""
    m, v, n = (state[name] for name in (MEAN, VARIANCE, COUNT))
    scaled = np.empty_like(z)
    for t, z_t in enumerate(z):
        known = ~np.isnan(z_t)
        n = np.where(known, np.minimum(n + 1, MEMORY), n)
        away = np.where(known, z_t - m, 0.0)
        m = m + away / n
        v = np.where(known, v + (away * (z_t - m) - v) / n, v)
        scaled[t] = (z_t - m) / np.maximum(np.sqrt(v), LEAST_SPREAD)
    return scaled, {MEAN: m, VARIANCE: v, COUNT: n}
