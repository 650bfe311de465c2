"""Rows of a table as torch operators, `unrolled::embedding` and its gradient `unrolled::embedding_backward`:

    y_r = table[index_r]        d_table[v] = Σ dy_r over the r with index_r = v, in order; 0 for the padding

Shapes   index (...) of int64 -> y (..., N) for a table (V, N)
Order    d_table's sums run over all of index in order: threads and vectors change no bit
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from unrolled.kernels.heads import EMBEDDING
from unrolled.kernels.torch.heads import register


def embedding(index: Tensor, table: Tensor, padding: int = -1) -> Tensor:
    """Row `padding` gets no gradient; -1: every row gets its own. IndexError for an index outside the table,
    ValueError where index is not of integers or the table not a matrix."""
    if index.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"index is {index.dtype}; wanted int64 or int32")
    rows = index.long().reshape(1, -1) if index.dim() == 0 else index.long()
    (y,) = _embedding(table, rows, setting=str(padding))
    return y.reshape(-1) if index.dim() == 0 else y


def _reference(table: Tensor, index: Tensor, padding: int) -> Sequence[Tensor]:
    y = table[index]
    return [torch.where((index == padding).unsqueeze(-1), y.detach(), y)]


_embedding = register(EMBEDDING, _reference)
