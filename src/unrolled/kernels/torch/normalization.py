"""Operators along the last dimension: softmax, log_softmax and layer_norm, each with its gradient.

    softmax       y = exp(x - m) / Σ exp(x - m)        dx = y ⊙ (dy - Σ dy ⊙ y)
    log_softmax   y = (x - m) - log Σ exp(x - m)       dx = dy - exp(y) Σ dy
    layer_norm    y = (x - μ) / √(σ² + ε) ⊙ gain + shift        cpu/layer_norm.h has its gradient

Shapes   x (..., N) -> y (..., N); gain, shift (N,); m, μ and σ² = Σ (x - μ)² / N are those of a row
Order    a row's numbers are added in 32 chains (16 in float64), folded in halves: other rows, threads and
         vectors change no bit
"""

from collections.abc import Callable, Sequence

from torch import Tensor

from unrolled.kernels.heads import LAYER_NORM, LOG_SOFTMAX, SOFTMAX
from unrolled.kernels.torch.heads import register


def softmax(x: Tensor) -> Tensor:
    """Along the last dimension."""
    return _with_rows(_softmax, x)


def log_softmax(x: Tensor) -> Tensor:
    """Along the last dimension."""
    return _with_rows(_log_softmax, x)


def layer_norm(
    x: Tensor, gain: Tensor | None = None, shift: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Along the last dimension. ValueError where gain or shift does not fit."""
    return _with_rows(_layer_norm, x, gain, shift, setting=float(eps).hex())  # a constant for compile


def _with_rows(
    call: Callable[..., list[Tensor]], x: Tensor, *others: Tensor | None, setting: str = ""
) -> Tensor:
    """y, for x of any number of dimensions; vmap may join the first one with its own."""
    if x.dim() > 1:
        return call(x, *others, setting=setting)[0]
    return call(x.reshape(1, -1), *others, setting=setting)[0].reshape(x.shape)


def _layer_norm_reference(
    x: Tensor, gain: Tensor | None = None, shift: Tensor | None = None, *, epsilon: float
) -> Sequence[Tensor]:
    """By its equation: of torch's own layer norm (2.13) third derivatives and those in forward mode are
    wrong."""
    d = x - x.mean(-1, keepdim=True)
    y = d * (d.square().mean(-1, keepdim=True) + epsilon).rsqrt()
    y = y if gain is None else y * gain
    return [y if shift is None else y + shift]


_softmax = register(
    SOFTMAX, lambda x: [x.softmax(-1)], lambda dy, y: y * (dy - (dy * y).sum(-1, keepdim=True))
)
_log_softmax = register(
    LOG_SOFTMAX, lambda x: [x.log_softmax(-1)], lambda dy, y: dy - y.exp() * dy.sum(-1, keepdim=True)
)
_layer_norm = register(LAYER_NORM, _layer_norm_reference)
