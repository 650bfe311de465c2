"""Recordings as other voices, rooms and microphones would give them, for a training: of log-mel rows x (T, M)
of files/wav.py, before their level and scale, in this order

    voice    x'(j) = x(j α), α = e^u: a shorter or longer vocal tract, by lines between bands
    pace     x'(t) = x(t β), β = e^v, by lines between frames, where it may change
    colour   x' = x + a c_1(j) + b c_2(j), c_k(j) = cos(π k (j + ½) / M): a microphone that is not flat
    noise    x' = ln(e^x + n), n_tj = P 10^(-r / 10) w_j g_tj: r decibels below the speech, white or falling
             with the frequency, of the fluctuation that a band of its width has

P is the mean power of the frames above a tenth of the loudest, the power of a frame that of all its bands; w
the share of a band. All is drawn anew in each epoch, from (seed, epoch, example): a training that is resumed
has the same bits.

Source   Jaitly and Hinton 2013 (voice); Ko et al. 2015, doi:10.21437/Interspeech.2015-711 (pace)
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.codecs.inputs import Inputs, NumberInputs
from unrolled.files.examples import Examples
from unrolled.files.wav import FLOOR, Audio, filters
from unrolled.kernels.numpy import heads

Array = NDArray[np.float64]

# Largest u and v, and largest of each colour in nats of power.
VOICE, PACE, COLOUR = 0.1, 0.1, 0.7
# The share of recordings with noise, its decibels below the speech, and its fall in nats at most, from the
# lowest band to the highest.
NOISY, RATIOS, TILT = 0.6, (5.0, 25.0), 2.0
# Frames and bins overlap: so many numbers of a band vary as one that is independent.
ENVELOPE = 2.4


@dataclass(frozen=True)
class Augmented:
    """`inputs` encode the changed rows of `recordings` (N,) of (T_i, M)."""

    inputs: NumberInputs
    recordings: Sequence[NDArray[Any]]
    places: Sequence[str]
    audio: Audio
    seed: int
    paced: bool

    def __call__(self, index: int, epoch: int) -> Tensor:
        """One as that epoch has it, encoded (T, width)."""
        draw = np.random.default_rng([self.seed, epoch, index])
        x = changed(np.asarray(self.recordings[index], np.float64), self._filters, draw, self.paced)
        inputs, level = self.inputs, self.inputs.running
        if level is not None:
            inputs = replace(inputs, level=replace(level, ahead=level.ahead * draw.uniform(0, 2)))
        return torch.from_numpy(inputs.encode(x, self.places[index]))

    @property
    def _filters(self) -> Array:
        assert self.inputs.rate_hz is not None
        return filters(self.inputs.rate_hz, self.audio)


def of(config: Any, inputs: Inputs, train: Examples[Any, Any], paced: bool) -> Augmented | None:
    """For a training with such a configuration, where it changes recordings."""
    if not config.model.augment or not isinstance(inputs, NumberInputs):
        return None
    data = inputs.aligned(train)
    how = config.data.audio(), config.training.seed, paced
    return Augmented(inputs, data.inputs, data.places, *how)


def changed(x: Array, H: Array, draw: np.random.Generator, paced: bool) -> Array:
    """x (T, M), H (M, K / 2 + 1) the filters of its bands -> (T', M), T' = T where the pace stays."""
    T, M = x.shape
    u, v, *colour = draw.uniform(-1, 1, 4)
    if VOICE:
        x = _between(x.T, np.arange(M) * heads.exp(np.array([VOICE * u]))).T
    if paced and PACE:
        x = _between(x, np.arange(0, T - 0.5, heads.exp(np.array([PACE * v]))[0]))
    bands = np.pi * (np.arange(M) + 0.5) / M
    x = x + COLOUR * sum(a * np.cos(k * bands) for k, a in enumerate(colour, 1))
    if draw.random() < NOISY:
        x = _noisy(x, H, draw)
    return np.maximum(x, np.log(FLOOR))


def _between(rows: Array, at: NDArray[Any]) -> Array:
    """rows (N, …) at places (L,) between them, the last row behind them -> (L, …)."""
    at = np.minimum(at, len(rows) - 1)
    low = np.minimum(at.astype(np.int64), max(0, len(rows) - 2))
    share = (at - low)[:, None]
    return np.asarray((1 - share) * rows[low] + share * rows[np.minimum(low + 1, len(rows) - 1)])


def _noisy(x: Array, H: Array, draw: np.random.Generator) -> Array:
    power = heads.exp(x)
    of_frames = power.sum(1)
    P = of_frames[of_frames > 0.1 * of_frames.max()].mean()
    size = H.sum(1)
    tilt = draw.uniform(0, TILT) * np.arange(len(size)) / len(size)
    w = size * heads.exp(-tilt)
    ninth = ENVELOPE * np.square(H).sum(1) / (9 * size**2)
    g = 1 - ninth + np.sqrt(ninth) * draw.standard_normal(x.shape, np.float32)
    g = np.maximum(g * g * g, 0)
    n = P * 10 ** (-draw.uniform(*RATIOS) / 10) * (w / w.sum()) * g
    return np.asarray(heads.log(power + n))
