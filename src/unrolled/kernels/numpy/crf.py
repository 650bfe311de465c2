"""The linear chain over tags, from numpy arrays to numpy arrays, without torch: the bits of crf.py.

    score(y) = start[y_1] + Σ x_t[y_t] + Σ A[y_{t-1}, y_t] + end[y_T]

Shapes   x (B, T, K), scores (A (K, K), start (K,), end (K,)) of its dtype, float32 or float64
Raises   ValueError for shapes and dtypes that do not fit
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.kernels.compiled import cpu as _cpu
from unrolled.kernels.numpy.heads import _check, _kernel

Array = NDArray[Any]
Scores = tuple[Array, Array, Array]  # A, start, end


def viterbi(x: Array, scores: Scores, threads: int = 1) -> NDArray[np.int64]:
    """(B, T) the path of the largest score; of paths that tie, the one whose last tag is lowest, …"""
    call = _Call(x, scores)
    path = np.empty(x.shape[:2], np.int64)
    _kernel("viterbi", x.dtype)(threads, *call.begin, *call.end, _cpu.address(path))
    return path


def marginals(x: Array, scores: Scores, threads: int = 1) -> Array:
    """(B, T, K) P(y_t = k); NaN where every path is forbidden."""
    call = _Call(x, scores)
    tape, p = _tape(call, threads), np.empty_like(call.x)
    one = np.ones(len(x), x.dtype)
    begin, end = (*call.begin, 0), (_cpu.address(tape), _cpu.address(one), 0, _cpu.address(p), (0, 0, 0))
    _kernel("crf_backward", x.dtype)(threads, *begin, *call.end, *end)
    return p


def forward(x: Array, scores: Scores, threads: int = 1) -> Array:
    """(B, T, K) α_t[k], the logarithm of the sum over all paths that end in k at t, less the largest of
    them."""
    return _tape(_Call(x, scores), threads)[..., : x.shape[2]]


class _Call:
    """The arguments with which every kernel begins, up to the path and behind it; and what these point to."""

    def __init__(self, x: Array, scores: Scores) -> None:
        _check("x", x, x.dtype, (None, None, None))
        B, T, K = x.shape
        for name, score, shape in zip(("A", "start", "end"), scores, ((K, K), (K,), (K,)), strict=True):
            _check(name, score, x.dtype, shape)
        self.x, self.lengths = np.ascontiguousarray(x), np.full(B, T, np.int64)
        self.scores = [np.ascontiguousarray(score) for score in scores]
        places = tuple(_cpu.address(score) for score in self.scores)
        self.begin = (B, T, K), _cpu.address(self.lengths)
        self.end = _cpu.address(self.x), places


def _tape(call: _Call, threads: int) -> Array:
    """(B, T, 2 K) α and r of cpu/crf.h."""
    x = call.x
    log_z, tape = np.empty(len(x), x.dtype), np.empty((*x.shape[:2], 2 * x.shape[2]), x.dtype)
    _kernel("crf", x.dtype)(threads, *call.begin, 0, *call.end, _cpu.address(log_z), 0, _cpu.address(tape))
    return tape
