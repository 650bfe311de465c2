"""Attention of states over a memory, with the projections that make queries and keys of them:

    q = W_q s
    k_t = y_t                       dot without a size: e_t = s · W_qᵀ y_t
    k_t = W_k y_t                   dot with one
    k_t = W_k y_t + b               additive
    e_t = q · k_t                   dot
    e_t = u · tanh(q + k_t)         additive
    w = softmax(e),  c = Σ_t w_t v_t

Shapes   s (N, S, query_size), y (B, T, memory_size), values v (B, T, H), lengths (B,) int64
         -> keys k (B, T, D), c (N, S, H), w (N, S, T); D is size, or memory_size of dot without one
Source   additive: Bahdanau, Cho and Bengio, arXiv:1409.0473, A.1.2; dot without a size: Luong, Pham and
         Manning, arXiv:1508.04025, "general"; one with a size is the same of rank `size`
Differs  additive has a bias, and u begins as a Linear of one output does
"""

import torch
from torch import Tensor, nn

from unrolled.kernels.torch import attention
from unrolled.nn.heads import Linear
from unrolled.nn.torch_tools import Traceable, one_node


class Attention(Traceable):
    """kind dot or additive; size None: memory_size for dot, query_size for additive, as in the papers."""

    def __init__(self, kind: str, query_size: int, memory_size: int, size: int | None = None) -> None:
        super().__init__()
        if kind not in attention.SCORES:
            raise ValueError(f"no attention '{kind}'; wanted {' or '.join(attention.SCORES)}")
        self.kind, additive = kind, kind == "additive"
        width = size if size is not None else query_size if additive else memory_size
        self.query = Linear(query_size, width, bias=False)
        self.key = Linear(memory_size, width, bias=additive) if additive or size is not None else None
        self.u = nn.Parameter(torch.empty(width).uniform_(-(width**-0.5), width**-0.5)) if additive else None

    def keys(self, y: Tensor) -> Tensor:
        """y (B, T, memory_size) -> k (B, T, D), made once for all queries."""
        return y if self.key is None else self.key(y)

    @one_node
    def forward(
        self, s: Tensor, keys: Tensor, values: Tensor, lengths: Tensor, rows: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """c (N, S, H), and w (N, S, T) without gradient, 0 past a row's length; states n read row n of the
        memory, or without gradient row rows[n], rows (N,) int64."""
        return attention.attention(self.kind, self.query(s), keys, values, lengths, self.u, rows)
