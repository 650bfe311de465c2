"""The recurrent layers of a trained model on numpy arrays: the kernels of unrolled.nn, and so its bits.

A layer is described by plain values, and its parameters are found by name among the model's arrays:

    {"cell": "lstm.peephole", "merge": "concat", "residual": false, "zoneout": [0.1, 0.0],
     "spread": [["i", n], ["f", n], ["g", m], ["o", n]] or null,    memory blocks: rows of each gate
     "directions": [{"reverse": false, "sizes": [I, H, P],
                     "parameters": {"weight_ih": "layer.weight_ih_l0", …},
                     "states": ["layer0.forward.h", …], "initial": ["layer.initial_h_l0", …] or []}]}

Shapes   x (T, B, I), lengths (B,) -> y (T, B, F), F of both directions together; states (B, P) and (B, H)
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import RunError
from unrolled.kernels import _cpu
from unrolled.runtime.state import Array, State, rows_of

NOWHERE = (0, 0, 0)
GATE_OF_CELLS = "g"  # of a memory block's gates the only one that each of its cells has for itself


class Direction:
    """One direction of one layer: its weights, packed when they are first needed."""

    def __init__(self, about: Mapping[str, Any], cell: str, spread: Any, arrays: Mapping[str, Array]) -> None:
        self.reverse, self.states = bool(about["reverse"]), tuple(map(str, about["states"]))
        self.sizes = I, H, P = tuple(int(n) for n in about["sizes"])
        self.widths = (P, H)[: len(self.states)]
        own = {name: arrays[stored] for name, stored in about["parameters"].items()}
        if spread is not None:
            own = {name: p if name == "weight_hr" else _spread(p, spread) for name, p in own.items()}
        self.parameters = {name: np.ascontiguousarray(p) for name, p in own.items()}  # the layer reads these
        self.dtype = self.parameters["weight_hh"].dtype
        self.initial = [arrays[name] for name in about["initial"]]
        _check(cell, I, H, P, self.parameters, self.dtype)
        places = {
            name: (p.ctypes.data, *(stride // p.itemsize for stride in p.strides[:-1]))
            for name, p in self.parameters.items()
        }
        self.layer = _cpu.Layer(cell, str(self.dtype), (I, H, P), places)

    def start(self, rows: int) -> State:
        """Zero, or what was learned."""
        made = {}
        for k, (name, width) in enumerate(zip(self.states, self.widths, strict=True)):
            made[name] = np.zeros((rows, width), self.dtype)
            if self.initial:
                made[name][:] = self.initial[k]
        return made


class Layer:
    """One layer, of one direction or two."""

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        cell, spread = str(about["cell"]), about["spread"]
        self.directions = [Direction(one, cell, spread, arrays) for one in about["directions"]]
        self.merge, self.residual = str(about["merge"]), bool(about["residual"])
        self.zoneout = [float(rate) for rate in about["zoneout"]]
        self.dtype, self.bidirectional = self.directions[0].dtype, len(self.directions) > 1
        width = sum(one.sizes[2] for one in self.directions)
        self.input_size = self.directions[0].sizes[0]
        self.output_size = width if self.merge == "concat" else width // 2

    def start(self, rows: int) -> State:
        """The state before the first step."""
        return {name: array for one in self.directions for name, array in one.start(rows).items()}

    def __call__(
        self, x: Array, state: Mapping[str, Array], lengths: Array | None = None, threads: int = 1
    ) -> tuple[Array, State]:
        """y and the state after each row's last step. Past a row's length x is not read and y is zero."""
        T, B, _ = x.shape
        x = np.ascontiguousarray(x, self.dtype)
        widths = [one.sizes[2] for one in self.directions]
        y = np.empty((T, B, sum(widths)), self.dtype)
        after: State = {}
        alive, calls, offset = [x, y, lengths], [], 0
        for one, width in zip(self.directions, widths, strict=True):
            before = [np.ascontiguousarray(state[name], self.dtype) for name in one.states]
            last = [np.empty_like(array) for array in before]
            alive += [*before, *last]
            after |= dict(zip(one.states, last, strict=True))
            place = (y.ctypes.data + offset * y.itemsize, B * y.shape[2], y.shape[2])
            offset += width
            calls.append(
                [
                    *_ends(before),
                    *NOWHERE,
                    *self._zones(one, alive),
                    *place,
                    *NOWHERE,
                    *_ends(last),
                    0,
                    0,
                ]
            )
        if T and B:
            _cpu.forward(
                [one.layer for one in self.directions],
                [one.reverse for one in self.directions],
                threads,
                0,
                (T, B),
                0 if lengths is None else lengths.ctypes.data,
                (x.ctypes.data, B * x.shape[2], x.shape[2]),
                calls,
            )
        else:
            after = {name: np.array(state[name], self.dtype) for name in after}
        y = _merged(y, self.merge)
        return (x + y if self.residual else y), after

    def _zones(self, one: Direction, alive: list[Any]) -> list[int]:
        """The share of each state that stays, the same for all steps and rows: strides of zero."""
        places: list[int] = []
        for k in range(2):
            if k < len(self.zoneout) and any(self.zoneout):
                alive.append(np.full(one.widths[k], self.zoneout[k], self.dtype))
                places += [alive[-1].ctypes.data, 0, 0]
            else:
                places += NOWHERE
        return places


class Layers:
    """Layers on top of one another."""

    def __init__(self, about: Sequence[Mapping[str, Any]], arrays: Mapping[str, Array]) -> None:
        try:
            self.layers = [Layer(one, arrays) for one in about]
            self.dtype, self.output_size = self.layers[0].dtype, self.layers[-1].output_size
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise RunError(
                f"its layers are not described as they should be ({error!r:.80}); restore it"
            ) from error
        for below, above in zip(self.layers, self.layers[1:], strict=False):
            if above.input_size != below.output_size:
                raise RunError(
                    f"its layers do not meet: {below.output_size} features go into {above.input_size}"
                )
        self.input_size = self.layers[0].input_size
        self.causal = not any(one.reverse for layer in self.layers for one in layer.directions)

    def start(self, rows: int) -> State:
        """The state before the first step."""
        return {name: array for layer in self.layers for name, array in layer.start(rows).items()}

    def __call__(
        self, x: Array, state: Mapping[str, Array], lengths: Array | None = None, threads: int = 1
    ) -> tuple[Array, State]:
        """x (T, B, I) -> y (T, B, F) and the state after each row's last step."""
        if x.shape[1] != rows_of(state):
            raise ValueError(f"x has {x.shape[1]} rows, the state {rows_of(state)}")
        after: State = {}
        for layer in self.layers:
            x, last = layer(x, state, lengths, threads)
            after |= last
        return x, after


def _ends(states: Sequence[Array]) -> list[int]:
    """The addresses of h and c, 0 for what is not there."""
    addresses = [array.ctypes.data for array in states]
    return [*addresses, 0][:2]


def _merged(y: Array, merge: str) -> Array:
    if merge == "concat":
        return y
    a, b = y[..., : y.shape[-1] // 2], y[..., y.shape[-1] // 2 :]
    if merge == "sum":
        return a + b
    return a * b if merge == "product" else (a + b) / y.dtype.type(2)


def _spread(p: Array, gates: Sequence[tuple[str, int]]) -> Array:
    """For each cell of a block the rows of i, f and o that its block has."""
    rows = dict(gates)
    blocks = min(rows.values())
    times, parts, first = rows[GATE_OF_CELLS] // blocks, [], 0
    for gate, count in gates:
        part = p[first : first + count]
        parts.append(part if gate == GATE_OF_CELLS else np.repeat(part, times, 0))
        first += count
    return np.concatenate(parts)


def _check(cell: str, I: int, H: int, P: int, parameters: Mapping[str, NDArray[Any]], dtype: Any) -> None:
    """ValueError for shapes that the kernel, which checks none, would read beyond."""
    gates = {"e": 1, "g": 3, "l": 4}[cell[0]] - (".coupled" in cell)
    wanted = {
        "weight_ih": (gates * H, I),
        "weight_hh": (gates * H, P),
        "bias_ih": (gates * H,),
        "bias_hh": (gates * H,),
        "weight_hr": (P, H),
        "gain_ih": (gates * H,),
        "gain_hh": (gates * H,),
        "gain_c": (H,),
        "shift_c": (H,),
    }
    if not (I > 0 and H > 0 and P > 0 and (P == H or "weight_hr" in parameters)):
        raise ValueError(f"sizes {I}, {H}, {P}")
    for name, p in parameters.items():
        # One row for each gate that looks at the cells' state.
        shape = (2 if ".coupled" in cell else 3, H) if name == "weight_peephole" else wanted[name]
        if p.shape != shape or p.dtype != dtype or str(dtype) not in ("float32", "float64"):
            raise ValueError(f"{name} is {p.dtype} {p.shape}, wanted {dtype} {shape}")
    missing = {"weight_ih", "weight_hh"} - parameters.keys()
    missing |= {"weight_peephole"} - parameters.keys() if ".peephole" in cell else set()
    if missing:
        raise ValueError(f"{', '.join(sorted(missing))} missing")
