"""Weights in the layout that the kernels read, made once and kept while the weights stay as they are.

What is kept belongs to the weights themselves: it is found by their identity and goes when one of them goes.
It is made anew where the memory or strides of one have changed, and packed anew where its version has; sizes
are the layer's and stay. A module holds nothing of it, so copies, pickles and threads know nothing of it
either.
"""

import atexit
import weakref
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from unrolled.cells import Cell
from unrolled.kernels import _cpu
from unrolled.kernels.torch import fused as fused
from unrolled.kernels.torch.form import Sizes, sizes_of

DTYPES = {torch.float32: "float32", torch.float64: "float64"}


class Packed(NamedTuple):
    """The weights of one direction as the kernels want them."""

    layer: _cpu.Layer
    sizes: Sizes
    widths: tuple[int, ...]  # of the states
    dtype: torch.dtype
    tape: int  # numbers per token that a training call leaves for backward
    copies: tuple[Tensor, ...]  # which the layer reads where a weight's rows are not adjacent in memory


class _Entry(NamedTuple):
    packed: Packed
    cell: Cell
    names: tuple[str, ...]
    weights: tuple[weakref.ref[Tensor], ...]
    stamp: list[tuple[int, int, tuple[int, ...]]]  # of each weight: address, version, strides


_entries: dict[tuple[int, ...], _Entry] = {}
atexit.register(_entries.clear)  # the compiled module counts its layers when the interpreter ends


def pack(cell: Cell, names: tuple[str, ...], parameters: Sequence[Tensor]) -> Packed:
    """The parameters of one direction, `names` of them, packed. ValueError where they do not fit together."""
    packed = kept(cell, names, parameters)
    if packed is not None:
        return packed
    if any(p.is_inference() for p in parameters):  # of these nobody could tell a change
        return _pack(cell, dict(zip(names, parameters, strict=True)))
    stamp = [(p.data_ptr(), p._version, p.stride()) for p in parameters]
    packed = _pack(cell, dict(zip(names, parameters, strict=True)))
    if packed.copies:  # nor of these
        return packed
    key = tuple(map(id, parameters))

    def forget(_: object) -> None:
        _entries.pop(key, None)

    weights = tuple(weakref.ref(p, forget) for p in parameters)
    _entries[key] = _Entry(packed, cell, names, weights, stamp)
    return packed


def kept(cell: Cell, names: tuple[str, ...], parameters: Sequence[Tensor]) -> Packed | None:
    """What was made of these very parameters, where they lie as they did then; None where there is nothing.

    Their identities prove that they are an entry's weights, since it goes before one of those does.
    """
    entry = _entries.get(tuple(map(id, parameters)))
    if entry is None or entry.names != names or not (entry.cell is cell or entry.cell == cell):
        return None
    stamp = [(p.data_ptr(), p._version, p.stride()) for p in parameters]
    if entry.stamp == stamp:
        return entry.packed
    if any(old[0] != new[0] or old[2] != new[2] for old, new in zip(entry.stamp, stamp, strict=True)):
        return None
    entry.packed.layer.renew()  # before the stamp says so: another thread may look at it meanwhile
    entry.stamp[:] = stamp
    return entry.packed


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
    layer = _layer(cell, dtype, sizes, places)
    return Packed(layer, sizes, cell.state_sizes(sizes.H), dtype, layer.tape, copies)


def _layer(cell: Cell, dtype: torch.dtype, sizes: Sizes, places: dict[str, tuple[int, ...]]) -> _cpu.Layer:
    return _cpu.Layer(cell.kernel, DTYPES[dtype], (*sizes, cell.block), places)


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
    return _layer(cell, dtype, sizes, nowhere).tape
