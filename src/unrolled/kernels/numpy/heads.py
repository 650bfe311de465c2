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
    attention    c = Σ w_t v_t, w = softmax(e), e_t = q · k_t or u · tanh(q + k_t)    cpu/attention.h

Shapes   x (..., I) -> y (..., O) for W (O, I), b (O,); else y has the shape of x; index (...) -> y (..., N);
         y (T, B, H) -> p (T, B, H); attention's are those of kernels/torch/attention.py
Raises   ValueError for shapes and dtypes (float32 or float64, all alike) that do not fit, IndexError for an
         index outside the table, RunError where the compiled kernels are missing (but `linear`,
         logsumexp, exp, log, tanh and logaddexp: numpy's own)
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.kernels import dispatch
from unrolled.kernels import heads as of
from unrolled.kernels.compiled import cpu as _cpu

Array = NDArray[Any]


def run(head: of.Head, inputs: dict[str, Array | None], threads: int, **setting: Any) -> dict[str, Array]:
    """The outputs of a head by name, of its inputs, None where one is absent."""
    arrays = {
        name: integers(name, a) if name in of.INTEGERS else whole(a)
        for name, a in inputs.items()
        if a is not None
    }
    dtype = arrays[head.inputs[0]].dtype
    molds = head.outputs(**arrays).items()
    outputs: dict[str, Array] = {
        name: np.empty(mold if isinstance(mold, tuple) else mold.shape, dtype) for name, mold in molds
    }
    getattr(_cpu, head.name)(**arrays, **outputs, **setting, threads=threads)
    return outputs


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
    return run(of.LINEAR, {"x": x, "weight": weight, "bias": bias}, threads)["y"]


def softmax(x: Array, threads: int = 1) -> Array:
    """Along the last dimension."""
    return _in_rows(_cpu.softmax, x, threads)


def log_softmax(x: Array, threads: int = 1) -> Array:
    """Along the last dimension."""
    return _in_rows(_cpu.log_softmax, x, threads)


def _in_rows(kernel: Callable[..., None], x: Array, threads: int) -> Array:
    """Without `run`, which costs a step of a stream more than the kernel does."""
    y = np.empty(x.shape, x.dtype)
    kernel(x=whole(x), y=y, threads=threads)
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
    return run(of.LAYER_NORM, {"x": x, "gain": gain, "shift": shift}, threads, epsilon=eps)["y"]


def embedding(index: Array, table: Array, threads: int = 1) -> Array:
    """index (...) of integers, table (V, N) -> y (..., N)."""
    y = np.empty((*index.shape, table.shape[-1]), table.dtype)
    _cpu.embedding(index=integers("index", index), table=whole(table), y=y, threads=threads)
    return y


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
    """c (N, S, H) and w (N, S, T), which is 0 past a row's length; rows (N,) say which row of the memory each
    reads, None: its own."""
    inputs = {"q": q, "k": k, "v": v, "lengths": lengths, "u": u, "rows": rows}
    outputs = run(of.ATTENTION, inputs, threads, kind=kind)
    return outputs["c"], outputs["w"]


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
        return np.asarray(getattr(np, name)(x))
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
    by_row = {"y": whole(y).swapaxes(0, 1), "every": p.swapaxes(0, 1)}
    _cpu.pooling(kind, **by_row, scores=rows, before=before, after=after, threads=threads)
    return p, after


def whole(x: Array) -> Array:
    """x in one piece of memory, aligned: in files that are read where they lie it need not be."""
    fits = x.flags.c_contiguous and x.flags.aligned
    return x if fits else np.require(x, requirements=["C", "A"])


def integers(name: str, array: Array) -> Array:
    """`array` as int64 in one piece; ValueError where it is not of integers."""
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} is {array.dtype}; wanted integers")
    return whole(array.astype(np.int64, copy=False))
