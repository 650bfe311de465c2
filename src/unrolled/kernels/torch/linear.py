"""The linear layer as torch operators, `unrolled::linear` and its gradient `unrolled::linear_backward`:

    y = x Wᵀ + b        dx = dy W,  dW = dyᵀ x,  db = dyᵀ 1

Shapes   x (..., I), W (O, I), b (O,) -> y (..., O)
Order    b, then chains of fused multiply-adds over 128 columns of x each, added in order; dx alike over the
         columns of dy. Other rows, threads and vectors change no bit

A weight that belongs to a module stays packed while its numbers stay as they are (kernels/packs.py); any
other is read as it stands.
"""

from collections.abc import Sequence

from torch import Tensor
from torch.compiler import is_compiling
from torch.nn import functional

from unrolled.kernels.compiled import cpu as _cpu
from unrolled.kernels.heads import LINEAR
from unrolled.kernels.packs import Packs
from unrolled.kernels.torch.heads import register


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, packs: Packs | None = None) -> Tensor:
    """ValueError where shapes, dtypes or devices do not fit; float32 and float64 on the CPU alone."""
    packed = None if packs is None or is_compiling() else packs.get("linear", _cpu.LinearWeight)
    rows = x if x.dim() > 1 else x.unsqueeze(0)
    (y,) = _linear(rows, weight, bias, packed=packed)
    return y if rows is x else y.squeeze(0)


def _reference(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Sequence[Tensor]:
    return [functional.linear(x, weight, bias)]


_linear = register(LINEAR, _reference)
