"""Functions of each number as torch operators: y = tanh(x), dx = dy (1 - y²), any shape.

Order    a number's result follows from it alone: not from where it stands, the vectors or the threads
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels.compiled import cpu as _cpu
from unrolled.kernels.torch.heads import LIBRARY, whole
from unrolled.kernels.torch.operators import Formulas, Gradients, Tensors, transformable


def tanh(x: Tensor) -> Tensor:
    """y of the shape of x."""
    return _tanh("", [x])[0]


def _run(options: str, tensors: Sequence[Tensor]) -> Tensors:
    (y,) = _fake(options, tensors)
    _cpu.map("tanh", whole(tensors[0]), y)
    return [y]


def _fake(options: str, tensors: Sequence[Tensor]) -> Tensors:
    return [torch.empty_like(tensors[0], memory_format=torch.contiguous_format)]


def _save(ctx: Any, options: str, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    ctx.save_for_backward(outputs[0])


def _derive(ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> Gradients:
    (y,), (dy,) = ctx.saved_tensors, cotangents
    return [None if dy is None else dy * (1 - y * y)]


_tanh = transformable(
    LIBRARY,
    "tanh",
    Formulas(
        _run,
        _fake,
        _save,
        _derive,
        str,
        str,
        lambda options: ([0], [0]),
        lambda options, tensors: [tensors[0].tanh()],
    ),
)
