"""What the arrays of a layer must be. The kernels read by address and check nothing: what passes here, they
may read.

    cell            family, then options: lstm.coupled.peephole; families and their gates: GATES
    rows S          of all gates: G H; of an lstm whose K cells are a memory block (G - 1) H / K + H
    weights         weight_ih (S, I), weight_hh (S, P), always; each bias (S,) or none
    .peephole       weight_peephole (G - 1, H), always
    projection      weight_hr (P, H), of an lstm; without, P = H
    layer norm      gain_ih, gain_hh (S,), of an lstm gain_c and perhaps shift_c (H,) too; not of an elman
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

from unrolled.runtime.state import Array

GATES = {"elman": 1, "gru": 3, "lstm": 4}
STATES = {"elman": 1, "gru": 1, "lstm": 2}
MERGES = ("concat", "sum", "mean", "product")
DTYPES = ("float32", "float64")
MOST = 1 << 16  # of each size: a panel of a packed matrix is many times its only column


def family(cell: str) -> str:
    """The cell without its options. ValueError for none that is known."""
    name = cell.partition(".")[0]
    if name not in GATES:
        raise ValueError(f"no cell '{cell:.40}'")
    return name


def require(cell: str, sizes: Sequence[int], parameters: Mapping[str, Array]) -> None:
    """ValueError for names, shapes or types that the kernel would read beyond."""
    I, H, P, K = sizes
    if not all(type(n) is int and 0 < n <= MOST for n in sizes):
        raise ValueError(f"sizes {I!r:.20}, {H!r:.20}, {P!r:.20}, {K!r:.20}")
    if H % K or (K > 1 and family(cell) != "lstm"):
        raise ValueError(f"{H} cells of {cell} in memory blocks of {K}")
    always, maybe = _wanted(cell, sizes, parameters)
    if P != H and "weight_hr" not in always:
        raise ValueError(f"h of {P}, cells of {H} and no projection")
    if odd := (always.keys() - parameters.keys()) | (parameters.keys() - always.keys() - maybe.keys()):
        raise ValueError(f"{', '.join(sorted(odd)):.60} missing or not of {cell}")
    dtype = parameters["weight_hh"].dtype
    for name, p in parameters.items():
        shape = always.get(name) or maybe[name]
        if p.shape != shape or p.dtype != dtype or str(dtype) not in DTYPES:
            raise ValueError(f"{name} is {p.dtype} {p.shape}, wanted {dtype} {shape}")


Shapes = dict[str, tuple[int, ...]]


def _wanted(cell: str, sizes: Sequence[int], names: Collection[str]) -> tuple[Shapes, Shapes]:
    """What there must be, and what there may be."""
    kind, (I, H, P, K) = family(cell), sizes
    gates = GATES[kind] - (".coupled" in cell)
    rows = (gates - 1) * H // K + H
    always: Shapes = {"weight_ih": (rows, I), "weight_hh": (rows, P)}
    maybe: Shapes = {"bias_ih": (rows,), "bias_hh": (rows,)}
    if ".peephole" in cell:
        always["weight_peephole"] = (gates - 1, H)
    if kind == "lstm" and "weight_hr" in names:
        always["weight_hr"] = (P, H)
    if kind != "elman" and "gain_ih" in names:
        always |= {"gain_ih": (rows,), "gain_hh": (rows,)}
    if kind == "lstm" and "gain_ih" in names:
        always["gain_c"] = (H,)
        maybe["shift_c"] = (H,)
    return always, maybe


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
