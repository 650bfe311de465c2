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

from collections.abc import Sequence

import torch
from torch import Tensor

from unrolled.kernels.compiled import cpu as _cpu
from unrolled.kernels.torch.heads import Head, Shapes, adjacent, padded, register, taken, whole
from unrolled.kernels.torch.operators import Gradients, Tensors

KINDS = ("mean", "max", "attention")


def pooling(kind: str, y: Tensor, lengths: Tensor, scores: Tensor | None = None) -> Tensor:
    """p (B, H); attention wants scores, the others take none. ValueError for what does not fit."""
    if not taken(y):
        return reference(kind, y, lengths, scores)
    return _pooling(kind, [y, lengths] if scores is None else [y, lengths, scores])[0]


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


# The options are the kind; tensors are y, lengths, of attention scores.


def _empty(kind: str, tensors: Sequence[Tensor]) -> Tensors:
    """p, and what a pooling carries, from which the gradient is made."""
    y = tensors[0]
    B, H = len(y), y.shape[-1]
    return [y.new_empty(B, H), y.new_empty(B, 2 + H, dtype=torch.float64)]


def _readable(tensors: Sequence[Tensor]) -> list[Tensor | None]:
    """y, lengths and scores as the kernels read them."""
    y, lengths, *scores = tensors
    return padded([adjacent(y), whole(lengths), *map(adjacent, scores)], 3)


def _fill(kind: str, tensors: Sequence[Tensor], outputs: Tensors) -> None:
    p, carried = outputs
    given = *_readable(tensors), None, carried, p, None
    _cpu.pooling(kind, *given, threads=torch.get_num_threads())


def _shapes(kind: str, tensors: Tensors) -> Shapes:
    _, _, y, _, *scores = tensors
    return [y.shape, None, *[s.shape for s in scores]]


def _fill_gradients(kind: str, tensors: Tensors, gradients: Gradients) -> None:
    dp, carried, *inputs = tensors
    dy, _, *d_scores = gradients
    given = whole(dp), carried, *_readable(inputs), dy, *padded(d_scores, 1)
    _cpu.pooling_backward(kind, *given, threads=torch.get_num_threads())


_pooling = register(
    "pooling",
    Head(
        _empty,
        _fill,
        lambda kind, tensors, outputs: [outputs[1], *tensors],
        _shapes,
        _fill_gradients,
        lambda kind, tensors: [reference(kind, *tensors)],
        extra=1,
    ),
)
