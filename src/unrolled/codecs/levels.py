"""How loud a recording is, taken out of its log-mel rows x (T, M): the microphone's gain does not count.

    y_tj = max(x_tj - p_t, -DEPTH)        l_t = max_j x_tj, the loudest band of a frame

    recording   p_t = max_s l_s, the loudest of the whole recording
    running     p_0 = l_0 + ahead      p_t = max(p_{t-1} - fall, l_t)

`ahead` is how far the loudest frame stands above the first one, the median of the training recordings: what
is heard first is taken for the silence before a sound. A gain g adds 2 ln g to every x, and changes no y but
where x is the floor of files/wav.py. What is deeper than DEPTH is silence, whatever the room, the codec or
the number of bits made of it.

Rule     p_t follows from p_{t-1} and frame t in one order: the same bits whole, in chunks and in any company
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Kind = Literal["recording", "running"]

# Nats of power a second by which the running one falls, so that a loud sound is forgotten: 3 dB.
FALL = 0.3 * np.log(10)
# Nats of power below which sound is silence: 48 dB.
DEPTH = 11.0


@dataclass(frozen=True)
class Level:
    """`fall`: nats a step."""

    kind: Kind
    ahead: float = 0.0
    fall: float = 0.0

    @classmethod
    def fit(cls, kind: Kind, inputs: Sequence[Any], hop_ms: float) -> Self:
        """Of the training recordings (T_i, M)."""
        if kind == "recording":
            return cls(kind)
        above = [each.max() - each[0] for x in inputs if len(each := _known(_loudest(np.asarray(x))[:, 0]))]
        return cls(kind, float(np.median(above or [0])), float(FALL * hop_ms / 1000))

    def start(self, *rows: int) -> Array:
        """p (…, 1) before the first step."""
        return np.full((*rows, 1), -np.inf)

    def __call__(self, x: Array, p: Array) -> tuple[Array, Array]:
        """x (T, …, M) of the next T steps, of a recording all, and p (…, 1) before -> y, and p after."""
        loudest = _loudest(x)
        if self.kind == "recording":
            p = np.maximum(p, loudest.max(0, initial=-np.inf))
            return _less(x, p), p
        peaks = np.empty_like(loudest)
        for t, l_t in enumerate(loudest):
            p = np.where(np.isneginf(p), l_t + self.ahead, np.maximum(p - self.fall, l_t))
            peaks[t] = p
        return _less(x, peaks), p

    def whole(self, x: Array) -> Array:
        """x (T, M) of a whole recording -> y."""
        return self(x, self.start())[0]

    def about(self) -> dict[str, Any]:
        return vars(self)

    @classmethod
    def restore(cls, about: Mapping[str, Any]) -> Self:
        """TypeError or ValueError for what is none."""
        level = cls(**about)
        if level.kind not in ("recording", "running"):
            raise ValueError(f"a level by {level.kind!r:.40}")
        for number in (level.ahead, level.fall):
            if type(number) is not float or not 0 <= number < np.inf:
                raise ValueError(f"a level of {number!r:.40}")
        return level


def _loudest(x: NDArray[Any]) -> Array:
    """x (T, …, M) -> l (T, …, 1), -inf where nothing is known."""
    return np.asarray(np.fmax.reduce(x, axis=-1, keepdims=True, initial=-np.inf), np.float64)


def _known(loudest: Array) -> Array:
    return loudest[loudest > -np.inf]


def _less(x: Array, p: Array) -> Array:
    """y, NaN where nothing is known yet."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.maximum(x - p, -DEPTH)
