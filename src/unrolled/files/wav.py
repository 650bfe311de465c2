"""Recordings as log-mel features, a frame a step. Of samples s (S,) at rate R, frames of W samples, hop V:

    s_i(n) = s(i V + n) w(n)               w(n) = sin²(π n / W)          n = 0 … W - 1, Hann
    P_i(k) = |Σ_n s_i(n) exp(-2πi k n / K)|²                             K the least power of 2, K ≥ W,
                                                                        that leaves no H_j empty
    x_i(j) = ln(max(Σ_k H_j(k) P_i(k), 1e-10))                           j = 1 … M
    H_j(k) = max(0, min((f - a)/(c - a), (b - f)/(b - c)))               f = k R / K

a, c, b are points j - 1, j and j + 1 of M + 2 that stand at equal distances on the mel scale
m(f) = 2595 log₁₀(1 + f / 700) from low_hz to high_hz. P is that of spectrum.py.

Shapes   s (S,) -> x (T, M) float32, T = 1 + (S - W) // V; a recording shorter than one frame is
         followed by zeros, what does not fill a last frame is left out
Source   Davis and Mermelstein 1980, doi:10.1109/TASSP.1980.1163420; the mel scale of O'Shaughnessy 1987
Differs  no pre-emphasis, no cosine transform
Rule     a frame's features follow from its own samples in one fixed order: they are the same bits wherever
         it stands in the recording, and on every processor
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigError
from unrolled.files.limits import require_few
from unrolled.files.messages import option, shown
from unrolled.files.sample_rate import resampled
from unrolled.files.samples import LEAST_HZ, MEAN, MOST_HZ, Recording, Sound
from unrolled.files.spectrum import power_spectrum
from unrolled.kernels.numpy import heads
from unrolled.kernels.numpy.functions import waves

FLOOR = 1e-10
_MOST_K = 1 << 16
_AT_ONCE = 1 << 15  # values transformed at once, which stay in the cache


@dataclass(frozen=True)
class Audio:
    """How recordings become features. `rate_hz` None: that which they have (recordings.py); `high_hz` None:
    half of the rate; `sound_channel`: what of several is heard (samples.py). ConfigError for what is out of
    range."""

    frame_ms: float = 25.0
    hop_ms: float = 10.0
    mels: int = 40
    low_hz: float = 0.0
    high_hz: float | None = None
    rate_hz: int | None = None
    sound_channel: str = MEAN

    def __post_init__(self) -> None:
        ranges = {"frame_ms": (1, 1000), "hop_ms": (0.1, 1000), "mels": (1, 512), "low_hz": (0, 384_000)}
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigError(f"{option(name)}: wanted {low} to {high}, got {value}")
        channel = self.sound_channel
        if channel != MEAN and not (channel.isascii() and channel.isdigit() and 1 <= int(channel) <= 1024):
            raise ConfigError(
                f"{option('sound_channel')}: wanted {MEAN}, or the number of a channel from 1, got "
                f"{shown(channel)}"
            )
        if self.rate_hz is not None and not LEAST_HZ <= self.rate_hz <= MOST_HZ:
            raise ConfigError(
                f"{option('rate_hz')}: wanted {LEAST_HZ:,} to {MOST_HZ:,}, got {self.rate_hz!r:.40}"
            )
        if self.high_hz is not None and not self.high_hz > self.low_hz:
            raise ConfigError(
                f"{option('high_hz')}: wanted more than {option('low_hz', self.low_hz)}, got {self.high_hz:g}"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """(M,) "mel1" …, the lowest first."""
        return tuple(f"mel{number}" for number in range(1, self.mels + 1))

    def samples(self, rate_hz: int) -> tuple[int, int]:
        """W and V."""
        W, V = (max(1, round(rate_hz * ms / 1000)) for ms in (self.frame_ms, self.hop_ms))
        return W, V

    def seconds(self, first: int, last: int, rate_hz: int) -> tuple[float, float]:
        """When frame `first` begins and frame `last` ends, of frames that count from 0."""
        W, V = self.samples(rate_hz)
        return first * V / rate_hz, (last * V + W) / rate_hz


def features(recording: Recording, audio: Audio) -> NDArray[np.float32]:
    """x (T, M) of a recording at the rate of `audio`, block by block. ConfigError and DataError as of
    `log_mel_frames`, `Recording.blocks` and `Resampler`."""
    rate_hz = audio.rate_hz or recording.rate_hz
    _, V = audio.samples(rate_hz)
    s, passed, frames = np.empty(0), 0, list[NDArray[np.float32]]()
    for block in resampled(recording.blocks(), recording.rate_hz, rate_hz):
        s, passed = np.concatenate([s, block[passed:]]), max(0, passed - len(block))
        frames.append(log_mel_frames(s, rate_hz, audio))
        begin = len(frames[-1]) * V  # of the next frame
        s, passed = s[begin:], passed + max(0, begin - len(s))
    if not any(map(len, frames)):
        frames.append(log_mel(Sound(rate_hz, s), audio))
    return np.concatenate(frames)


def log_mel(sound: Sound, audio: Audio) -> NDArray[np.float32]:
    """x (T, M) of a whole recording."""
    W, _ = audio.samples(sound.rate_hz)
    missing = max(0, W - len(sound.samples))
    return log_mel_frames(np.concatenate([sound.samples, np.zeros(missing)]), sound.rate_hz, audio)


def log_mel_frames(s: NDArray[np.float64], rate_hz: int, audio: Audio) -> NDArray[np.float32]:
    """x (T, M) of the frames that samples s (S,) fill, T = 0 where S < W."""
    W, V = audio.samples(rate_hz)
    K, filters = _filters(rate_hz, W, audio)
    if len(s) < W:
        return np.empty((0, audio.mels), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(s, W)[::V]
    require_few("a recording", f"{len(frames):,} frames of {audio.mels} mels", len(frames) * audio.mels)
    x = np.empty((len(frames), audio.mels), np.float32)
    count = max(1, _AT_ONCE // K)
    for first in range(0, len(frames), count):
        power = power_spectrum(frames[first : first + count] * _window(W), K)
        energy = heads.linear(power.T, filters)
        energy = np.where(np.isnan(energy), np.inf, energy)  # where a power is infinite, 0 times it is NaN
        x[first : first + count] = heads.log(np.maximum(energy, FLOOR))
    return x


def filters(rate_hz: int, audio: Audio) -> NDArray[np.float64]:
    """H (M, K / 2 + 1)."""
    return _filters(rate_hz, audio.samples(rate_hz)[0], audio)[1]


@cache
def _window(W: int) -> NDArray[np.float64]:
    return np.square(waves(np.arange(W) / (2 * W))[0])


@cache
def _filters(rate: int, W: int, audio: Audio) -> tuple[int, NDArray[np.float64]]:
    """K, and H (M, K / 2 + 1). ConfigError for a band that the rate does not hold."""
    K = 1 << (W - 1).bit_length()
    high = rate / 2 if audio.high_hz is None else audio.high_hz
    if not audio.low_hz < high <= rate / 2:
        raise ConfigError(
            f"{option('low_hz')} and {option('high_hz')}: wanted a band below {rate / 2:g} Hz, half of the "
            f"rate, got {audio.low_hz:g} to {high:g} Hz"
        )
    ends = heads.log(1 + np.array([audio.low_hz, high]) / 700)
    points = 700 * (heads.exp(np.linspace(ends[0], ends[1], audio.mels + 2)) - 1)
    a, c, b = (points[n : n + audio.mels, None] for n in range(3))
    while True:
        f = np.arange(K // 2 + 1) * (rate / K)
        H = np.maximum(0, np.minimum((f - a) / (c - a), (b - f) / (b - c)))
        if (H > 0).any(1).all():
            return K, H
        if K >= _MOST_K:
            raise ConfigError(
                f"{option('mels')}: {audio.mels} bands from {audio.low_hz:g} to {high:g} Hz are too narrow; "
                "wanted fewer, or a wider band"
            )
        K *= 2
