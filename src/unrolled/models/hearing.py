"""A recording as its samples come, for models that hear: the frames that they fill become log-mel features
(files/wav.py), and what overlaps with later frames is carried.

    law   the frames of a recording in chunks of any sizes are those of the whole, to the bit

The state holds how many samples n came, and those among them that a later frame has too: of T frames of W
samples, hop V, that are full, the next begins at T V. Samples of another rate are turned to that of the model
first (files/sample_rate.py), n counts what comes out.

Shapes   samples (S,) -> x (T, M) float32; the state is of one row
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigError, DataError
from unrolled.files.messages import shown
from unrolled.files.sample_rate import POSITION, TAIL, Resampler, resampler
from unrolled.files.samples import LEAST_HZ, LOUDEST, MOST_HZ
from unrolled.files.wav import Audio, log_mel_frames
from unrolled.ops.state import Array, State

SOUND = "sound."  # what begins the names of the arrays that are carried of a recording
SAMPLES, OVERLAP = SOUND + "samples", SOUND + "overlap"
MOST_SAMPLES = 1 << 62
# What whole numbers of so many bits are divided by, as in WAV files.
WHOLE = {np.dtype(f"i{size}"): float(1 << 8 * size - 1) for size in (2, 4)}
WANTED = "floats from -1 to 1, or whole numbers of 16 or 32 bits"


@dataclass(frozen=True)
class Hearing:
    """How a model hears: `audio` at `rate_hz`, of samples that come at `from_hz`."""

    audio: Audio
    rate_hz: int
    from_hz: int

    @classmethod
    def of(cls, about: Mapping[str, Any] | None, features: tuple[str, ...]) -> Self | None:
        """What a description says of it, of a model that reads these features. ValueError where they do not
        fit."""
        if about is None:
            return None
        try:
            audio = Audio(**about)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        if type(audio.rate_hz) is not int or audio.rate_hz < 1 or audio.names != features:
            raise ValueError(f"recordings of {audio.rate_hz!r:.20} Hz and {audio.mels} mels")
        return cls(audio, audio.rate_hz, audio.rate_hz)

    def at(self, rate_hz: int) -> Self:
        """The same of samples at another rate. ConfigError for one that cannot be, DataError as of
        `resampler`."""
        if type(rate_hz) is not int or not LEAST_HZ <= rate_hz <= MOST_HZ:
            raise ConfigError(f"rate_hz: wanted {LEAST_HZ:,} to {MOST_HZ:,}, got {rate_hz!r:.40}")
        other = replace(self, from_hz=rate_hz)
        _ = other._resampler
        return other

    def start(self) -> State:
        """Before the first sample."""
        W, _ = self.audio.samples(self.rate_hz)
        state: State = {SAMPLES: np.zeros((1, 1), np.int64), OVERLAP: np.zeros((1, W - 1))}
        return state | (_named(self._resampler.start()) if self._resampler else {})

    def sound(self, state: Mapping[str, Array]) -> bool:
        """Whether a snapshot may hold this: arrays as those of `start`."""
        sane = 0 <= state[SAMPLES][0, 0] < MOST_SAMPLES and np.isfinite(state[OVERLAP]).all()
        if not self._resampler:
            return bool(sane)
        (out, came), most = state[SOUND + POSITION][0], self._resampler.M + 2 * self._resampler.D
        sane = sane and 0 <= out < self._resampler.L and 0 <= came <= most
        return bool(sane and np.isfinite(state[SOUND + TAIL]).all())

    def frames(self, samples: int) -> int:
        """How many frames so many samples fill."""
        W, V = self.audio.samples(self.rate_hz)
        return 0 if samples < W else 1 + (samples - W) // V

    def __call__(self, samples: Any, state: Mapping[str, Array]) -> tuple[NDArray[np.float32], State]:
        """The frames that these samples fill, with those before. DataError as of `scaled`."""
        new, n, after = scaled(samples), int(state[SAMPLES][0, 0]), self.start()
        if self._resampler:
            new, carried = self._resampler(new, _unnamed(state))
            after |= _named(carried)
        s = self._behind(state, new)
        x = log_mel_frames(s, self.rate_hz, self.audio)
        after[SAMPLES][:] = n + len(new)
        if (waiting := self._waiting(n + len(new))) > 0:
            after[OVERLAP][0, :waiting] = s[-waiting:]
        return x, after

    def rest(self, state: Mapping[str, Array]) -> NDArray[np.float32]:
        """What the end of the recording adds: of one shorter than a frame, a frame with zeros behind it; of
        another rate, what waited for more."""
        new, n = np.empty(0), int(state[SAMPLES][0, 0])
        if self._resampler:
            new = self._resampler.end(_unnamed(state))
        W, _ = self.audio.samples(self.rate_hz)
        if 0 < n + len(new) < W:
            new = np.concatenate([new, np.zeros(W - n - len(new))])
        s = self._behind(state, new)
        return log_mel_frames(s, self.rate_hz, self.audio)

    @property
    def _resampler(self) -> Resampler | None:
        return None if self.from_hz == self.rate_hz else resampler(self.from_hz, self.rate_hz)

    def _behind(self, state: Mapping[str, Array], new: NDArray[np.float64]) -> NDArray[np.float64]:
        """New samples behind those that wait for them, without those that no frame has."""
        waiting = self._waiting(int(state[SAMPLES][0, 0]))
        return np.concatenate([state[OVERLAP][0, :waiting], new]) if waiting >= 0 else new[-waiting:]

    def _waiting(self, samples: int) -> int:
        """Of so many samples, how many the next frame has; below 0, how many are passed over before it."""
        _, V = self.audio.samples(self.rate_hz)
        return samples - self.frames(samples) * V


def of_sound(name: str) -> bool:
    """Whether an array of a stream's state is carried of a recording."""
    return name.startswith(SOUND)


def _named(carried: State) -> State:
    """What a resampler carries, as arrays of one row in a stream's state."""
    return {SOUND + name: array[None] for name, array in carried.items()}


def _unnamed(state: Mapping[str, Array]) -> State:
    return {name: state[SOUND + name][0] for name in (TAIL, POSITION)}


def are_samples(chunk: Any, empty: bool = False) -> bool:
    """Whether what users give of a recording is its samples, not rows of its features; `empty`: what a list
    of nothing is."""
    if isinstance(chunk, list | tuple):
        return isinstance(chunk[0], int | float | np.number) if chunk else empty
    return getattr(chunk, "ndim", None) == 1


def scaled(samples: Any) -> NDArray[np.float64]:
    """Samples (S,) as those of a file. DataError for what are none."""
    try:
        array = np.asarray(samples)
    except ValueError as error:  # lists of several lengths
        raise DataError(f"wanted samples (S,), {WANTED}: {shown(str(error), 60)}") from None
    if array.ndim != 1 or not (array.dtype.kind == "f" or array.dtype in WHOLE or not array.size):
        raise DataError(f"wanted samples (S,), {WANTED}, got {array.dtype} {array.shape}")
    s = array.astype(np.float64) / WHOLE.get(array.dtype, 1.0)
    sane = np.abs(s) <= LOUDEST  # NaN is not
    if not sane.all():
        at = int(np.argmin(sane))
        raise DataError(f"sample {at + 1:,} of the chunk is {s[at]:g}; wanted {WANTED}")
    return s
