"""Recurrent layers on numpy arrays: the kernels of unrolled.nn, and so its bits.

Shapes   x (T, B, I), lengths (B,) -> y (T, B, F), F of both directions together; states (B, P) and (B, H)
"""

from collections.abc import Mapping, Sequence
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
        self._forward = _bound(block.cell, places, self.dtype).forward

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
        self._forward(
            self._weights,
            x,
            y,
            threads=threads,
            lengths=lengths,
            h0=[state[place.states[0]] for place in self.places],
            c0=[state[name] for place in self.places for name in place.states[1:]],
            zoneout_h=zoneout_h,
            zoneout_c=zoneout_c,
            h=h,
            c=c,
        )
        ends = [*zip(h, c, strict=True)] if c else [(last,) for last in h]
        after: State = {}
        for place, last in zip(self.places, ends, strict=True):
            after |= dict(zip(place.states, last, strict=True))
        return _merged(y, self.merge), after

    def _step(self, x: Array, state: Mapping[str, Array], B: int, threads: int) -> tuple[Array, State]:
        """One step in one direction, whose y is h: nothing is made that a stream does without."""
        place = self.places[0]
        zoneout_h, zoneout_c = self._zoneout_of(1, B)
        h = np.empty((B, place.sizes[0]), self.dtype)
        c0: tuple[Array, ...] = ()
        c: tuple[Array, ...] = ()
        after = {place.states[0]: h}
        if len(place.states) > 1:
            name = place.states[1]
            c0, c = (state[name],), (np.empty((B, place.sizes[1]), self.dtype),)
            after[name] = c[0]
        self._forward(
            self._weights,
            x,
            h,
            threads=threads,
            h0=(state[place.states[0]],),
            c0=c0,
            zoneout_h=zoneout_h,
            zoneout_c=zoneout_c,
            c=c,
        )
        return h[None], after

    def _zoneout_of(self, T: int, B: int) -> Zoneout:
        """The shares of so many steps and rows; those of the last call are kept."""
        if not self._shares[0] or self._zoned == (T, B):
            return self._zoneout
        h, *c = zip(*[[np.broadcast_to(s, (T, B, s.size)) for s in own] for own in self._shares], strict=True)
        self._zoned, self._zoneout = (T, B), (h, c[0] if c else ())
        return self._zoneout


class Layers:
    """Layers on top of one another, with parameters of these names."""

    def __init__(self, block: Recurrent, arrays: Mapping[str, Array]) -> None:
        places = block.places()
        each = [list(own) for _, own in groupby(places, key=lambda place: place.layer)]
        self.layers = [Layer(block, own, arrays) for own in each]
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
