"""Sound of one rate -> sound of another. Of samples s(m) at rate R, those at rate R' are

    y(n) = Σ_m s(m) h(n M / L - m)         L / M = R' / R in lowest terms, s(m) = 0 outside of the recording
    h(u) = sin(2π f u) / (π u) w(u / U)    f = 0.475 c: half of the amplitude there    c = min(1, L / M)
    w(r) = I₀(β √(1 - r²)) / I₀(β)         Kaiser's window, β = 10.06, U = 64 / c; 0 for |r| ≥ 1

What lies below 0.45 of the lower rate is kept, what lies above half of it is lower by 100 dB. n and m are
counted from one moment, the first sample: nothing is late. y ends with the last n M / L < S.

Shapes   s (S,) float64 -> y (⌈S L / M⌉,) float64
Source   Kaiser 1974; Smith, Digital Audio Resampling; Oppenheim and Schafer, Discrete-Time Signal Processing
Rule     each y(n) is one sum in one fixed order: it has the same bits for any cut of s into chunks, and on
         every processor (docs/decisions/0185)
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from math import ceil, gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.kernels.numpy import heads
from unrolled.kernels.numpy.functions import waves

Array = NDArray[np.float64]
State = dict[str, NDArray[Any]]

MIDDLE, ZEROS, BETA = 0.475, 64, 10.06
_TERMS = 60  # of the series of I₀: ((β / 2)⁶⁰ / 60!)² is nothing beside 1
_TOGETHER = 32  # outputs that one product gives
_AT_ONCE = 1 << 18  # samples of a long recording that are in work at once
_MOST_NUMBERS = 1 << 24  # values of h for one pair of rates

TAIL, POSITION = "tail", "position"


class Resampler:
    """From one rate to another, chunk by chunk:

        state = resampler.start()
        y, state = resampler(samples, state)      what is certain by now
        y = resampler.end(state)                  the rest, when the recording has ended

    The state is arrays, whose sizes follow from the rates: "tail" (2 D - 1,) float64, the last samples;
    "position" (2,) int64, how many outputs of a period of L are out, and how many samples came since then.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        """DataError for rates whose ratio takes too many numbers."""
        self.from_hz, self.to_hz = from_hz, to_hz
        divisor = gcd(from_hz, to_hz)
        L, M = to_hz // divisor, from_hz // divisor
        if 2 * ZEROS * max(L, M) > _MOST_NUMBERS:
            raise DataError(
                f"sound of {from_hz:,} Hz cannot be turned to {to_hz:,} Hz, whose ratio is {L}/{M}; "
                "convert it to a round rate first"
            )
        # A period is so many times L and M that products are of some size.
        periods = ceil(_TOGETHER / L)
        self.L, self.M = L * periods, M * periods
        self.D = -(-ZEROS * max(L, M) // L)
        self._h = dict[int, Array]()

    @property
    def ahead(self) -> int:
        """How many samples after an output's moment it follows from."""
        return self.D

    def start(self) -> State:
        return {TAIL: np.zeros(2 * self.D - 1), POSITION: np.zeros(2, np.int64)}

    def __call__(self, samples: Array, state: State) -> tuple[Array, State]:
        """samples (S,) and what was carried -> the outputs that are certain now, and what is carried on."""
        out, came = (int(count) for count in state[POSITION])
        came += len(samples)
        s = np.concatenate([state[TAIL], samples])
        # The last n with ⌊n M / L⌋ + D < came.
        ready = max(out, -((self.D - came) * self.L // self.M))
        y = self._outputs(s, came, out, ready)
        periods = ready // self.L
        position = np.array([ready - periods * self.L, came - periods * self.M], np.int64)
        return y, {TAIL: s[len(s) - len(state[TAIL]) :].copy(), POSITION: position}

    def end(self, state: State) -> Array:
        """The outputs that are still missing when no sample comes any more."""
        out, came = (int(count) for count in state[POSITION])
        last = max(out, -(-came * self.L // self.M))
        s = np.concatenate([state[TAIL], np.zeros(self.D)])
        return self._outputs(s, came + self.D, out, last)

    def whole(self, samples: Array) -> Array:
        """All outputs of a recording."""
        state, pieces = self.start(), list[Array]()
        for first in range(0, len(samples), _AT_ONCE):
            y, state = self(samples[first : first + _AT_ONCE], state)
            pieces.append(y)
        return np.concatenate([*pieces, self.end(state)])

    def _outputs(self, s: Array, came: int, first: int, last: int) -> Array:
        """y(first) … y(last - 1), first < L, where s ends with sample `came` - 1; before and behind it are
        zeros."""
        count = -(-last // self.L)  # periods
        begin, end = 1 - self.D, (count - 1) * self.M + self._moment(self.L - 1) + self.D + 1
        before = came - len(s)
        s = np.concatenate([np.zeros(max(0, before - begin)), s[max(0, begin - before) :]])
        s = np.concatenate([s, np.zeros(max(0, end - came))])
        y = np.empty((count, self.L))
        for p in range(0, self.L, _TOGETHER):
            h = self._products(p)
            rows = slice(int(p + len(h) <= first), -((p - last) // self.L))
            if rows.start < rows.stop:
                windows = np.lib.stride_tricks.sliding_window_view(s, h.shape[1])[self._moment(p) :: self.M]
                y[rows, p : p + len(h)] = heads.linear(windows[rows], h)
        return y.reshape(-1)[first:last]

    def _moment(self, p: int) -> int:
        """The last sample that is not after output p."""
        return p * self.M // self.L

    def _products(self, first: int) -> Array:
        """(P, K) h of the outputs from `first` on and of all samples that one of them follows from."""
        if first not in self._h:
            p = np.arange(first, min(first + _TOGETHER, self.L))[:, None]
            begin, end = self._moment(first) - self.D + 1, self._moment(int(p[-1, 0])) + self.D + 1
            self._h[first] = _filter(p * self.M - np.arange(begin, end) * self.L, self.L, self.M)
        return self._h[first]


@lru_cache(maxsize=4)
def resampler(from_hz: int, to_hz: int) -> Resampler:
    """One, with the numbers that it has worked out. DataError as of Resampler."""
    return Resampler(from_hz, to_hz)


def resampled(blocks: Iterable[Array], from_hz: int, to_hz: int) -> Iterator[Array]:
    """The samples of a recording, block by block. DataError as of Resampler."""
    if from_hz == to_hz:
        yield from blocks
        return
    one = resampler(from_hz, to_hz)
    state = one.start()
    for block in blocks:
        y, state = one(block, state)
        yield y
    yield one.end(state)


def _filter(q: NDArray[np.int64], L: int, M: int) -> Array:
    """h(q / L)."""
    c = min(1.0, L / M)
    u = q / L
    turns = MIDDLE * q / max(L, M)
    sine = waves(turns - np.floor(turns))[0]
    h = np.where(q == 0, 2 * MIDDLE * c, sine / np.where(q == 0, 1.0, np.pi * u))
    inside = np.maximum(0.0, 1 - np.square(u * c / ZEROS))
    return np.where(inside > 0, h * _bessel(BETA * np.sqrt(inside)) / _bessel(np.array(BETA)), 0.0)


def _bessel(x: Array) -> Array:
    """I₀(x) = Σ_k ((x / 2)ᵏ / k!)²."""
    square, term, total = np.square(x / 2), np.ones_like(x), np.ones_like(x)
    for k in range(1, _TERMS):
        term = term * square / (k * k)
        total = total + term
    return total
