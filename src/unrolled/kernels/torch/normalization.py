"""Operators along the last dimension: softmax, log_softmax and layer_norm, each with its gradient.

    softmax       y = exp(x - m) / Σ exp(x - m)        dx = y ⊙ (dy - Σ dy ⊙ y)
    log_softmax   y = (x - m) - log Σ exp(x - m)       dx = dy - exp(y) Σ dy
    layer_norm    y = (x - μ) / √(σ² + ε) ⊙ gain + shift        cpu/layer_norm.h has its gradient

Shapes   x (..., N) -> y (..., N); gain, shift (N,); m, μ and σ² = Σ (x - μ)² / N are those of a row
Order    a row's numbers are added in 32 chains (16 in float64), folded in halves: other rows, threads and
         vectors change no bit
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from unrolled.kernels.compiled import cpu as _cpu
from unrolled.kernels.torch.heads import Head, Shapes, empty_like, register, whole
from unrolled.kernels.torch.operators import Gradients, Tensors, pulled


def softmax(x: Tensor) -> Tensor:
    """Along the last dimension."""
    return _with_rows(_softmax, "", [x])


def log_softmax(x: Tensor) -> Tensor:
    """Along the last dimension."""
    return _with_rows(_log_softmax, "", [x])


def layer_norm(
    x: Tensor, gain: Tensor | None = None, shift: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Along the last dimension. ValueError where gain or shift does not fit."""
    options = f"{float(eps).hex()} {'g' * (gain is not None)}{'s' * (shift is not None)}"
    return _with_rows(_layer_norm, options, [x, *[p for p in (gain, shift) if p is not None]])


def _with_rows(call: Callable[[str, Tensors], Tensors], options: str, tensors: Tensors) -> Tensor:
    """y, for x of any number of dimensions; vmap may join the first one with its own."""
    x = tensors[0]
    if x.dim() > 1:
        return call(options, tensors)[0]
    return call(options, [x.reshape(1, -1), *tensors[1:]])[0].reshape(x.shape)


def _of_rows(
    name: str, reference: Callable[[Tensor], Tensor], pull: Callable[[Tensor, Tensor], Tensor]
) -> Head:
    """y = name(x); `pull` is dx of dy and y, in torch's own operators."""
    back = f"{name}_backward"

    def fill(options: str, tensors: Sequence[Tensor], outputs: Tensors) -> None:
        getattr(_cpu, name)(whole(tensors[0]), outputs[0], threads=torch.get_num_threads())

    def fill_gradients(options: str, tensors: Tensors, gradients: Gradients) -> None:
        dy, y = tensors
        getattr(_cpu, back)(whole(dy), whole(y), gradients[0], threads=torch.get_num_threads())

    return Head(
        empty_like,
        fill,
        lambda options, tensors, outputs: outputs,
        lambda options, tensors: [tensors[1].shape],
        fill_gradients,
        lambda options, tensors: [reference(tensors[0])],
        lambda options, tensors, needs: [pull(*tensors)],
        batches=lambda options: ([0], [0]),
        batches_of_gradients=lambda options: ([0, 0], [0]),
    )


_softmax = register(
    "softmax",
    _of_rows("softmax", lambda x: x.softmax(-1), lambda dy, y: y * (dy - (dy * y).sum(-1, keepdim=True))),
)
_log_softmax = register(
    "log_softmax",
    _of_rows(
        "log_softmax", lambda x: x.log_softmax(-1), lambda dy, y: dy - y.exp() * dy.sum(-1, keepdim=True)
    ),
)


# Layer norm. The options are ε in hexadecimal, which compile takes for a constant, a blank, and letters: g
# and s where gain and shift are given.


def _parts(options: str, tensors: Sequence[Tensor]) -> tuple[float, Tensor, Tensor | None, Tensor | None]:
    """ε, x, gain and shift, the last two in one piece."""
    eps, letters = options.split(" ")
    given = dict(zip(letters, map(whole, tensors[1:]), strict=False))
    return float.fromhex(eps), tensors[0], given.get("g"), given.get("s")


def _fill(options: str, tensors: Sequence[Tensor], outputs: Tensors) -> None:
    eps, x, gain, shift = _parts(options, tensors)
    _cpu.layer_norm(whole(x), gain, shift, outputs[0], epsilon=eps, threads=torch.get_num_threads())


def _keep(options: str, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> Sequence[Tensor]:
    return tensors[:2] if "g" in options.split(" ")[1] else tensors[:1]


def _shapes(options: str, tensors: Tensors) -> Shapes:
    x = tensors[1]
    return [x.shape, *[x.shape[-1:] for _ in options.split(" ")[1]]]


def _fill_gradients(options: str, tensors: Tensors, gradients: Gradients) -> None:
    eps, x, gain, _ = _parts(options, tensors[1:])
    dx, *others = gradients
    if dx is None:  # the kernel makes it in any case
        dx = torch.empty_like(x, memory_format=torch.contiguous_format)
    found = dict(zip(options.split(" ")[1], others, strict=True))
    given = whole(tensors[0]), whole(x), gain, dx, found.get("g"), found.get("s")
    _cpu.layer_norm_backward(*given, epsilon=eps, threads=torch.get_num_threads())


def _reference(options: str, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    """By its equation: of torch's own layer norm (2.13) third derivatives and those in forward mode are
    wrong."""
    eps, x, gain, shift = _parts(options, tensors)
    d = x - x.mean(-1, keepdim=True)
    y = d * (d.square().mean(-1, keepdim=True) + eps).rsqrt()
    y = y if gain is None else y * gain
    return [y if shift is None else y + shift]


def _reference_gradients(options: str, tensors: Tensors, needs: Sequence[bool]) -> Sequence[Tensor | None]:
    """Those of the reference, whose shift may be any."""
    dy, x, *gain = tensors
    shift = [x.new_zeros(x.shape[-1:])] if "s" in options.split(" ")[1] else []
    inputs = [x, *gain, *shift]
    return pulled(lambda inputs: _reference(options, inputs), inputs, needs, [dy])


_layer_norm = register(
    "layer_norm",
    Head(
        empty_like,
        _fill,
        _keep,
        _shapes,
        _fill_gradients,
        _reference,
        _reference_gradients,
        some=True,
        batches=lambda options: ([0, *[None] * len(options.split(" ")[1])], [0]),
        batches_of_gradients=lambda options: ([0, 0, *[None] * ("g" in options.split(" ")[1])], [0]),
    ),
)
