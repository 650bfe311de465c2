"""Rows of a table as torch operators, `unrolled::embedding` and its gradient `unrolled::embedding_backward`:

    y_r = table[index_r]        d_table[v] = Σ dy_r over the r with index_r = v, in order; 0 for the padding

Shapes   index (...) of int64 -> y (..., N) for a table (V, N)
Order    d_table's sums run over all of index in order: threads and vectors change no bit
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels.torch.heads import LIBRARY, check, flat, kernel, place
from unrolled.kernels.torch.operators import Formulas, Tensors, transformable


def embedding(index: Tensor, table: Tensor, padding: int = -1) -> Tensor:
    """Row `padding` gets no gradient; -1: every row gets its own. IndexError for an index outside the table,
    ValueError where index is not of integers or the table not a matrix."""
    if index.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"index is {index.dtype}; wanted int64 or int32")
    rows = index.long().reshape(1, -1) if index.dim() == 0 else index.long()
    y = _embedding(str(padding), [table, rows])[0]
    return y.reshape(-1) if index.dim() == 0 else y


# Formulas, as operators.py wants them. The form is the padding; the gradient takes the table for its size.


def _fake(padding: str, tensors: Sequence[Tensor]) -> Tensors:
    table, index = tensors
    if table.dim() != 2:
        raise ValueError(f"table is {tuple(table.shape)}; wanted (V, N)")
    return [table.new_empty(*index.shape, table.shape[1])]


def _run(padding: str, tensors: Sequence[Tensor]) -> Tensors:
    (y,) = _fake(padding, tensors)
    table, index = map(flat, tensors)
    V, N = table.shape
    kernel("embedding", y)(
        torch.get_num_threads(), index.numel(), N, V, index.data_ptr(), place(table), place(y)
    )
    return [y]


def _save(ctx: Any, padding: str, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    ctx.save_for_backward(*tensors)
    ctx.padding = padding


def _derive(ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> list[Tensor | None]:
    (table, index), (dy,) = ctx.saved_tensors, cotangents
    return [None if dy is None else _embedding_backward(ctx.padding, [dy, index, table])[0], None]


def _fake_backward(padding: str, tensors: Sequence[Tensor]) -> Tensors:
    dy, index, table = tensors
    check("dy", dy, (*index.shape, table.shape[1]), table)
    return [dy.new_empty(table.shape)]


def _run_backward(padding: str, tensors: Sequence[Tensor]) -> Tensors:
    (d_table,) = _fake_backward(padding, tensors)
    dy, index = map(flat, tensors[:2])
    V, N = d_table.shape
    kernel("embedding_backward", dy)(
        torch.get_num_threads(),
        index.numel(),
        N,
        V,
        int(padding),
        index.data_ptr(),
        place(dy),
        place(d_table),
    )
    return [d_table]


def _save_backward(ctx: Any, padding: str, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    ctx.save_for_backward(tensors[1])
    ctx.padding = int(padding)


def _derive_backward(
    ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]
) -> list[Tensor | None]:
    (index,), (u,) = ctx.saved_tensors, cotangents
    if u is None:
        return [None, None, None]
    return [torch.where((index == ctx.padding).unsqueeze(-1), 0, embedding(index, u)), None, None]


def _batches(form: str) -> tuple[list[int | None], list[int]]:
    return [None, 0], [0]


def _no_batches(form: str) -> None:
    return None


_embedding = transformable(LIBRARY, "embedding", Formulas(_run, _fake, _save, _derive, str, str, _batches))
_embedding_backward = transformable(
    LIBRARY,
    "embedding_backward",
    Formulas(_run_backward, _fake_backward, _save_backward, _derive_backward, str, str, _no_batches),
)
