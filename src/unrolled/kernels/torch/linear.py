"""The linear layer as torch operators, `unrolled::linear` and its gradient `unrolled::linear_backward`:

    y = x Wᵀ + b        dx = dy W,  dW = dyᵀ x,  db = dyᵀ 1

Shapes   x (..., I), W (O, I), b (O,) -> y (..., O)
Order    b, then chains of fused multiply-adds over 128 columns of x each, added in order; dx alike over the
         columns of dy. Other rows, threads and vectors change no bit

A weight that belongs to a module stays packed while its numbers stay as they are (kernels/packs.py); any
other is read as it stands.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.compiler import is_compiling
from torch.nn import functional

from unrolled.kernels.compiled import cpu as _cpu
from unrolled.kernels.packs import Packs
from unrolled.kernels.torch.heads import Head, Shapes, adjacent, padded, register, whole
from unrolled.kernels.torch.operators import Gradients, Tensors


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, packs: Packs | None = None) -> Tensor:
    """ValueError where shapes, dtypes or devices do not fit; float32 and float64 on the CPU alone."""
    packed = None if packs is None or is_compiling() else packs.get("linear", _cpu.LinearWeight)
    rows = x if x.dim() > 1 else x.unsqueeze(0)
    tensors = [rows, weight] if bias is None else [rows, weight, bias]
    (y,) = _linear(Options(len(tensors), packed), tensors)
    return y if rows is x else y.squeeze(0)


class Options(NamedTuple):
    tensors: int
    packed: "_cpu.LinearWeight | None" = None  # of the weight's owner, which no graph knows


def _empty(options: Options, tensors: Sequence[Tensor]) -> Tensors:
    x, weight = tensors[:2]
    return [x.new_empty((*x.shape[:-1], weight.shape[0]))]


def _fill(options: Options, tensors: Sequence[Tensor], outputs: Tensors) -> None:
    x, weight, *bias = tensors
    run = _cpu.linear if options.packed is None else options.packed.forward
    b = whole(bias[0]) if bias else None
    run(whole(x), adjacent(weight), b, outputs[0], threads=torch.get_num_threads())


def _keep(options: Options, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> Sequence[Tensor]:
    return tensors[:2]


def _shapes(options: Options, tensors: Tensors) -> Shapes:
    _, x, weight = tensors
    shapes: Shapes = [x.shape, weight.shape, weight.shape[:1]]
    return shapes[: options.tensors]


def _fill_gradients(options: Options, tensors: Tensors, gradients: Gradients) -> None:
    dy, x, weight = tensors
    given = whole(dy), whole(x), adjacent(weight), *padded(gradients, 3)
    _cpu.linear_backward(*given, threads=torch.get_num_threads())


def _reference(options: Options, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    return [functional.linear(*tensors)]


def _reference_gradients(options: Options, tensors: Tensors, needs: Sequence[bool]) -> Sequence[Tensor]:
    dy, x, weight = tensors
    dz, z = dy.reshape(-1, dy.shape[-1]), x.reshape(-1, x.shape[-1])
    return [dy @ weight, dz.T @ z, dz.sum(0)][: options.tensors]


def _batches(options: Options) -> tuple[list[int | None], list[int]] | None:
    return [0, None, None][: options.tensors], [0]


_linear = register(
    "linear",
    Head(
        _empty,
        _fill,
        _keep,
        _shapes,
        _fill_gradients,
        _reference,
        _reference_gradients,
        some=True,
        batches=_batches,
        batches_of_gradients=lambda options: ([0, 0, None], [0]),
        encode=lambda options: str(options.tensors),
        decode=lambda text: Options(int(text)),
    ),
)
