"""Functions that heads are made of, with torch.nn.functional's names and arguments.

For float32 and float64 on the CPU they run our kernels: no bit of a row depends on other rows, on threads or
on the instruction set. Elsewhere (other devices, half precision, autocast, and the options named below)
torch's own operators run, and UNROLLED_BACKEND=reference asks for those everywhere.
"""

from collections.abc import Callable, Sequence
from math import prod

import torch
from torch import Tensor
from torch.nn import functional as F

from unrolled.kernels.torch import elementwise as _elementwise
from unrolled.kernels.torch import embedding as _embedding
from unrolled.kernels.torch import linear as _linear
from unrolled.kernels.torch import normalization as _normalization
from unrolled.kernels.torch.heads import taken

__all__ = ["cross_entropy", "embedding", "layer_norm", "linear", "log_softmax", "softmax", "tanh"]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (..., I), weight (O, I), bias (O,) -> y (..., O) = x Wᵀ + b."""
    return _linear.linear(input, weight, bias) if taken(input) else F.linear(input, weight, bias)


def softmax(input: Tensor, dim: int = -1, dtype: torch.dtype | None = None) -> Tensor:
    """exp(x) / Σ exp(x) along `dim`, of x in `dtype`."""
    x = input if dtype is None else input.to(dtype)
    return _along(dim, _normalization.softmax, x) if taken(x) else F.softmax(x, dim)


def log_softmax(input: Tensor, dim: int = -1, dtype: torch.dtype | None = None) -> Tensor:
    """x - log Σ exp(x) along `dim`, of x in `dtype`."""
    x = input if dtype is None else input.to(dtype)
    return _along(dim, _normalization.log_softmax, x) if taken(x) else F.log_softmax(x, dim)


def tanh(input: Tensor) -> Tensor:
    """Of each number."""
    return _elementwise.tanh(input) if taken(input) else torch.tanh(input)


def _along(dim: int, run: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    if dim in (-1, x.dim() - 1):
        return run(x)
    return run(x.transpose(dim, -1)).transpose(dim, -1).contiguous()  # as torch's own


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / √(variance + eps) ⊙ weight + bias over the last dimensions, `normalized_shape`."""
    shape = tuple(normalized_shape)
    if not taken(input):
        return F.layer_norm(input, shape, weight, bias, eps)
    if not shape or tuple(input.shape[-len(shape) :]) != shape:
        raise ValueError(f"x is {tuple(input.shape)}; its last dimensions must be normalized_shape={shape}")
    if len(shape) == 1:
        return _normalization.layer_norm(input, weight, bias, eps)
    x = input.reshape(*input.shape[: -len(shape)], prod(shape))
    gain, shift = (None if p is None else p.reshape(-1) for p in (weight, bias))
    return _normalization.layer_norm(x, gain, shift, eps).reshape(input.shape)


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """index (...), weight (V, N) -> y (..., N); row `padding_idx` gets no gradient. max_norm, sparse and
    scale_grad_by_freq are torch's own."""
    if max_norm is not None or scale_grad_by_freq or sparse or not taken(weight):
        return F.embedding(input, weight, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
    V = weight.shape[0]
    if padding_idx is not None and not -V <= padding_idx < V:
        raise ValueError(f"padding_idx={padding_idx}; wanted one of the {V} rows of the table, or None")
    return _embedding.embedding(input, weight, -1 if padding_idx is None else padding_idx % V)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-weight[k] log_softmax(x)[k], k the target: x (N, C, ...) or (C,) of C classes, target (N, ...) or ().

    The loss of a row (reduction "none") has the bits of that row alone; torch adds rows up. Targets that are
    probabilities, and label_smoothing, are torch's own.
    """
    if label_smoothing or target.is_floating_point() or not taken(input):
        return F.cross_entropy(
            input,
            target,
            weight,
            ignore_index=ignore_index,
            reduction=reduction,
            label_smoothing=label_smoothing,
        )
    log_p = log_softmax(input, 0 if input.dim() == 1 else 1)
    return F.nll_loss(log_p, target, weight, ignore_index=ignore_index, reduction=reduction)
