"""Poolings over time as torch operators, `unrolled::pooling` and its gradient `unrolled::pooling_backward`:

    mean       p = 1/T Σ_t y_t
    max        p = max_t y_t, unit by unit
    attention  p = Σ_t w_t y_t        w = softmax_t(s)

Shapes   y (B, T, H), lengths (B,) int64, scores s (B, T) -> p (B, H); T is the row's own length
Order    from the first step to the last, in float64: batch, padding, threads and vectors change no bit of a
         row, nor do chunks (plain.pooling carries what is needed). cpu/pooling.h derives it

What stands past a row's length is never read; a row of no steps has no p and is NaN, or -∞. Where kernels
cannot run the call, `reference` does; it also gives the second derivatives.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import vjp

from unrolled.kernels.torch.heads import LIBRARY, adjacent, check, flat, kernel, place, steps, taken
from unrolled.kernels.torch.operators import Formulas, Tensors, transformable

KINDS = ("mean", "max", "attention")
NOWHERE = (0, 0, 0)
Gradients = list[Tensor | None]


def pooling(kind: str, y: Tensor, lengths: Tensor, scores: Tensor | None = None) -> Tensor:
    """p (B, H); attention wants scores, the others take none. ValueError for what does not fit."""
    _check(kind, y, lengths, scores)
    if not taken(y):
        return reference(kind, y, lengths, scores)
    return _pooling(kind, [y, lengths] if scores is None else [y, lengths, scores])[0]


def reference(kind: str, y: Tensor, lengths: Tensor, scores: Tensor | None = None) -> Tensor:
    """The same in plain PyTorch, on any device and in any dtype, differentiable twice."""
    inside = torch.arange(y.shape[1], device=y.device) < lengths.unsqueeze(1)
    if kind == "max":
        return torch.where(inside.unsqueeze(2), y, -torch.inf).max(1).values
    y = torch.where(inside.unsqueeze(2), y, 0)
    if scores is None:
        return y.sum(1) / lengths.unsqueeze(1)
    weights = torch.where(inside, scores, -torch.inf).softmax(1)
    return (weights.unsqueeze(2) * y).sum(1)


def _check(kind: str, y: Tensor, lengths: Tensor, scores: Tensor | None) -> None:
    if kind not in KINDS or (kind == "attention") != (scores is not None):
        raise ValueError(
            f"pooling '{kind}' {'without' if scores is None else 'with'} scores; wanted mean or max without, "
            "or attention with scores"
        )
    if y.dim() != 3:
        raise ValueError(f"y is {tuple(y.shape)}; wanted (B, T, H)")
    if lengths.shape != y.shape[:1] or lengths.dtype != torch.int64:
        raise ValueError(f"lengths is {tuple(lengths.shape)} of {lengths.dtype}; wanted ({len(y)},) of int64")
    if scores is not None:
        check("scores", scores, tuple(y.shape[:2]), y)


# Formulas, as operators.py wants them. The form is the kind; tensors are y, lengths, of attention scores.


def _call(kind: str, y: Tensor, lengths: Tensor, scores: Sequence[Tensor]) -> tuple[Any, ...]:
    """The arguments with which both kernels begin."""
    B, T, H = y.shape
    at = steps(scores[0]) if scores else NOWHERE
    return torch.get_num_threads(), kind, (T, B, H), lengths.data_ptr(), steps(y), at


def _fake(kind: str, tensors: Sequence[Tensor]) -> Tensors:
    y = tensors[0]
    B, _, H = y.shape
    return [y.new_empty(B, H), y.new_empty(B, 2 + H, dtype=torch.float64)]


def _run(kind: str, tensors: Sequence[Tensor]) -> Tensors:
    p, carried = _fake(kind, tensors)
    y, lengths, *scores = tensors
    y, lengths = adjacent(y), flat(lengths)
    kernel("pooling", y)(*_call(kind, y, lengths, scores), 0, carried.data_ptr(), place(p), NOWHERE)
    return [p, carried]


def _save(ctx: Any, kind: str, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    ctx.save_for_backward(outputs[1], *tensors)
    ctx.mark_non_differentiable(outputs[1])
    ctx.kind = kind


def _derive(ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> Gradients:
    carried, *tensors = ctx.saved_tensors
    if cotangents[0] is None:
        return [None] * len(needs)
    dy, *d_scores = _pooling_backward(ctx.kind, [cotangents[0], carried, *tensors])
    return [dy, None, *d_scores]


def _fake_backward(kind: str, tensors: Sequence[Tensor]) -> Tensors:
    _, _, y, _, *scores = tensors
    return [t.new_empty(t.shape) for t in (y, *scores)]


def _run_backward(kind: str, tensors: Sequence[Tensor]) -> Tensors:
    outputs = _fake_backward(kind, tensors)
    dp, carried, y, lengths, *scores = tensors
    dp, y, lengths = flat(dp), adjacent(y), flat(lengths)
    dy, *d_scores = map(steps, outputs)
    given = carried.data_ptr(), place(dp), dy, d_scores[0] if d_scores else NOWHERE
    kernel("pooling_backward", y)(*_call(kind, y, lengths, scores), *given)
    return outputs


def _save_backward(ctx: Any, kind: str, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    ctx.save_for_backward(tensors[0], *tensors[2:])
    ctx.kind = kind


def _derive_backward(ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> Gradients:
    """By the reference, derived twice."""
    kind, (dp, y, lengths, *scores) = ctx.kind, ctx.saved_tensors
    at = [k for k, u in enumerate(cotangents) if u is not None]

    def gradient(dp: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
        found = vjp(lambda y, *scores: reference(kind, y, lengths, *scores), *leaves)[1](dp)
        return tuple(found[k] for k in at)

    d_dp, dy, *d_scores = vjp(gradient, dp, y, *scores)[1](tuple(u for u in cotangents if u is not None))
    return [d_dp, None, dy, None, *d_scores]


def _no_batches(kind: str) -> None:
    return None


_pooling = transformable(LIBRARY, "pooling", Formulas(_run, _fake, _save, _derive, str, str, _no_batches))
_pooling_backward = transformable(
    LIBRARY,
    "pooling_backward",
    Formulas(_run_backward, _fake_backward, _save_backward, _derive_backward, str, str, _no_batches),
)
