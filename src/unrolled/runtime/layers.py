"""The recurrent layers of a trained model on numpy arrays: the kernels of unrolled.nn, and so its bits.

A layer is described by plain values, and its parameters are found by name among the model's arrays:

    {"cell": "lstm", "options": {"peephole": true}, "merge": "concat", "residual": false,
     "zoneout": [0.1, 0.0],
     "directions": [{"reverse": false, "sizes": [I, H, P],
                     "parameters": {"weight_ih": "layer.weight_ih_l0", …},
                     "states": ["layer0.forward.h", …], "initial": ["layer.initial_h_l0", …] or []}]}

Shapes   x (T, B, I), lengths (B,) -> y (T, B, F), F of both directions together; states (B, P) and (B, H)
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unrolled.cells import Cell
from unrolled.cells.registry import read_cell
from unrolled.errors import RunError
from unrolled.kernels.compiled import cpu as _cpu
from unrolled.runtime import shapes
from unrolled.runtime.state import Array, State, rows_of

NOWHERE = (0, 0, 0)
FEW_ROWS = 4  # so few that a step of theirs is sooner done than handed over to run beside Python


class Direction:
    """One direction of one layer: its weights, packed when they are first needed."""

    def __init__(self, about: Mapping[str, Any], cell: Cell, arrays: Mapping[str, Array]) -> None:
        self.reverse, self.states = bool(about["reverse"]), tuple(map(str, about["states"]))
        self.sizes = I, H, P = tuple(about["sizes"])
        self.widths = (P, H)[: len(self.states)]
        self.stored = [*about["parameters"].values(), *about["initial"]]  # under these names
        own = {name: arrays[stored] for name, stored in about["parameters"].items()}
        shapes.require(cell, (I, H, P), own)
        self.parameters = {name: np.require(p, requirements=["C", "A"]) for name, p in own.items()}
        self.dtype = self.parameters["weight_hh"].dtype
        self.initial = [arrays[name] for name in about["initial"]]
        if len(self.states) != len(cell.states):
            raise ValueError(f"{len(self.states)} states of {cell.name}")
        self._require_initial()
        places = {
            name: (_cpu.address(p), *(stride // p.itemsize for stride in p.strides[:-1]))
            for name, p in self.parameters.items()
        }
        self.layer = _cpu.Layer(cell.kernel, str(self.dtype), (I, H, P, cell.block), places)

    def _require_initial(self) -> None:
        found = [(array.shape, array.dtype) for array in self.initial]
        if found and found != [((width,), self.dtype) for width in self.widths]:
            raise ValueError(f"initial states of {str(found)[:60]}")

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
        cell = read_cell(about["cell"], about["options"])
        self.directions = [Direction(one, cell, arrays) for one in about["directions"]]
        self.merge, self.residual = str(about["merge"]), bool(about["residual"])
        self.zoneout = [float(rate) for rate in about["zoneout"]]
        self.dtype = self.directions[0].dtype
        width = sum(one.sizes[2] for one in self.directions)
        self.input_size = self.directions[0].sizes[0]
        self.output_size = width if self.merge == "concat" else width // 2
        self._require()
        self._shares = [self._shares_of(one) for one in self.directions]
        first = self.directions[0]
        places = [0 if share is None else _cpu.address(share) for share in self._shares[0]]
        self._stepper = _cpu.Stepper(first.layer, *places) if len(self.directions) == 1 else None

    def _require(self) -> None:
        sizes = {one.sizes[2] for one in self.directions}
        fits = len(self.directions) in (1, 2) and self.merge in shapes.MERGES
        fits = fits and len({(one.sizes[0], one.dtype) for one in self.directions}) == 1
        fits = fits and (self.merge == "concat" or (len(self.directions) == 2 and len(sizes) == 1))
        fits = fits and (not self.residual or self.input_size == self.output_size)
        fits = fits and len(self.zoneout) <= 2 and all(0 <= rate <= 1 for rate in self.zoneout)
        if not fits:
            raise ValueError("directions, merge, residual and zoneout that do not go together")

    def _shares_of(self, one: Direction) -> list[Array | None]:
        """The share of each state that stays, the same for all steps and rows."""
        rates = (*self.zoneout, 0.0, 0.0)[:2]
        widths = (*one.widths, 0)
        return [
            np.full(width, rate, self.dtype) if any(rates) and width else None
            for width, rate in zip(widths, rates, strict=False)
        ]

    def start(self, rows: int) -> State:
        """The state before the first step."""
        return {name: array for one in self.directions for name, array in one.start(rows).items()}

    def __call__(
        self, x: Array, state: Mapping[str, Array], lengths: Array | None = None, threads: int = 1
    ) -> tuple[Array, State]:
        """y and the state after each row's last step. Past a row's length x is not read and y is zero. y may
        share its memory with the state: read it only."""
        T, B, _ = x.shape
        if T == 1 and 0 < B <= FEW_ROWS and lengths is None and self._stepper is not None:
            return self._step(self._stepper, x, state, B)
        x = np.ascontiguousarray(x, self.dtype)
        widths = [one.sizes[2] for one in self.directions]
        y = np.empty((T, B, sum(widths)), self.dtype)
        after: State = {}
        alive, calls, offset = [x, y, lengths], [], 0
        for one, width, shares in zip(self.directions, widths, self._shares, strict=True):
            before = [np.ascontiguousarray(state[name], self.dtype) for name in one.states]
            last = [np.empty_like(array) for array in before]
            alive += [*before, *last]
            after |= dict(zip(one.states, last, strict=True))
            place = (_cpu.address(y) + offset * y.itemsize, B * y.shape[2], y.shape[2])
            offset += width
            calls.append(
                [
                    *_ends(before),
                    *NOWHERE,
                    *(n for share in shares for n in (_address(share), 0, 0)),
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
                _address(lengths),
                (_cpu.address(x), B * x.shape[2], x.shape[2]),
                calls,
            )
        else:
            after = {name: np.array(state[name], self.dtype) for name in after}
        y = _merged(y, self.merge)
        return (x + y if self.residual else y), after

    def _step(
        self, stepper: "_cpu.Stepper", x: Array, state: Mapping[str, Array], B: int
    ) -> tuple[Array, State]:
        """One step of few rows."""
        one, dtype = self.directions[0], self.dtype
        if x.dtype != dtype or not x.flags.c_contiguous:
            x = np.ascontiguousarray(x, dtype)
        h_name, *c_name = one.states
        h = np.empty((B, one.sizes[2]), dtype)
        if c_name:
            c = np.empty((B, one.sizes[1]), dtype)
            stepper.run(B, x, state[h_name], state[c_name[0]], h, c)
            after = {h_name: h, c_name[0]: c}
        else:
            stepper.run(B, x, state[h_name], None, h, None)
            after = {h_name: h}
        return (x + h if self.residual else h[None]), after


class Layers:
    """Layers on top of one another."""

    def __init__(self, about: Sequence[Mapping[str, Any]], arrays: Mapping[str, Array]) -> None:
        try:
            self.layers = [Layer(one, arrays) for one in about]
            shapes.require_together(self.layers)
            self.dtype, self.output_size = self.layers[0].dtype, self.layers[-1].output_size
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise RunError(
                f"its layers are not described as they should be ({error!r:.80}); restore it"
            ) from error
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
    addresses = [_cpu.address(array) for array in states]
    return [*addresses, 0][:2]


def _address(array: Array | None) -> int:
    return 0 if array is None else _cpu.address(array)


def _merged(y: Array, merge: str) -> Array:
    if merge == "concat":
        return y
    a, b = y[..., : y.shape[-1] // 2], y[..., y.shape[-1] // 2 :]
    if merge == "sum":
        return a + b
    return a * b if merge == "product" else (a + b) / y.dtype.type(2)
