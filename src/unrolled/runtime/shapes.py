"""What the arrays of a layer must be. The kernels read by address and check nothing: what passes here, they
may read.

    cell            family, then options: lstm.coupled.peephole; families and their gates: GATES
    weights         weight_ih (G H, I), weight_hh (G H, P), always; each bias (G H,) or none
    .peephole       weight_peephole (G - 1, H), always
    projection      weight_hr (P, H), of an lstm; without, P = H
    layer norm      gain_ih, gain_hh (G H,), of an lstm gain_c and perhaps shift_c (H,) too; not of an elman
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
GATE_OF_CELLS = "g"  # of a memory block's gates the only one that each of its cells has for itself


def family(cell: str) -> str:
    """The cell without its options. ValueError for none that is known."""
    name = cell.partition(".")[0]
    if name not in GATES:
        raise ValueError(f"no cell '{cell:.40}'")
    return name


def require(cell: str, sizes: Sequence[int], parameters: Mapping[str, Array]) -> None:
    """ValueError for names, shapes or types that the kernel would read beyond."""
    I, H, P = sizes
    if not all(type(n) is int and 0 < n <= MOST for n in sizes):
        raise ValueError(f"sizes {I!r:.20}, {H!r:.20}, {P!r:.20}")
    always, maybe = _wanted(cell, I, H, P, parameters)
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


def _wanted(cell: str, I: int, H: int, P: int, names: Collection[str]) -> tuple[Shapes, Shapes]:
    """What there must be, and what there may be."""
    kind = family(cell)
    gates = GATES[kind] - (".coupled" in cell)
    always: Shapes = {"weight_ih": (gates * H, I), "weight_hh": (gates * H, P)}
    maybe: Shapes = {"bias_ih": (gates * H,), "bias_hh": (gates * H,)}
    if ".peephole" in cell:
        always["weight_peephole"] = (gates - 1, H)
    if kind == "lstm" and "weight_hr" in names:
        always["weight_hr"] = (P, H)
    if kind != "elman" and "gain_ih" in names:
        always |= {"gain_ih": (gates * H,), "gain_hh": (gates * H,)}
    if kind == "lstm" and "gain_ih" in names:
        always["gain_c"] = (H,)
        maybe["shift_c"] = (H,)
    return always, maybe


def require_rows(spread: Sequence[tuple[str, int]], rows: int) -> int:
    """Cells of a memory block, whose gates have so many of `rows` each. ValueError where there is none."""
    counts = dict(spread)
    blocks = min(counts.values())
    fits = all(type(n) is int and n > 0 for n in counts.values()) and len(counts) == len(spread)
    if not fits or sum(counts.values()) != rows or counts[GATE_OF_CELLS] % blocks:
        raise ValueError(f"{rows} rows of gates are not {str(spread)[:40]}")
    if any(n != blocks for gate, n in counts.items() if gate != GATE_OF_CELLS):
        raise ValueError(f"gates of memory blocks with unequal rows {str(spread)[:40]}")
    return counts[GATE_OF_CELLS] // blocks


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
