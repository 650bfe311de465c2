"""Attention of queries over a memory, `unrolled::attention` and its gradient `unrolled::attention_backward`:

    e_t = q · k_t                   dot
    e_t = u · tanh(q + k_t)         additive
    w = softmax(e)                  over the T steps of the memory's row, its own length
    c = Σ_t w_t v_t

Shapes   q (N, S, D), k (B, T, D), v (B, T, H), lengths (B,) int64, u (D,) for additive
         -> c (N, S, H), w (N, S, T); queries n read row n of the memory, or row rows[n], rows (N,) int64
Order    cpu/attention.h: a query's c and w have the same bits for any N, S, B, T, threads and vectors, with
         rows or without, and so has the gradient dq; dk and dv sum over the queries of a row, du over all
Source   Bahdanau, Cho and Bengio, arXiv:1409.0473; Luong, Pham and Manning, arXiv:1508.04025
Differs  projections of states to q and k are the caller's (nn.Attention)

What stands past a row's length is never read, and w is 0 there; a row of no steps gives c = 0. w has no
gradient, and rows are for inference alone. Where kernels cannot run the call, `reference` does; it also gives
the second derivatives.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import vjp

from unrolled.kernels.torch.heads import LIBRARY, adjacent, check, flat, kernel, steps, taken
from unrolled.kernels.torch.operators import Formulas, Tensors, recorded, transformable

SCORES: dict[str, Callable[..., Tensor]] = {
    "dot": lambda q, k: (q.unsqueeze(2) * k.unsqueeze(1)).sum(-1),
    "additive": lambda q, k, u: ((q.unsqueeze(2) + k.unsqueeze(1)).tanh() * u).sum(-1),
}  # q (N, S, D), k (N, T, D) -> e (N, S, T)
ROWS = "rows"
Gradients = list[Tensor | None]


def attention(
    kind: str,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    lengths: Tensor,
    u: Tensor | None = None,
    rows: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """c (N, S, H) and w (N, S, T); additive wants u, dot takes none. ValueError for what does not fit."""
    _check(kind, q, k, v, lengths, u, rows)
    if not taken(q):
        return reference(kind, q, k, v, lengths, u, rows)
    given = [t for t in (q, k, v, lengths, u, rows) if t is not None]
    c, w = _attention(kind if rows is None else f"{kind} {ROWS}", given)
    return c, w


def reference(
    kind: str,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    lengths: Tensor,
    u: Tensor | None = None,
    rows: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """The same in plain PyTorch, on any device and in any dtype; c is differentiable twice."""
    if rows is not None:
        k, v, lengths = k[rows], v[rows], lengths[rows]
    inside = torch.arange(k.shape[1], device=k.device) < lengths.unsqueeze(1)
    k, v = (torch.where(inside.unsqueeze(2), t, 0) for t in (k, v))
    e = SCORES[kind](q, k) if u is None else SCORES[kind](q, k, u)
    empty = (lengths == 0).unsqueeze(1)
    e = torch.where((inside | empty).unsqueeze(1), e, -torch.inf)  # a softmax of nothing would be NaN
    w = torch.where(inside.unsqueeze(1), e.softmax(2), 0)
    return w @ v, w.detach()


def _check(
    kind: str, q: Tensor, k: Tensor, v: Tensor, lengths: Tensor, u: Tensor | None, rows: Tensor | None
) -> None:
    if kind not in SCORES or (kind == "additive") != (u is not None):
        raise ValueError(
            f"attention '{kind}' {'without' if u is None else 'with'} u; wanted dot without, "
            "or additive with u"
        )
    for name, tensor, letters in (("q", q, "N, S, D"), ("k", k, "B, T, D"), ("v", v, "B, T, H")):
        if tensor.dim() != 3:
            raise ValueError(f"{name} is {tuple(tensor.shape)}; wanted ({letters})")
    N, _, D = q.shape
    B, T, _ = k.shape
    check("k", k, (B, T, D), q)
    check("v", v, (B, T, v.shape[2]), q)
    if u is not None:
        check("u", u, (D,), q)
    for name, index, count in (("lengths", lengths, B), ("rows", rows, N)):
        if index is not None and (index.shape != (count,) or index.dtype != torch.int64):
            raise ValueError(f"{name} is {tuple(index.shape)} of {index.dtype}; wanted ({count},) of int64")
    if rows is None and N != B:
        raise ValueError(f"q has {N} rows and the memory {B}; wanted as many, or rows (N,) that say which")
    _refuse_rows(rows is not None and recorded([t for t in (q, k, v, u) if t is not None]))


# Formulas, as operators.py wants them. The form is the kind, with ROWS behind it where there are rows; the
# tensors are q, k, v, lengths, of additive u, and the rows.


def _readable(tensors: Sequence[Tensor]) -> Tensors:
    """The tensors as the kernels read them."""
    return [*map(adjacent, tensors[:3]), *map(flat, tensors[3:])]


def _call(form: str, tensors: Sequence[Tensor], backward: bool = False) -> tuple[Any, ...]:
    """The arguments with which both kernels begin; backward has no rows."""
    kind, *rows = form.split()
    q, k, v, lengths, *others = tensors
    index = () if backward else (others.pop().data_ptr() if rows else 0,)
    sizes = *q.shape[:2], *k.shape[:2], q.shape[2], v.shape[2]
    given, u = tuple(map(steps, (q, k, v))), others[0].data_ptr() if others else 0
    return torch.get_num_threads(), kind, sizes, *index, lengths.data_ptr(), given, u


def _fake(form: str, tensors: Sequence[Tensor]) -> Tensors:
    q, k, v = tensors[:3]
    return [q.new_empty(*q.shape[:2], v.shape[2]), q.new_empty(*q.shape[:2], k.shape[1])]


def _run(form: str, tensors: Sequence[Tensor]) -> Tensors:
    outputs, given = _fake(form, tensors), _readable(tensors)
    kernel("attention", given[0])(*_call(form, given), *(o.data_ptr() for o in outputs))
    return outputs


def _save(ctx: Any, form: str, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    ctx.save_for_backward(outputs[1], *tensors)
    ctx.mark_non_differentiable(outputs[1])
    ctx.form = form


def _derive(ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> Gradients:
    w, *tensors = ctx.saved_tensors
    _refuse_rows(ROWS in ctx.form)
    if cotangents[0] is None:
        return [None] * len(needs)
    dq, dk, dv, *du = _attention_backward(ctx.form, [cotangents[0], w, *tensors])
    return [dq, dk, dv, None, *du]


def _refuse_rows(asked: bool) -> None:
    if asked:
        raise ValueError(
            "attention with rows has no gradient; call it under torch.no_grad(), or without rows"
        )


def _fake_backward(form: str, tensors: Sequence[Tensor]) -> Tensors:
    _, _, q, k, v, _, *u = tensors
    return [t.new_empty(t.shape) for t in (q, k, v, *u)]


def _run_backward(form: str, tensors: Sequence[Tensor]) -> Tensors:
    outputs = _fake_backward(form, tensors)
    dc, w, given = adjacent(tensors[0]), flat(tensors[1]), _readable(tensors[2:])
    places = [o.data_ptr() for o in outputs]
    gradients = *places, *[0] * (4 - len(places))
    call = _call(form, given, backward=True)
    kernel("attention_backward", w)(*call, w.data_ptr(), steps(dc), gradients)
    return outputs


def _save_backward(ctx: Any, form: str, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    ctx.save_for_backward(tensors[0], *tensors[2:])
    ctx.form = form


def _derive_backward(ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> Gradients:
    """By the reference, derived twice."""
    kind, (dc, q, k, v, lengths, *u) = ctx.form, ctx.saved_tensors
    at = [n for n, d in enumerate(cotangents) if d is not None]

    def gradient(dc: Tensor, *leaves: Tensor) -> tuple[Tensor, ...]:
        found = vjp(lambda q, k, v, *u: reference(kind, q, k, v, lengths, *u)[0], *leaves)[1](dc)
        return tuple(found[n] for n in at)

    d_dc, dq, dk, dv, *du = vjp(gradient, dc, q, k, v, *u)[1](tuple(d for d in cotangents if d is not None))
    return [d_dc, None, dq, dk, dv, None, *du]


def _no_batches(form: str) -> None:
    return None


_attention = transformable(LIBRARY, "attention", Formulas(_run, _fake, _save, _derive, str, str, _no_batches))
_attention_backward = transformable(
    LIBRARY,
    "attention_backward",
    Formulas(_run_backward, _fake_backward, _save_backward, _derive_backward, str, str, _no_batches),
)
