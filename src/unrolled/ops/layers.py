"""Recurrent layers on numpy arrays: the kernels of unrolled.nn, and so its bits.

Shapes   x (T, B, I), lengths (B,) -> y (T, B, F), F of both directions together; states (B, P) and (B, H)
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from itertools import groupby

import numpy as np

from unrolled.blocks.recurrent import Recurrent
from unrolled.cells import Cell
from unrolled.cells.layer import Place, rates_of
from unrolled.kernels.compiled import cpu as _cpu
from unrolled.ops.state import Array, State, rows_of

Zoneout = tuple[Sequence[Array], Sequence[Array]]  # of h and of c, as the compiled layer takes it


class Layer:
    """One layer, of one direction or two. Its arrays do not change, so the kernels look at weights once."""

    def __init__(self, block: Recurrent, places: Sequence[Place], arrays: Mapping[str, Array]) -> None:
        self.places, self.merge = places, block.merge
        self._weights = [arrays[name] for place in places for name in place.parameters]
        self.dtype = self._weights[0].dtype
        self.width = sum(place.sizes[0] for place in places)
        self._shares = [_shares(block, place, self.dtype) for place in places]
        self._zoned: tuple[int, int] | None = None
        self._zoneout: Zoneout = ((), ())
        self._bound = _bound(block.cell, places, self.dtype)

    def __call__(
        self, x: Array, state: Mapping[str, Array], lengths: Array | None = None, threads: int = 1
    ) -> tuple[Array, State]:
        """y and the state after each row's last step. Past a row's length x is not read and y is zero. y may
        share its memory with the state: read it only."""
        dtype, (T, B, _) = self.dtype, x.shape
        if x.dtype is not dtype:
            x = x.astype(dtype, copy=False)
        if T == 1 and lengths is None and len(self.places) == 1:
            return self._step(x, state, B, threads)
        y = np.empty((T, B, self.width), dtype)
        zoneout_h, zoneout_c = self._zoneout_of(T, B)
        h = [np.empty((B, place.sizes[0]), dtype) for place in self.places]
        c = [np.empty((B, width), dtype) for place in self.places for width in place.sizes[1:]]
        h0 = [state[place.states[0]] for place in self.places]
        c0 = [state[name] for place in self.places for name in place.states[1:]]
        arrays = [*self._weights, x, *h0, *c0, *zoneout_h, *zoneout_c, y, *h, *c]
        if lengths is None:
            self._forward(arrays, threads)
        else:
            self._forward_ragged([*arrays, lengths], threads)
        ends = [*zip(h, c, strict=True)] if c else [(last,) for last in h]
        after: State = {}
        for place, last in zip(self.places, ends, strict=True):
            after |= dict(zip(place.states, last, strict=True))
        return _merged(y, self.merge), after

    def _step(self, x: Array, state: Mapping[str, Array], B: int, threads: int) -> tuple[Array, State]:
        """One step in one direction, whose y is h: nothing is made that a stream does without."""
        place, dtype = self.places[0], self.dtype
        names, h = place.states, np.empty((B, place.sizes[0]), dtype)
        if len(names) == 1:
            arrays, after = [*self._weights, x, state[names[0]], h], {names[0]: h}
        else:
            c = np.empty((B, place.sizes[1]), dtype)
            arrays = [*self._weights, x, state[names[0]], state[names[1]], h, c]
            after = {names[0]: h, names[1]: c}
        if self._shares[0]:
            arrays += [share for kind in self._zoneout_of(1, B) for share in kind]
        self._forward_step(arrays, threads)
        return h[None], after

    @cached_property
    def _forward(self) -> Callable[[list[Array], int], None]:
        return self._bound.ordered(self._names).forward

    @cached_property
    def _forward_ragged(self) -> Callable[[list[Array], int], None]:
        return self._bound.ordered([*self._names, "lengths"]).forward

    @cached_property
    def _names(self) -> list[str]:
        """Of the arrays of a call, in order."""
        n, kinds = len(self.places), len(self.places[0].states)
        masks = ("zoneout_h", "zoneout_c")[:kinds] if self._shares[0] else ()
        before, after = (*("h0", "c0")[:kinds], *masks), ("h", "c")[:kinds]
        each = [name for name in before for _ in range(n)], [name for name in after for _ in range(n)]
        return [*["weights"] * len(self._weights), "x", *each[0], "y", *each[1]]

    @cached_property
    def _forward_step(self) -> Callable[[list[Array], int], None]:
        """The arrays of a step in an order that is said once."""
        kinds = len(self.places[0].states)
        names = ["weights"] * len(self._weights) + ["x", *("h0", "c0")[:kinds], *("y", "c")[:kinds]]
        masks = ("zoneout_h", "zoneout_c")[:kinds] if self._shares[0] else ()
        return self._bound.ordered([*names, *masks]).forward

    def _zoneout_of(self, T: int, B: int) -> Zoneout:
        """The shares of so many steps and rows; those of the last call are kept."""
        if not self._shares[0] or self._zoned == (T, B):
            return self._zoneout
        h, *c = zip(
            *[[np.broadcast_to(s, (T, B, s.size)) for s in shares] for shares in self._shares], strict=True
        )
        self._zoned, self._zoneout = (T, B), (h, c[0] if c else ())
        return self._zoneout


class Layers:
    """Layers on top of one another, with parameters of these names."""

    def __init__(self, block: Recurrent, arrays: Mapping[str, Array]) -> None:
        places = block.places()
        each = [list(of_layer) for _, of_layer in groupby(places, key=lambda place: place.layer)]
        self.layers = [Layer(block, of_layer, arrays) for of_layer in each]
        self.dtype = self.layers[0].dtype
        self._start = {
            name: (width, arrays[place.initial[k]] if place.initial else None)
            for place in places
            for k, (name, width) in enumerate(zip(place.states, place.sizes, strict=True))
        }

    def start(self, rows: int) -> State:
        """The state before the first step: zero, or what was learned."""
        state: State = {}
        for name, (width, learned) in self._start.items():
            state[name] = np.zeros((rows, width), self.dtype)
            if learned is not None:
                state[name][:] = learned
        return state

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


def _bound(cell: Cell, places: Sequence[Place], dtype: np.dtype) -> "_cpu.Recurrence":
    sizes = [(place.input_size, place.hidden_size, place.sizes[0]) for place in places]
    reverse = [place.reverse for place in places]
    bound = _cpu.Recurrence(cell.kernel, str(dtype), cell.block, list(places[0].names), sizes, reverse)
    bound.frozen = True
    return bound


def _shares(block: Recurrent, place: Place, dtype: np.dtype) -> list[Array]:
    """The share of each state that stays, the same for all steps and rows; none without zoneout."""
    rates = rates_of(block)
    shares = zip(place.sizes, rates, strict=True)
    return [np.full(width, rate, dtype) for width, rate in shares] if any(rates) else []


def _merged(y: Array, merge: str) -> Array:
    if merge == "concat":
        return y
    a, b = y[..., : y.shape[-1] // 2], y[..., y.shape[-1] // 2 :]
    if merge == "sum":
        return a + b
    return a * b if merge == "product" else (a + b) / y.dtype.type(2)
