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

from collections.abc import Callable

import torch
from torch import Tensor

from unrolled.kernels.heads import ATTENTION
from unrolled.kernels.torch.heads import register, taken
from unrolled.kernels.torch.operators import recorded

SCORES: dict[str, Callable[..., Tensor]] = {
    "dot": lambda q, k: (q.unsqueeze(2) * k.unsqueeze(1)).sum(-1),
    "additive": lambda q, k, u: ((q.unsqueeze(2) + k.unsqueeze(1)).tanh() * u).sum(-1),
}  # q (N, S, D), k (N, T, D) -> e (N, S, T)


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
    if rows is not None and recorded([t for t in (q, k, v, u) if t is not None]):
        raise ValueError(
            "attention with rows has no gradient; call it under torch.no_grad(), or without rows"
        )
    if not taken(q):
        return reference(kind, q, k, v, lengths, u, rows)
    c, w = _attention(q, k, v, u, lengths, rows, setting=kind)
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


_attention = register(ATTENTION, lambda **call: reference(**call)[:1])
