"""The loss of a linear layer with very many outputs, whose numbers never stand in memory all at once:

    L = - (1 / N) Σ_n log softmax(W x_n + b)[k_n]        dL/dz_n = (softmax(z_n) - onehot(k_n)) / N

Rows go through in stretches of at most NUMBERS outputs. Where gradients are wanted they are taken at once,
in the forward pass, so that a stretch's outputs can be forgotten: nothing is computed twice.

Shapes   x (N, I), weight (V, I), bias (V,), target (N,) int64 -> ()
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from unrolled.nn.functional import cross_entropy, linear

NUMBERS = 1 << 22


def linear_cross_entropy(x: Tensor, weight: Tensor, bias: Tensor, target: Tensor) -> Tensor:
    """The mean over all rows; its gradients have no gradients where there are more than NUMBERS outputs."""
    if len(x) * len(weight) <= NUMBERS:
        return cross_entropy(linear(x, weight, bias), target)
    if torch.is_grad_enabled():
        loss: Tensor = _Stretches.apply(x, weight, bias, target)  # type: ignore[no-untyped-call]
        return loss
    shares = [_share(x[s], weight, bias, target[s], len(x)) for s in _stretches(x, weight)]
    return torch.stack(shares).sum()


class _Stretches(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, target: Tensor) -> Tensor:
        loss, dx = x.new_zeros(()), torch.empty_like(x)
        W, b = (parameter.detach().requires_grad_() for parameter in (weight, bias))
        dW, db = torch.zeros_like(weight), torch.zeros_like(bias)
        for s in _stretches(x, weight):
            with torch.enable_grad():
                rows = x[s].detach().requires_grad_()
                share = _share(rows, W, b, target[s], len(x))
            dx[s], more_dW, more_db = torch.autograd.grad(share, (rows, W, b))
            dW += more_dW
            db += more_db
            loss += share.detach()
        ctx.save_for_backward(dx, dW, db)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_loss: Tensor) -> tuple[Tensor | None, ...]:
        return (*(d_loss * d for d in ctx.saved_tensors), None)


def _stretches(x: Tensor, weight: Tensor) -> list[slice]:
    rows = max(1, NUMBERS // len(weight))
    return [slice(first, first + rows) for first in range(0, len(x), rows)]


def _share(x: Tensor, weight: Tensor, bias: Tensor, target: Tensor, rows: int) -> Tensor:
    """What a stretch adds to the mean over `rows`."""
    return cross_entropy(linear(x, weight, bias), target, reduction="sum") / rows
