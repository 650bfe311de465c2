"""What heads need, from numpy arrays to numpy arrays, without torch: the bits of unrolled.nn's own layers.

    linear       y = x Wᵀ + b          b, then chains of fused multiply-adds over 128 columns each
    softmax      y = exp(x - m) / Σ    m the largest of a row, sums along rows in one fixed order
    log_softmax  y = x - m - log Σ
    logsumexp    y = m + log Σ             -∞ of nothing but -∞
    layer_norm   y = (x - μ) / √(σ² + ε) ⊙ gain + shift
    embedding    y = table[index]
    exp, log, tanh   of each number
    logaddexp    y = ln(e^a + e^b), of each pair of numbers
    pooling      p_t, of the steps y_1 … y_t: mean, max, attention        cpu/pooling.h

Shapes   x (..., I) -> y (..., O) for W (O, I), b (O,); else y has the shape of x; index (...) -> y (..., N);
         y (T, B, H) -> p (T, B, H)
Raises   ValueError for shapes and dtypes (float32 or float64, all alike) that do not fit, IndexError for an
         index outside the table, RunError where the compiled kernels are missing (but `linear`,
         logsumexp, exp, log, tanh and logaddexp: numpy's own)
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.kernels import dispatch
from unrolled.kernels.compiled import cpu as _cpu

Array = NDArray[Any]


class Linear:
    """y = x Wᵀ + b, W (O, I) packed once: changes to `weight` after that are not seen."""

    def __init__(self, weight: Array, bias: Array | None = None) -> None:
        self.out_features, self.in_features, self.dtype = len(weight), weight.shape[-1], weight.dtype
        self.weight, self.bias = whole(weight), None if bias is None else np.array(bias)
        self._packed = _cpu.LinearWeight()
        self._packed.frozen = True
        self(np.empty((0, self.in_features), self.dtype))  # what does not fit is refused here

    def __call__(self, x: Array, threads: int = 1) -> Array:
        """x (..., I) -> y (..., O)."""
        y = np.empty((*x.shape[:-1], self.out_features), self.dtype)
        self._packed.forward(whole(x), self.weight, self.bias, y, threads=threads)
        return y


def linear(x: Array, weight: Array, bias: Array | None = None, threads: int = 1) -> Array:
    """x (..., I), W (O, I), b (O,) -> y (..., O). `Linear` packs a weight that is used again only once."""
    if dispatch.MISSING is not None:
        return np.asarray(x @ weight.T + (0 if bias is None else bias))
    y = np.empty((*x.shape[:-1], len(weight)), weight.dtype)
    _cpu.linear(whole(x), whole(weight), None if bias is None else whole(bias), y, threads=threads)
    return y


def softmax(x: Array, threads: int = 1) -> Array:
    """Along the last dimension."""
    y = np.empty(x.shape, x.dtype)
    _cpu.softmax(whole(x), y, threads=threads)
    return y


def log_softmax(x: Array, threads: int = 1) -> Array:
    """Along the last dimension."""
    y = np.empty(x.shape, x.dtype)
    _cpu.log_softmax(whole(x), y, threads=threads)
    return y


def logsumexp(x: Array, threads: int = 1) -> Array:
    """x (..., N) -> (...); -∞ behind the other numbers of a row changes no bit."""
    if dispatch.MISSING is not None:
        return np.asarray(np.logaddexp.reduce(x, axis=-1))
    y = np.empty(x.shape[:-1], x.dtype)
    _cpu.logsumexp(whole(x), y[..., None], threads=threads)
    return y


def layer_norm(
    x: Array, gain: Array | None = None, shift: Array | None = None, eps: float = 1e-5, threads: int = 1
) -> Array:
    """Along the last dimension, of N numbers; gain and shift (N,)."""
    y = np.empty(x.shape, x.dtype)
    own_gain, own_shift = (None if p is None else whole(p) for p in (gain, shift))
    _cpu.layer_norm(whole(x), own_gain, own_shift, y, epsilon=eps, threads=threads)
    return y


def embedding(index: Array, table: Array, threads: int = 1) -> Array:
    """index (...) of integers, table (V, N) -> y (..., N)."""
    y = np.empty((*index.shape, table.shape[-1]), table.dtype)
    _cpu.embedding(integers("index", index), whole(table), y, threads=threads)
    return y


def exp(x: Array) -> Array:
    """e^x."""
    return _each("exp", x)


def log(x: Array) -> Array:
    """ln x; -∞ of zero, NaN of less."""
    return _each("log", x)


def tanh(x: Array) -> Array:
    """Of each number."""
    return _each("tanh", x)


def _each(name: str, x: Array) -> Array:
    if dispatch.MISSING is not None:
        made: Array = getattr(np, name)(x)
        return made
    y = np.empty(x.shape, x.dtype)
    _cpu.map(name, whole(x), y)
    return y


def logaddexp(a: Array, b: Array) -> Array:
    """ln(e^a + e^b); shapes that broadcast."""
    if dispatch.MISSING is not None:
        return np.asarray(np.logaddexp(a, b))
    if a.shape != b.shape:
        a, b = np.broadcast_arrays(a, b)
    y = np.empty(a.shape, a.dtype)
    _cpu.logaddexp(whole(a), whole(b), y)
    return y


def pooling(
    kind: str, y: Array, before: Array | None = None, scores: Array | None = None, threads: int = 1
) -> tuple[Array, Array]:
    """y (T, B, H) -> p (T, B, H) after each step, and what is carried on, (B, 2 + H) float64; `before` is
    what was carried, None where nothing came before. Attention wants scores (T, B)."""
    B, H = y.shape[1:]
    p, after = np.empty(y.shape, y.dtype), np.empty((B, 2 + H))
    rows = None if scores is None else whole(scores.swapaxes(0, 1))
    every = p.swapaxes(0, 1)
    _cpu.pooling(kind, whole(y).swapaxes(0, 1), None, rows, before, after, None, every, threads=threads)
    return p, after


def whole(x: Array) -> Array:
    """x in one piece of memory, aligned: in files that are read where they lie it need not be."""
    fits = x.flags.c_contiguous and x.flags.aligned
    return x if fits else np.require(x, requirements=["C", "A"])


def integers(name: str, given: Array) -> Array:
    """`given` as int64 in one piece; ValueError where it is not of integers."""
    if given.dtype.kind not in "iu":
        raise ValueError(f"{name} is {given.dtype}; wanted integers")
    return whole(given.astype(np.int64, copy=False))
