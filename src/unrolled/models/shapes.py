"""What the arrays of a layer must be: what the cell says of its parameters (cells/cell.py), within bounds."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from unrolled.cells import Cell
from unrolled.ops.state import Array

MERGES = ("concat", "sum", "mean", "product")
DTYPES = ("float32", "float64")
MOST = 1 << 16  # of each size: a panel of a packed matrix is many times its only column


def require(cell: Cell, sizes: Sequence[int], parameters: Mapping[str, Array]) -> None:
    """ValueError for names, shapes or types of parameters that are not this cell's, or not of these sizes."""
    if not all(type(n) is int and 0 < n <= MOST for n in (*sizes, cell.block)):
        raise ValueError(f"sizes {[*sizes, cell.block]!r:.60}")
    measured = cell.measure({name: p.shape for name, p in parameters.items()})
    if measured != tuple(sizes):
        raise ValueError(f"parameters of sizes {measured}, wanted {list(sizes)}")
    dtype = parameters["weight_hh"].dtype
    for name, p in parameters.items():
        if p.dtype != dtype or str(dtype) not in DTYPES:
            raise ValueError(f"{name} is {p.dtype}; wanted {dtype}, of {' or '.join(DTYPES)}")


def require_together(layers: Sequence[Any]) -> None:
    """ValueError where layers, each as it should be, do not make one network."""
    names = [name for layer in layers for one in layer.directions for name in one.states]
    used = [name for layer in layers for one in layer.directions for name in one.stored]
    # An array used again and again would be packed as often, whatever the size of the file.
    if len(set(names)) != len(names) or len(set(used)) != len(used):
        raise ValueError("a state or an array is named twice")
    if len({layer.dtype for layer in layers}) > 1:
        raise ValueError("layers of several types")
    for below, above in pairwise(layers):
        if above.input_size != below.output_size:
            raise ValueError(f"{below.output_size} features go into {above.input_size}")
