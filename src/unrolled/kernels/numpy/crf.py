"""The linear chain over tags, from numpy arrays to numpy arrays, without torch: the bits of crf.py.

    score(y) = start[y_1] + Σ x_t[y_t] + Σ A[y_{t-1}, y_t] + end[y_T]

Shapes   x (B, T, K), scores (A (K, K), start (K,), end (K,)) of its dtype, float32 or float64
Raises   ValueError for shapes and dtypes that do not fit
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.kernels.compiled import cpu as _cpu
from unrolled.kernels.numpy.heads import whole

Array = NDArray[Any]
Scores = tuple[Array, Array, Array]  # A, start, end


def viterbi(x: Array, scores: Scores, threads: int = 1) -> NDArray[np.int64]:
    """(B, T) the path of the largest score; of paths that tie, the one whose last tag is lowest, …"""
    path = np.empty(x.shape[:2], np.int64)
    _cpu.viterbi(*_call(x, scores), path, threads=threads)
    return path


def marginals(x: Array, scores: Scores, threads: int = 1) -> Array:
    """(B, T, K) P(y_t = k); NaN where every path is forbidden."""
    tape, p, one = _tape(x, scores, threads), np.empty(x.shape, x.dtype), np.ones(len(x), x.dtype)
    _cpu.crf_backward(*_call(x, scores), None, tape, one, None, p, None, None, None, threads=threads)
    return p


def forward(x: Array, scores: Scores, threads: int = 1) -> Array:
    """(B, T, K) α_t[k], the logarithm of the sum over all paths that end in k at t, less the largest of
    them."""
    return _tape(x, scores, threads)[..., : x.shape[2]]


def _call(x: Array, scores: Scores) -> tuple[Array, Array, Array, Array, Array]:
    """x, A, start, end, lengths."""
    transitions, start, end = map(whole, scores)
    return whole(x), transitions, start, end, np.full(len(x), x.shape[1], np.int64)


def _tape(x: Array, scores: Scores, threads: int) -> Array:
    """(B, T, 2 K) α and r of cpu/crf.h."""
    B, T, K = x.shape
    log_z, tape = np.empty(B, x.dtype), np.empty((B, T, 2 * K), x.dtype)
    _cpu.crf(*_call(x, scores), None, log_z, None, tape, threads=threads)
    return tape
