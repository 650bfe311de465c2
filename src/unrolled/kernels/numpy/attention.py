"""Attention of queries over a memory, from numpy arrays to numpy arrays, without torch: the bits of
attention.py.

Shapes   q (N, S, D), k (B, T, D), v (B, T, H), lengths (B,) integers, u (D,) for additive; rows (N,)
         integers, which row of the memory each reads, None for its own -> c (N, S, H), w (N, S, T)
Raises   ValueError for what does not fit
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.kernels.compiled import cpu as _cpu
from unrolled.kernels.numpy.heads import _check, _kernel

Array = NDArray[Any]


def attention(
    kind: str,
    q: Array,
    k: Array,
    v: Array,
    lengths: Array,
    u: Array | None = None,
    rows: Array | None = None,
    threads: int = 1,
) -> tuple[Array, Array]:
    """c (N, S, H) and w (N, S, T), which is 0 past a row's length."""
    N, S, B, T, D, H = sizes = _sizes(q, k, v)
    if (kind == "additive") != (u is not None):
        raise ValueError(f"attention '{kind}' {'without' if u is None else 'with'} u")
    if u is not None:
        _check("u", u, q.dtype, (D,))
        u = np.ascontiguousarray(u)
    lengths = _integers("lengths", lengths, B)
    if rows is not None:
        rows = _integers("rows", rows, N)
    elif N != B:
        raise ValueError(f"q has {N} rows and the memory {B}; wanted as many, or rows (N,) that say which")
    q, k, v = (np.ascontiguousarray(x) for x in (q, k, v))
    c, w = np.empty((N, S, H), q.dtype), np.empty((N, S, T), q.dtype)
    index, at = (0 if x is None else _cpu.address(x) for x in (rows, u))
    given = tuple((_cpu.address(x), x.shape[2], x.shape[1] * x.shape[2]) for x in (q, k, v))
    places = index, _cpu.address(lengths), given, at, _cpu.address(c), _cpu.address(w)
    _kernel("attention", q.dtype)(threads, kind, sizes, *places)
    return c, w


def _sizes(q: Array, k: Array, v: Array) -> tuple[int, ...]:
    """N, S, B, T, D, H."""
    _check("q", q, q.dtype, (None, None, None))
    _check("k", k, q.dtype, (None, None, q.shape[2]))
    _check("v", v, q.dtype, (*k.shape[:2], None))
    return *q.shape[:2], *k.shape[:2], q.shape[2], v.shape[2]


def _integers(name: str, given: Array, count: int) -> Array:
    if given.shape != (count,) or not np.issubdtype(given.dtype, np.integer):
        raise ValueError(f"{name} is {given.shape} of {given.dtype}; wanted ({count},) of integers")
    return np.ascontiguousarray(given, np.int64)
