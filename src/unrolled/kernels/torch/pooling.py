"""Poolings over time as torch operators, `unrolled::pooling` and its gradient `unrolled::pooling_backward`:

    mean       p = 1/T Σ_t y_t
    max        p = max_t y_t, unit by unit
    attention  p = Σ_t w_t y_t        w = softmax_t(s)

Shapes   y (B, T, H), lengths (B,) int64, scores s (B, T) -> p (B, H); T is the row's own length
Order    from the first step to the last, in float64: batch, padding, threads and vectors change no bit of a
         row, nor do chunks (kernels/numpy carries what is needed). cpu/pooling.h derives it

What stands past a row's length is never read; a row of no steps has no p and is NaN, or -∞. Where kernels
cannot run the call, `reference` does; it also gives the second derivatives.
"""

import torch
from torch import Tensor

from unrolled.kernels.heads import POOLING
from unrolled.kernels.torch.heads import register, taken

KINDS = ("mean", "max", "attention")


def pooling(kind: str, y: Tensor, lengths: Tensor, scores: Tensor | None = None) -> Tensor:
    """p (B, H); attention wants scores, the others take none. ValueError for what does not fit."""
    if not taken(y):
        return reference(kind, y, lengths, scores)
    return _pooling(y, scores, lengths, setting=kind)[0]


def reference(kind: str, y: Tensor, lengths: Tensor, scores: Tensor | None = None) -> Tensor:
    """The same in plain PyTorch, on any device and in any dtype, differentiable twice."""
    if kind not in KINDS or (kind == "attention") != (scores is not None):
        raise ValueError(
            f"pooling '{kind}' {'without' if scores is None else 'with'} scores; wanted mean or max without, "
            "or attention with scores"
        )
    inside = torch.arange(y.shape[1], device=y.device) < lengths.unsqueeze(1)
    if kind == "max":
        return torch.where(inside.unsqueeze(2), y, -torch.inf).max(1).values
    y = torch.where(inside.unsqueeze(2), y, 0)
    if scores is None:
        return y.sum(1) / lengths.unsqueeze(1)
    weights = torch.where(inside, scores, -torch.inf).softmax(1)
    return (weights.unsqueeze(2) * y).sum(1)


_pooling = register(POOLING, lambda **call: [reference(**call)])
