"""Operators along the last dimension: softmax, log_softmax and layer_norm, each with its gradient.

    softmax       y = exp(x - m) / Σ exp(x - m)        dx = y ⊙ (dy - Σ dy ⊙ y)
    log_softmax   y = (x - m) - log Σ exp(x - m)       dx = dy - exp(y) Σ dy
    layer_norm    y = (x - μ) / √(σ² + ε) ⊙ gain + shift        cpu/layer_norm.h has its gradient

Shapes   x (..., N) -> y (..., N); gain, shift (N,); m, μ and σ² = Σ (x - μ)² / N are those of a row
Order    a row's numbers are added in 32 chains (16 in float64), folded in halves: other rows, threads and
         vectors change no bit

Second derivatives are sums of torch's own operators over the first.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import vjp
from torch.nn import functional

from unrolled.kernels.torch.heads import LIBRARY, check, flat, kernel, place, rows
from unrolled.kernels.torch.operators import Formulas, Tensors, transformable

Gradients = list[Tensor | None]


def softmax(x: Tensor) -> Tensor:
    """Along the last dimension."""
    return _softmax(x)


def log_softmax(x: Tensor) -> Tensor:
    """Along the last dimension."""
    return _log_softmax(x)


def layer_norm(
    x: Tensor, gain: Tensor | None = None, shift: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Along the last dimension. ValueError where gain or shift does not fit."""
    parameters = [p for p in (gain, shift) if p is not None]
    form = f"{float(eps).hex()} {'g' * (gain is not None)}{'s' * (shift is not None)}"
    return _with_rows(lambda x: _layer_norm(form, [x, *parameters])[0], x)


def _with_rows(run: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """run(x), whose first dimension vmap may join with its own, for x of any number of dimensions."""
    if x.dim() > 1:
        return run(x)
    return run(x.reshape(1, -1)).reshape(x.shape)


# Softmax and its logarithm. The form says nothing.


def _one_like_another(form: str, tensors: Sequence[Tensor]) -> Tensors:
    first = tensors[0]
    for tensor in tensors[1:]:
        check("dy", first, tensor.shape, tensor)
    return [torch.empty_like(first, memory_format=torch.contiguous_format)]


def _runner(name: str) -> Callable[[str, Sequence[Tensor]], Tensors]:
    def run(form: str, tensors: Sequence[Tensor]) -> Tensors:
        (y,) = _one_like_another(form, tensors)
        pieces = [*map(flat, tensors), y]  # alive until the call returns
        kernel(name, y)(torch.get_num_threads(), rows(y), y.shape[-1], *map(place, pieces))
        return [y]

    return run


def _save_output(ctx: Any, form: str, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    ctx.save_for_backward(outputs[0])


def _save_inputs(ctx: Any, form: str, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    ctx.save_for_backward(*tensors)


def _all_rows(tensors: int) -> Callable[[str], tuple[list[int | None], list[int]]]:
    return lambda form: ([0] * tensors, [0])


def _derivable(
    name: str, derive_again: Callable[[Tensor, Tensor, Tensor, Callable[..., Tensor]], tuple[Tensor, Tensor]]
) -> Callable[[Tensor], Tensor]:
    """y = name(x) and dx = name_backward(dy, y), a function of y; `derive_again` of dy, y, the gradient of dx
    and name_backward gives the gradients of dy and y."""

    def derive(ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> Gradients:
        (y,), (dy,) = ctx.saved_tensors, cotangents
        return [None if dy is None else backward("", [dy, y])[0]]

    def derive_twice(ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> Gradients:
        (dy, y), (u,) = ctx.saved_tensors, cotangents
        return [None, None] if u is None else list(derive_again(dy, y, u, lambda *t: backward("", [*t])[0]))

    def formulas(name: str, save: Any, derive: Any, tensors: int) -> Formulas:
        return Formulas(_runner(name), _one_like_another, save, derive, str, str, _all_rows(tensors))

    forward = transformable(LIBRARY, name, formulas(name, _save_output, derive, 1))
    backward = transformable(
        LIBRARY, f"{name}_backward", formulas(f"{name}_backward", _save_inputs, derive_twice, 2)
    )
    return lambda x: _with_rows(lambda x: forward("", [x])[0], x)


def _softmax_again(
    dy: Tensor, y: Tensor, u: Tensor, backward: Callable[..., Tensor]
) -> tuple[Tensor, Tensor]:
    along, across = (dy * y).sum(-1, keepdim=True), (u * y).sum(-1, keepdim=True)
    return backward(u, y), u * (dy - along) - dy * across


def _log_softmax_again(
    dy: Tensor, y: Tensor, u: Tensor, backward: Callable[..., Tensor]
) -> tuple[Tensor, Tensor]:
    p = y.exp()
    return u - (u * p).sum(-1, keepdim=True), -u * p * dy.sum(-1, keepdim=True)


_softmax = _derivable("softmax", _softmax_again)
_log_softmax = _derivable("log_softmax", _log_softmax_again)


# Layer norm. The form is ε in hexadecimal, which compile takes for a constant, a blank, and letters: g and s
# where gain and shift are given. In the gradient's, g where there is a gain, a blank, and the outputs wanted:
# x, g, s.


def _call(eps: str, x: Tensor) -> tuple[int, int, int, float]:
    return torch.get_num_threads(), rows(x), x.shape[-1], float.fromhex(eps)


def _fake_norm(form: str, tensors: Sequence[Tensor]) -> Tensors:
    x, *parameters = tensors
    for letter, parameter in zip(form.split(" ")[1], parameters, strict=True):
        check({"g": "gain", "s": "shift"}[letter], parameter, x.shape[-1:], x)
    return [torch.empty_like(x, memory_format=torch.contiguous_format)]


def _run_norm(form: str, tensors: Sequence[Tensor]) -> Tensors:
    (y,) = _fake_norm(form, tensors)
    x, *parameters = map(flat, tensors)
    eps, letters = form.split(" ")
    given = dict(zip(letters, (p.data_ptr() for p in parameters), strict=True))
    kernel("layer_norm", x)(*_call(eps, x), given.get("g", 0), given.get("s", 0), place(x), place(y))
    return [y]


def _save_norm(ctx: Any, form: str, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    ctx.eps, ctx.letters = form.split(" ")
    ctx.save_for_backward(*tensors[: 1 + ("g" in ctx.letters)])


def _derive_norm(ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> Gradients:
    (dy,) = cotangents
    if dy is None:
        return [None] * len(needs)
    letters = "x" + ctx.letters
    wanted = "".join(letter for letter, need in zip(letters, needs, strict=True) if need)
    form = f"{ctx.eps} {'g' * ('g' in letters)} {wanted}"
    gradients = dict(zip(wanted, _layer_norm_backward(form, [dy, *ctx.saved_tensors]), strict=True))
    return [gradients.get(letter) for letter in letters]


def _fake_norm_backward(form: str, tensors: Sequence[Tensor]) -> Tensors:
    dy, x, *gain = tensors
    check("dy", dy, x.shape, x)
    if gain:
        check("gain", gain[0], x.shape[-1:], x)
    return [x.new_empty(x.shape if letter == "x" else x.shape[-1:]) for letter in form.split(" ")[2]]


def _run_norm_backward(form: str, tensors: Sequence[Tensor]) -> Tensors:
    outputs = _fake_norm_backward(form, tensors)
    eps, _, wanted = form.split(" ")
    dy, x, *gain = map(flat, tensors)
    given = dict(zip(wanted, outputs, strict=True))
    dx = given.get("x")
    dx = torch.empty_like(x) if dx is None else dx  # the kernel makes it in any case
    d_gain, d_shift = (given[letter].data_ptr() if letter in given else 0 for letter in "gs")
    address = gain[0].data_ptr() if gain else 0
    kernel("layer_norm_backward", x)(*_call(eps, x), address, place(x), place(dy), place(dx), d_gain, d_shift)
    return outputs


def _save_norm_backward(ctx: Any, form: str, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    ctx.save_for_backward(*tensors)
    ctx.eps, _, ctx.wanted = form.split(" ")


def _derive_norm_backward(ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> Gradients:
    """By torch's own layer norm, derived twice."""
    dy, x, *gain = ctx.saved_tensors
    N, eps = x.shape[-1], float.fromhex(ctx.eps)
    given = [(letter, u) for letter, u in zip(ctx.wanted, cotangents, strict=True) if u is not None]

    def gradient(dy: Tensor, x: Tensor, gain: Tensor) -> tuple[Tensor, ...]:
        def norm(x: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
            return functional.layer_norm(x, (N,), gain, shift, eps)

        found = dict(zip("xgs", vjp(norm, x, gain, torch.zeros_like(gain))[1](dy), strict=True))
        return tuple(found[letter] for letter, _ in given)

    pull = vjp(gradient, dy, x, gain[0] if gain else x.new_ones(N))[1]
    found = pull(tuple(u for _, u in given))
    return [d if need else None for d, need in zip(found, needs, strict=False)]


def _batches_norm(form: str) -> tuple[list[int | None], list[int]]:
    return [0, *[None] * len(form.split(" ")[1])], [0]


def _batches_norm_backward(form: str) -> tuple[list[int | None], list[int]] | None:
    _, gain, wanted = form.split(" ")
    return ([0, 0, *[None] * len(gain)], [0]) if wanted == "x" else None


_layer_norm = transformable(
    LIBRARY, "layer_norm", Formulas(_run_norm, _fake_norm, _save_norm, _derive_norm, str, str, _batches_norm)
)
_layer_norm_backward = transformable(
    LIBRARY,
    "layer_norm_backward",
    Formulas(
        _run_norm_backward,
        _fake_norm_backward,
        _save_norm_backward,
        _derive_norm_backward,
        str,
        str,
        _batches_norm_backward,
    ),
)
