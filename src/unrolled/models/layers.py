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
from unrolled.models import shapes
from unrolled.ops.state import Array, State, rows_of

Zoneout = tuple[Sequence[Array], Sequence[Array]]  # of h and of c, as the compiled layer takes it


class Direction:
    """One direction of one layer: its parameters and states."""

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
        self._width = width
        self._zoned: tuple[int, int] | None = None
        self._zoneout: Zoneout = ((), ())
        self._weights = [p for one in self.directions for p in one.parameters.values()]
        self._forward = self._bound(cell).forward

    def _bound(self, cell: Cell) -> "_cpu.Recurrence":
        """The compiled layer. A model's arrays do not change, so its weights are looked at once."""
        first = self.directions[0]
        if any(list(one.parameters) != list(first.parameters) for one in self.directions):
            raise ValueError("directions with different parameters")
        sizes, reverse = [one.sizes for one in self.directions], [one.reverse for one in self.directions]
        names = list(first.parameters)
        bound = _cpu.Recurrence(cell.kernel, str(self.dtype), cell.block, names, sizes, reverse)
        bound.frozen = True
        return bound

    def _require(self) -> None:
        sizes = {one.sizes[2] for one in self.directions}
        fits = len(self.directions) in (1, 2) and self.merge in shapes.MERGES
        fits = fits and len({(one.sizes[0], one.dtype) for one in self.directions}) == 1
        fits = fits and (self.merge == "concat" or (len(self.directions) == 2 and len(sizes) == 1))
        fits = fits and (not self.residual or self.input_size == self.output_size)
        fits = fits and len(self.zoneout) <= 2 and all(0 <= rate <= 1 for rate in self.zoneout)
        if not fits:
            raise ValueError("directions, merge, residual and zoneout that do not go together")

    def _shares_of(self, one: Direction) -> list[Array]:
        """The share of each state that stays, the same for all steps and rows; none without zoneout."""
        rates = (*self.zoneout, 0.0, 0.0)[: len(one.widths)]
        if not any(rates):
            return []
        return [np.full(width, rate, self.dtype) for width, rate in zip(one.widths, rates, strict=True)]

    def _zoneout_of(self, T: int, B: int) -> Zoneout:
        """The shares of so many steps and rows; those of the last call are kept."""
        if not self._shares[0] or self._zoned == (T, B):
            return self._zoneout
        h, *c = zip(*[[np.broadcast_to(s, (T, B, s.size)) for s in own] for own in self._shares], strict=True)
        self._zoned, self._zoneout = (T, B), (h, c[0] if c else ())
        return self._zoneout

    def start(self, rows: int) -> State:
        """The state before the first step."""
        return {name: array for one in self.directions for name, array in one.start(rows).items()}

    def __call__(
        self, x: Array, state: Mapping[str, Array], lengths: Array | None = None, threads: int = 1
    ) -> tuple[Array, State]:
        """y and the state after each row's last step. Past a row's length x is not read and y is zero. y may
        share its memory with the state: read it only."""
        dtype, (T, B, _) = self.dtype, x.shape
        if x.dtype is not dtype:
            x = x.astype(dtype, copy=False)
        if T == 1 and lengths is None and len(self.directions) == 1:
            return self._step(x, state, B, threads)
        y = np.empty((T, B, self._width), dtype)
        zoneout_h, zoneout_c = self._zoneout_of(T, B)
        h = [np.empty((B, one.widths[0]), dtype) for one in self.directions]
        c = [np.empty((B, width), dtype) for one in self.directions for width in one.widths[1:]]
        self._forward(
            self._weights,
            x,
            y,
            threads=threads,
            lengths=lengths,
            h0=[state[one.states[0]] for one in self.directions],
            c0=[state[name] for one in self.directions for name in one.states[1:]],
            zoneout_h=zoneout_h,
            zoneout_c=zoneout_c,
            h=h,
            c=c,
        )
        ends = [*zip(h, c, strict=True)] if c else [(last,) for last in h]
        after: State = {}
        for one, last in zip(self.directions, ends, strict=True):
            after |= dict(zip(one.states, last, strict=True))
        y = _merged(y, self.merge)
        return (x + y if self.residual else y), after

    def _step(self, x: Array, state: Mapping[str, Array], B: int, threads: int) -> tuple[Array, State]:
        """One step in one direction, whose y is h: nothing is made that a stream does without."""
        one = self.directions[0]
        zoneout_h, zoneout_c = self._zoneout_of(1, B)
        h = np.empty((B, one.widths[0]), self.dtype)
        c0: tuple[Array, ...] = ()
        c: tuple[Array, ...] = ()
        after = {one.states[0]: h}
        if len(one.states) > 1:
            name = one.states[1]
            c0, c = (state[name],), (np.empty((B, one.widths[1]), self.dtype),)
            after[name] = c[0]
        self._forward(
            self._weights,
            x,
            h,
            threads=threads,
            h0=(state[one.states[0]],),
            c0=c0,
            zoneout_h=zoneout_h,
            zoneout_c=zoneout_c,
            c=c,
        )
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


def _merged(y: Array, merge: str) -> Array:
    if merge == "concat":
        return y
    a, b = y[..., : y.shape[-1] // 2], y[..., y.shape[-1] // 2 :]
    if merge == "sum":
        return a + b
    return a * b if merge == "product" else (a + b) / y.dtype.type(2)
