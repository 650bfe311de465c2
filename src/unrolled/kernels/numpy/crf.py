"""The linear chain over tags, from numpy arrays to numpy arrays, without torch: the bits of crf.py.

    score(y) = start[y_1] + Σ x_t[y_t] + Σ A[y_{t-1}, y_t] + end[y_T]

Shapes   x (B, T, K), scores (A (K, K), start (K,), end (K,)) of its dtype, float32 or float64; lengths (B,)
         int64, T where there are none
Raises   ValueError for shapes and dtypes that do not fit
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.kernels.compiled import cpu as _cpu
from unrolled.kernels.heads import CRF
from unrolled.kernels.numpy.heads import run, whole

Array = NDArray[Any]
Scores = tuple[Array, Array, Array]  # A, start, end


def viterbi(x: Array, scores: Scores, lengths: Array | None = None, threads: int = 1) -> NDArray[np.int64]:
    """(B, T) the path of the largest score, 0 past a row's length; of paths that tie, the one whose last tag
    is lowest, …"""
    path = np.empty(x.shape[:2], np.int64)
    _cpu.viterbi(**_inputs(x, scores, lengths), path=path, threads=threads)
    return path


def marginals(x: Array, scores: Scores, lengths: Array | None = None, threads: int = 1) -> Array:
    """(B, T, K) P(y_t = k), 0 past a row's length; NaN where every path is forbidden."""
    inputs = _inputs(x, scores, lengths)
    tape, p, one = run(CRF, inputs, threads)["tape"], np.empty(x.shape, x.dtype), np.ones(len(x), x.dtype)
    _cpu.crf_backward(**inputs, tape=tape, d_log_z=one, dx=p, threads=threads)
    return p


def forward(x: Array, scores: Scores, threads: int = 1) -> Array:
    """(B, T, K) α_t[k], the logarithm of the sum over all paths that end in k at t, less the largest of
    them."""
    return run(CRF, _inputs(x, scores, None), threads)["tape"][..., : x.shape[2]]


def _inputs(x: Array, scores: Scores, lengths: Array | None) -> dict[str, Any]:
    if lengths is None:
        lengths = np.full(len(x), x.shape[1], np.int64)
    named = zip(("transitions", "start", "end"), map(whole, scores), strict=True)
    return {"x": whole(x), **dict(named), "lengths": lengths}
