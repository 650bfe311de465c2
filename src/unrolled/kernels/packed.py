"""Weights in the layout that the kernels read, made once and kept while the weights stay as they are.

What is kept belongs to the weights themselves: it is found by their identity and goes when one of them goes.
It is made anew where the memory, version or strides of one have changed; sizes are the layer's and stay. A
module holds nothing of it, so copies, pickles and threads know nothing of it either.
"""

import atexit
import weakref
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.cells import GRU, LSTM, Cell, Elman
from unrolled.kernels import _cpu
from unrolled.kernels.form import Sizes, sizes_of

DTYPES = {torch.float32: "float32", torch.float64: "float64"}


def _lstm_name(cell: LSTM) -> str:
    return "lstm" + ".coupled" * cell.coupled_input_forget + ".peephole" * cell.peephole


NAMES: dict[type[Cell], Any] = {
    Elman: lambda cell: f"elman.{cell.nonlinearity}",
    GRU: lambda cell: "gru" if cell.reset_after else "gru.before",
    LSTM: _lstm_name,
}


class Packed(NamedTuple):
    """The weights of one direction as the kernels want them."""

    layer: _cpu.Layer
    sizes: Sizes
    widths: tuple[int, ...]  # of the states
    dtype: torch.dtype
    copies: tuple[Tensor, ...]  # which the layer reads where a weight's rows are not adjacent in memory


class _Entry(NamedTuple):
    packed: Packed
    cell: Cell
    names: tuple[str, ...]
    weights: tuple[weakref.ref[Tensor], ...]
    stamp: list[Any]


_entries: dict[tuple[int, ...], _Entry] = {}
atexit.register(_entries.clear)  # the compiled module counts its layers when the interpreter ends


def pack(cell: Cell, names: tuple[str, ...], parameters: Sequence[Tensor]) -> Packed:
    """The parameters of one direction, `names` of them, packed. ValueError where they do not fit together."""
    packed = kept(cell, names, parameters)
    if packed is not None:
        return packed
    stamp = None if any(p.is_inference() for p in parameters) else _stamp(parameters)
    packed = _pack(cell, dict(zip(names, parameters, strict=True)))
    if stamp is None or packed.copies:  # of inference tensors and of copies nobody could tell a change
        return packed
    key = tuple(map(id, parameters))

    def forget(_: object) -> None:
        _entries.pop(key, None)

    weights = tuple(weakref.ref(p, forget) for p in parameters)
    _entries[key] = _Entry(packed, cell, names, weights, stamp)
    return packed


def kept(cell: Cell, names: tuple[str, ...], parameters: Sequence[Tensor]) -> Packed | None:
    """What was made of these very parameters as they are now; None where there is nothing.

    Their identities prove that they are an entry's weights, since it goes before one of those does.
    """
    entry = _entries.get(tuple(map(id, parameters)))
    if entry is None or entry.names != names or not (entry.cell is cell or entry.cell == cell):
        return None
    return entry.packed if entry.stamp == _stamp(parameters) else None


def _stamp(parameters: Sequence[Tensor]) -> list[Any]:
    return [(p.data_ptr(), p._version, p.stride()) for p in parameters]


def _pack(cell: Cell, parameters: dict[str, Tensor]) -> Packed:
    sizes = sizes_of(cell, parameters)
    dtype = parameters["weight_ih"].dtype
    for name, parameter in parameters.items():
        if parameter.dtype != dtype or not parameter.is_cpu:
            raise ValueError(
                f"{name} is {parameter.dtype} on {parameter.device}; weight_ih is {dtype}, wanted on the cpu"
            )
    if dtype not in DTYPES:
        raise ValueError(f"the kernels compute in {' and '.join(DTYPES.values())}, not in {dtype}")
    laid_out = {name: rows(p) for name, p in parameters.items()}
    copies = tuple(p for name, p in laid_out.items() if p is not parameters[name])
    places = {name: (p.data_ptr(), *p.stride()[:-1]) for name, p in laid_out.items()}
    layer = _cpu.Layer(NAMES[type(cell)](cell), DTYPES[dtype], sizes, places)
    return Packed(layer, sizes, cell.state_sizes(sizes.H), dtype, copies)


def rows(tensor: Tensor) -> Tensor:
    """The tensor, copied where neighbours in its last dimension are not neighbours in memory."""
    return tensor if tensor.stride(-1) == 1 or tensor.shape[-1] < 2 else tensor.contiguous()


@lru_cache(maxsize=1024)
def tape_size(cell: Cell, names: tuple[str, ...], sizes: Sizes, dtype: torch.dtype) -> int:
    """Numbers per token that a training call leaves for backward."""
    nowhere = {
        name: (0,) * len(shape)
        for name, shape in cell.shapes(sizes.I, sizes.H, True).items()
        if name in names
    }
    return _cpu.Layer(NAMES[type(cell)](cell), DTYPES[dtype], sizes, nowhere).tape
