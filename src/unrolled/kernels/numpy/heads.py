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
LINE_BYTES = 64
DTYPES = {np.dtype(name): name for name in ("float32", "float64")}  # a dtype's own name takes microseconds
NOWHERE = (0, 0)


class Linear:
    """y = x Wᵀ + b, W (O, I) packed once: changes to `weight` after that are not seen."""

    def __init__(self, weight: Array, bias: Array | None = None) -> None:
        _check("weight", weight, weight.dtype, (None, None))
        self.out_features, self.in_features = weight.shape
        self.dtype = weight.dtype
        if bias is not None:
            _check("bias", bias, self.dtype, (self.out_features,))
        self.bias = None if bias is None else np.array(bias)
        self._pack(np.ascontiguousarray(weight))

    def _pack(self, weight: Array) -> None:
        self._isa = _cpu.isa()  # the layout is that instruction set's
        size = _kernel("packed_size", self.dtype)(self.in_features, self.out_features)
        self._packed = _aligned(size, self.dtype)
        place = (_cpu.address(weight), self.in_features)
        _kernel("pack", self.dtype)(1, self.in_features, self.out_features, place, _cpu.address(self._packed))

    def __call__(self, x: Array, threads: int = 1) -> Array:
        """x (..., I) -> y (..., O)."""
        _check("x", x, self.dtype, (..., self.in_features))
        if _cpu.isa() != self._isa:
            raise ValueError(f"weight was packed for {self._isa}; {_cpu.isa()} runs now: make a new Linear")
        x, sizes = _rows(x)
        y = np.empty((*x.shape[:-1], self.out_features), self.dtype)
        bias = 0 if self.bias is None else _cpu.address(self.bias)
        _kernel("linear", self.dtype)(
            threads, *sizes, self.out_features, _place(x), _cpu.address(self._packed), bias, _place(y)
        )
        return y


def linear(x: Array, weight: Array, bias: Array | None = None, threads: int = 1) -> Array:
    """x (..., I), W (O, I), b (O,) -> y (..., O). `Linear` packs a weight that is used again only once."""
    if dispatch.MISSING is not None:
        return np.asarray(x @ weight.T + (0 if bias is None else bias))
    return Linear(weight, bias)(x, threads)


def softmax(x: Array, threads: int = 1) -> Array:
    """Along the last dimension."""
    return _map("softmax", x, threads)


def log_softmax(x: Array, threads: int = 1) -> Array:
    """Along the last dimension."""
    return _map("log_softmax", x, threads)


def logsumexp(x: Array, threads: int = 1) -> Array:
    """x (..., N) -> (...); -∞ behind the other numbers of a row changes no bit."""
    _check("x", x, x.dtype, (..., None))
    if dispatch.MISSING is not None:
        return np.asarray(np.logaddexp.reduce(x, axis=-1))
    x, sizes = _rows(x)
    y = np.empty(x.shape[:-1], x.dtype)
    _kernel("logsumexp", x.dtype)(threads, *sizes, _place(x), (_cpu.address(y), 1))
    return y


def _map(name: str, x: Array, threads: int) -> Array:
    _check("x", x, x.dtype, (..., None))
    x, sizes = _rows(x)
    y = np.empty_like(x)
    _kernel(name, x.dtype)(threads, *sizes, _place(x), _place(y))
    return y


def layer_norm(
    x: Array, gain: Array | None = None, shift: Array | None = None, eps: float = 1e-5, threads: int = 1
) -> Array:
    """Along the last dimension, of N numbers; gain and shift (N,)."""
    _check("x", x, x.dtype, (..., None))
    x, sizes = _rows(x)
    given = []
    for name, parameter in (("gain", gain), ("shift", shift)):
        if parameter is not None:
            _check(name, parameter, x.dtype, (x.shape[-1],))
            parameter = np.ascontiguousarray(parameter)
        given.append(parameter)  # alive until the call returns
    addresses = (0 if parameter is None else _cpu.address(parameter) for parameter in given)
    y = np.empty_like(x)
    _kernel("layer_norm", x.dtype)(threads, *sizes, eps, *addresses, _place(x), _place(y))
    return y


def embedding(index: Array, table: Array, threads: int = 1) -> Array:
    """index (...) of integers, table (V, N) -> y (..., N)."""
    _check("table", table, table.dtype, (None, None))
    if not np.issubdtype(index.dtype, np.integer):
        raise ValueError(f"index is {index.dtype}; wanted integers")
    index, table = np.ascontiguousarray(index, np.int64), np.ascontiguousarray(table)
    y = np.empty((*index.shape, table.shape[1]), table.dtype)
    _kernel("embedding", table.dtype)(
        threads, index.size, table.shape[1], table.shape[0], _cpu.address(index), _place(table), _place(y)
    )
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
    _check_type("x", x, x.dtype)
    if dispatch.MISSING is not None:
        made: Array = getattr(np, name)(x)
        return made
    y = np.empty(x.shape, x.dtype)
    x = np.ascontiguousarray(x)
    _kernel("map", x.dtype)(name, x.size, _cpu.address(x), _cpu.address(y))
    return y


def logaddexp(a: Array, b: Array) -> Array:
    """ln(e^a + e^b); shapes that broadcast."""
    _check_type("a", a, a.dtype)
    _check_type("b", b, a.dtype)
    if dispatch.MISSING is not None:
        return np.asarray(np.logaddexp(a, b))
    if a.shape != b.shape:
        a, b = np.broadcast_arrays(a, b)
    y = np.empty(a.shape, a.dtype)
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    _kernel("logaddexp", a.dtype)(y.size, _cpu.address(a), _cpu.address(b), _cpu.address(y))
    return y


def pooling(
    kind: str, y: Array, before: Array | None = None, scores: Array | None = None, threads: int = 1
) -> tuple[Array, Array]:
    """y (T, B, H) -> p (T, B, H) after each step, and what is carried on, (B, 2 + H) float64; `before` is
    what was carried, None where nothing came before. Attention wants scores (T, B)."""
    _check("y", y, y.dtype, (None, None, None))
    if (scores is None) == (kind == "attention"):
        raise ValueError(f"pooling '{kind}' {'without' if scores is None else 'with'} scores")
    B, H = y.shape[1:]
    y, p, after = np.ascontiguousarray(y), np.empty(y.shape, y.dtype), np.empty((B, 2 + H))
    begin, at = 0, (*NOWHERE, 0)
    if before is not None:
        _check("before", before, after.dtype, after.shape)
        before = np.ascontiguousarray(before)
        begin = _cpu.address(before)
    if scores is not None:
        _check("scores", scores, y.dtype, y.shape[:2])
        scores = np.ascontiguousarray(scores)[..., None]
        at = _steps(scores)
    places = begin, _cpu.address(after), NOWHERE, _steps(p)
    _kernel("pooling", y.dtype)(threads, kind, y.shape, 0, _steps(y), at, *places)
    return p, after


def _steps(x: Array) -> tuple[int, int, int]:
    """x (T, B, N) in one piece: address, strides of time and row."""
    return _cpu.address(x), x.shape[1] * x.shape[2], x.shape[2]


def _kernel(name: str, dtype: np.dtype[Any]) -> Any:
    return getattr(_cpu, f"{name}_{DTYPES[dtype]}")


def _rows(x: Array) -> tuple[Array, tuple[int, int]]:
    """x in one piece, and how many rows of how many columns it is."""
    x = np.ascontiguousarray(x)
    columns = x.shape[-1]
    return x, (x.size // columns if columns else int(np.prod(x.shape[:-1])), columns)


def _place(x: Array) -> tuple[int, int]:
    return _cpu.address(x), x.shape[-1]


def _aligned(size: int, dtype: np.dtype[Any]) -> Array:
    """Vectors that straddle two cache lines would take two loads each."""
    memory = np.empty(size * dtype.itemsize + LINE_BYTES, np.uint8)
    start = -_cpu.address(memory) % LINE_BYTES
    return memory[start : start + size * dtype.itemsize].view(dtype)


def _check(name: str, array: Array, dtype: np.dtype[Any], shape: tuple[Any, ...]) -> None:
    """ValueError where the dtype is another, or the shape; None in it is any size, ... any sizes before."""
    _check_type(name, array, dtype)
    own, sizes = array.shape, tuple(size for size in shape if size is not ...)
    fits = len(own) >= len(sizes) if ... in shape else len(own) == len(sizes)
    last = own[len(own) - len(sizes) :]
    if not fits or any(want not in (None, got) for want, got in zip(sizes, last, strict=True)):
        letters = ", ".join("..." if s is ... else "N" if s is None else str(s) for s in shape)
        raise ValueError(f"{name} is {own}; wanted ({letters}{',' * (len(shape) == 1)})")


def _check_type(name: str, array: Array, dtype: np.dtype[Any]) -> None:
    if array.dtype not in DTYPES or array.dtype != dtype:
        wanted = DTYPES.get(dtype) or " or ".join(DTYPES.values())
        raise ValueError(f"{name} is {array.dtype}; wanted {wanted}")
