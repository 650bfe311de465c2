"""Sound as files of all formats hold it, block by block, and the one channel of it that is heard.

    mean    of all channels in their order
    1, 2 …  that channel alone

Floats are to lie in -1 … 1; somewhat more is a recording that was too loud. What goes beyond LOUDEST is of
another scale: up to 32,768 that of whole numbers of 16 bits, by which it is divided, and that is noted.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.limits import require_few
from unrolled.files.messages import counted, option

Array = NDArray[np.float64]

LEAST_HZ, MOST_HZ = 1_000, 768_000
LOUDEST, INT16 = 8.0, 32768.0
AT_ONCE = 1 << 18  # numbers in a block, about

MEAN = "mean"


@dataclass(frozen=True)
class Sound:
    """`samples` (S,) float64, S ≥ 1, of one channel; `notes`: what is odd about them."""

    rate_hz: int
    samples: Array
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Frames:
    """What a file holds: `count` frames of a sample for each of C `channels`, in blocks (S_i, C) float64,
    which can be gone through again and again. `floats`: whether they are such in the file, of any scale."""

    name: str
    rate_hz: int
    channels: int
    count: int
    blocks: Callable[[], Iterator[Array]]
    floats: bool = False
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """DataError for what no recording is, and for more than is read."""
        if not LEAST_HZ <= self.rate_hz <= MOST_HZ:
            raise DataError(
                f"{self.name}: the rate is {self.rate_hz:,} Hz; wanted {LEAST_HZ:,} to {MOST_HZ:,}; "
                "save the file again"
            )
        if not self.count:
            raise DataError(f"{self.name}: the file holds no sound; record or copy it again, or leave it out")
        size = f"{self.count:,} frames of {self.channels:,} channels"
        require_few(self.name, size, self.count * self.channels)


@dataclass(frozen=True)
class Recording:
    """The one channel of some frames that is heard: in `blocks` (S_i,) float64."""

    frames: Frames
    channel: str
    scale: float = 1.0
    notes: tuple[str, ...] = field(default=())

    @property
    def name(self) -> str:
        return self.frames.name

    @property
    def rate_hz(self) -> int:
        return self.frames.rate_hz

    @property
    def seconds(self) -> float:
        return self.frames.count / self.rate_hz

    def blocks(self) -> Iterator[Array]:
        """DataError for a sample that is not finite."""
        at = 0
        for block in self.frames.blocks():
            if not np.isfinite(block).all():
                t, c = np.argwhere(~np.isfinite(block))[0].tolist()
                raise DataError(
                    f"{self.name}: sample {at + t + 1:,} is {block[t, c]}; wanted finite ones, save the file "
                    "again"
                )
            at += len(block)
            yield one_channel(block, self.channel) / self.scale

    def sound(self) -> Sound:
        """All of it."""
        return Sound(self.rate_hz, np.concatenate(list(self.blocks())), self.notes)


def one_channel(frames: Array, channel: str) -> Array:
    """frames (S, C) -> (S,), of all channels the sum in their order by their number."""
    if channel != MEAN:
        return frames[:, int(channel) - 1]
    total: Array = frames[:, 0].copy()
    for other in range(1, frames.shape[1]):
        total += frames[:, other]
    total /= frames.shape[1]
    return total


def require_channel(name: str, channels: int, channel: str) -> None:
    """DataError where there is no such channel."""
    if channel != MEAN and int(channel) > channels:
        raise DataError(
            f"{name}: {option('sound_channel', channel)}, and there {'is' if channels == 1 else 'are'} "
            f"{counted(channels, 'channel')}; name one of them, or take their {MEAN}"
        )


def heard(frames: Frames, channel: str = MEAN) -> Recording:
    """One channel of a file. DataError for one that it does not have, and for floats of no known scale."""
    notes, C = list(frames.notes), frames.channels
    require_channel(frames.name, C, channel)
    if C > 1:
        which = f"the {MEAN} is heard" if channel == MEAN else f"channel {channel} is heard"
        notes.append(f"with several channels, of which {which} ({option('sound_channel')})")
    scale = _scale_of(frames) if frames.floats else 1.0
    if scale != 1:
        notes.append(
            f"with floats beyond {LOUDEST:g}, read as whole numbers of 16 bits: divided by {INT16:,.0f}"
        )
    return Recording(frames, channel, scale, tuple(notes))


def _scale_of(frames: Frames) -> float:
    """What floats are divided by."""
    largest = max(
        float(np.max(np.abs(block), initial=0, where=np.isfinite(block))) for block in frames.blocks()
    )
    if largest > INT16:
        raise DataError(
            f"{frames.name}: samples are floats up to {largest:g}; wanted -1 to 1 (or, as of 16 bits, up to "
            f"{INT16:,.0f}); save it as WAV of 16 bits"
        )
    return INT16 if largest > LOUDEST else 1.0
