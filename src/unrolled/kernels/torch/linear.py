"""The linear layer as torch operators, `unrolled::linear` and its gradient `unrolled::linear_backward`:

    y = x Wᵀ + b        dx = dy W,  dW = dyᵀ x,  db = dyᵀ 1

Shapes   x (..., I), W (O, I), b (O,) -> y (..., O)
Order    b, then chains of fused multiply-adds over 128 columns of x each, added in order; dx alike over the
         columns of dy. Other rows, threads and vectors change no bit

The derivatives of the gradient are linear layers again, so they go on to any order. A packed weight is kept
while the weight stays as it is (kept.py).
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels import dispatch
from unrolled.kernels.torch.heads import LIBRARY, check, flat, kernel, place, rows
from unrolled.kernels.torch.kept import Kept
from unrolled.kernels.torch.operators import Formulas, Tensors, transformable

if dispatch.MISSING is None:
    from unrolled.kernels import _cpu


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """ValueError where shapes, dtypes or devices do not fit; float32 and float64 on the CPU alone."""
    x2 = x.unsqueeze(0) if x.dim() == 1 else x
    (y,) = _linear("", [x2, weight]) if bias is None else _linear("b", [x2, weight, bias])
    return y if x2 is x else y.squeeze(0)


def _pack(weight: Tensor, isa: str, old: Tensor | None) -> Tensor:
    """In the layout of an instruction set, which is the one in use."""
    weight = flat(weight)
    O, I = weight.shape
    packed = weight.new_empty(kernel("packed_size", weight)(I, O)) if old is None else old
    kernel("pack", weight)(torch.get_num_threads(), I, O, place(weight), packed.data_ptr())
    return packed


packed_weights = Kept(_pack)


def _check(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> tuple[int, ...]:
    """The shape of y."""
    if weight.dim() != 2 or x.dim() < 1:
        raise ValueError(
            f"wanted x (..., I) and weight (O, I), got {tuple(x.shape)} and {tuple(weight.shape)}"
        )
    O, I = weight.shape
    if x.shape[-1] != I:
        raise ValueError(f"x has {x.shape[-1]} features; weight {tuple(weight.shape)} reads {I}")
    check("weight", weight, weight.shape, x)
    if bias is not None:
        check("bias", bias, (O,), x)
    return (*x.shape[:-1], O)


# Formulas, as operators.py wants them. The form of `linear` is "b" with a bias, that of its gradient the
# letters of the outputs wanted: x, w, b.


def _fake(form: str, tensors: Sequence[Tensor]) -> Tensors:
    return [tensors[0].new_empty(_check(*tensors))]


def _run(form: str, tensors: Sequence[Tensor]) -> Tensors:
    (y,) = _fake(form, tensors)
    x, weight = flat(tensors[0]), tensors[1]
    bias = flat(tensors[2]) if len(tensors) > 2 else None
    packed = packed_weights.get(weight, _cpu.isa())
    address = 0 if bias is None else bias.data_ptr()
    O, I = weight.shape
    kernel("linear", x)(
        torch.get_num_threads(), rows(x), I, O, place(x), packed.data_ptr(), address, place(y)
    )
    return [y]


def _save(ctx: Any, form: str, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    ctx.save_for_backward(*tensors[:2])


def _derive(ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> list[Tensor | None]:
    x, weight = ctx.saved_tensors
    (dy,) = cotangents
    if dy is None:
        return [None] * len(needs)
    wanted = "".join(letter for letter, need in zip("xwb", needs, strict=False) if need)
    gradients = dict(zip(wanted, _linear_backward(wanted, [dy, x, weight]), strict=True))
    return [gradients.get(letter) for letter in "xwb"[: len(needs)]]


def _fake_backward(wanted: str, tensors: Sequence[Tensor]) -> Tensors:
    dy, x, weight = tensors
    check("dy", dy, _check(x, weight), x)
    shapes = {"x": x.shape, "w": weight.shape, "b": weight.shape[:1]}
    return [x.new_empty(shapes[letter]) for letter in wanted]


def _run_backward(wanted: str, tensors: Sequence[Tensor]) -> Tensors:
    outputs = _fake_backward(wanted, tensors)
    dy, x, weight = map(flat, tensors)
    O, I = weight.shape
    places = {letter: place(output) for letter, output in zip(wanted, outputs, strict=True)}
    dx, dw, db = (places.get(letter, (0, 0)) for letter in "xwb")
    inputs = map(place, (weight, x, dy))
    kernel("linear_backward", x)(torch.get_num_threads(), rows(x), I, O, *inputs, dx, dw, db[0])
    return outputs


def _save_backward(ctx: Any, wanted: str, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    ctx.save_for_backward(*tensors)
    ctx.wanted = wanted


def _derive_backward(
    ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """With u, V, c the gradients that reach dx, dW, db: u Wᵀ + x Vᵀ + c of dy, dy V of x, dyᵀ u of W."""
    dy, x, weight = ctx.saved_tensors
    given = dict(zip(ctx.wanted, cotangents, strict=True))
    u, V, c = (given.get(letter) for letter in "xwb")
    d_dy = [] if u is None else [linear(u, weight)]
    d_dy += [] if V is None else [linear(x, V)]
    d_dy += [] if c is None else [c.expand_as(dy)]
    return [
        sum(d_dy[1:], d_dy[0]) if needs[0] and d_dy else None,
        _linear_backward("x", [dy, x, V])[0] if needs[1] and V is not None else None,
        _linear_backward("w", [dy, u, weight])[0] if needs[2] and u is not None else None,
    ]


def _batches(form: str) -> tuple[list[int | None], list[int]]:
    return [0, None, *[None] * len(form)], [0]


def _batches_backward(wanted: str) -> tuple[list[int | None], list[int]] | None:
    return ([0, 0, None], [0]) if wanted == "x" else None


_linear = transformable(LIBRARY, "linear", Formulas(_run, _fake, _save, _derive, str, str, _batches))
_linear_backward = transformable(
    LIBRARY,
    "linear_backward",
    Formulas(_run_backward, _fake_backward, _save_backward, _derive_backward, str, str, _batches_backward),
)
