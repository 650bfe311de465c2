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
from unrolled.kernels.numpy.heads import integers, whole

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
    c = np.empty((*q.shape[:-1], v.shape[-1]), q.dtype)
    w = np.empty((*q.shape[:-1], k.shape[-2]), q.dtype)
    index = None if rows is None else integers("rows", rows)
    vector = None if u is None else whole(u)
    given = whole(q), whole(k), whole(v), integers("lengths", lengths)
    _cpu.attention(kind, *given, vector, index, c, w, threads=threads)
    return c, w
