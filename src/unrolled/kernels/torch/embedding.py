"""Rows of a table as torch operators, `unrolled::embedding` and its gradient `unrolled::embedding_backward`:

    y_r = table[index_r]        d_table[v] = Σ dy_r over the r with index_r = v, in order; 0 for the padding

Shapes   index (...) of int64 -> y (..., N) for a table (V, N)
Order    d_table's sums run over all of index in order: threads and vectors change no bit
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from unrolled.kernels.compiled import cpu as _cpu
from unrolled.kernels.torch.heads import Head, adjacent, register, whole
from unrolled.kernels.torch.operators import Gradients, Tensors


def embedding(index: Tensor, table: Tensor, padding: int = -1) -> Tensor:
    """Row `padding` gets no gradient; -1: every row gets its own. IndexError for an index outside the table,
    ValueError where index is not of integers or the table not a matrix."""
    if index.dtype not in (torch.int32, torch.int64):
        raise ValueError(f"index is {index.dtype}; wanted int64 or int32")
    rows = index.long().reshape(1, -1) if index.dim() == 0 else index.long()
    y = _embedding(str(padding), [table, rows])[0]
    return y.reshape(-1) if index.dim() == 0 else y


# The options are the padding. The gradient keeps the table for its size.


def _empty(padding: str, tensors: Sequence[Tensor]) -> Tensors:
    table, index = tensors
    return [table.new_empty((*index.shape, table.shape[-1]))]


def _fill(padding: str, tensors: Sequence[Tensor], outputs: Tensors) -> None:
    table, index = tensors
    _cpu.embedding(whole(index), adjacent(table), outputs[0], threads=torch.get_num_threads())


def _fill_gradients(padding: str, tensors: Tensors, gradients: Gradients) -> None:
    dy, _, index = tensors
    _cpu.embedding_backward(
        whole(dy), whole(index), gradients[0], padding=int(padding), threads=torch.get_num_threads()
    )


def _reference(padding: str, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
    table, index = tensors
    return [table[index]]


def _reference_gradients(padding: str, tensors: Tensors, needs: Sequence[bool]) -> Sequence[Tensor | None]:
    dy, table, index = tensors
    rows = torch.where((index == int(padding)).unsqueeze(-1), 0, dy).reshape(-1, dy.shape[-1])
    return [torch.zeros_like(table).index_add(0, index.reshape(-1), rows), None]


_embedding = register(
    "embedding",
    Head(
        _empty,
        _fill,
        lambda padding, tensors, outputs: tensors,
        lambda padding, tensors: [tensors[1].shape, None],
        _fill_gradients,
        _reference,
        _reference_gradients,
        batches=lambda padding: ([None, 0], [0]),
    ),
)
