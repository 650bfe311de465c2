"""Functions of each number as torch operators: y = tanh(x), dx = dy (1 - y²), any shape.

Order    a number's result follows from it alone: not from where it stands, the vectors or the threads
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels.torch.heads import LIBRARY, flat, kernel
from unrolled.kernels.torch.operators import Formulas, Tensors, transformable


def tanh(x: Tensor) -> Tensor:
    """y of the shape of x."""
    return _tanh("tanh", [x])[0]


def _fake(form: str, tensors: Sequence[Tensor]) -> Tensors:
    return [torch.empty_like(tensors[0], memory_format=torch.contiguous_format)]


def _run(form: str, tensors: Sequence[Tensor]) -> Tensors:
    (y,), x = _fake(form, tensors), flat(tensors[0])
    kernel("map", x)(form, x.numel(), x.data_ptr(), y.data_ptr())
    return [y]


def _save(ctx: Any, form: str, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    ctx.save_for_backward(outputs[0])


def _derive(ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> list[Tensor | None]:
    (y,), (dy,) = ctx.saved_tensors, cotangents
    return [None if dy is None else dy * (1 - y * y)]


def _batches(form: str) -> tuple[list[int | None], list[int]]:
    return [0], [0]


_tanh = transformable(LIBRARY, "tanh", Formulas(_run, _fake, _save, _derive, str, str, _batches))
