"""Samples as bytes that say nothing of their own kind: little-endian, the channels of a moment side by side.
A WAV header may stand before them.

Shapes   bytes of S moments -> samples (S,) float64 of one channel, as those of a WAV file (riff.py)
"""

import re
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigError, DataError
from unrolled.files.messages import shown
from unrolled.files.riff import DECODERS
from unrolled.files.samples import LEAST_HZ, MEAN, MOST_HZ, one_channel

# By their names, the code and the bits of such samples in WAV files.
KINDS = {
    "u8": (1, 8),
    "s16le": (1, 16),
    "s24le": (1, 24),
    "s32le": (1, 32),
    "f32le": (3, 32),
    "alaw": (6, 8),
    "mulaw": (7, 8),
}
MOST_CHANNELS = 64
MAGIC, EXTENSIBLE = b"RIFF", 0xFFFE
MOST_HEADER = 1 << 20  # bytes before the samples
FORM = f"FORMAT:RATE or FORMAT:RATE:CHANNELS such as s16le:16000, FORMAT one of {', '.join(KINDS)}"


@dataclass(frozen=True)
class Pcm:
    """What the bytes are."""

    kind: str
    rate_hz: int
    channels: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """Of FORM. ConfigError for what is none."""
        match = re.fullmatch(rf"({'|'.join(KINDS)}):(\d{{1,9}})(?::(\d{{1,9}}))?", text, re.ASCII)
        if match is None:
            raise ConfigError(f"wanted {FORM}; got {shown(text)}")
        pcm = cls(match[1], int(match[2]), int(match[3] or 1))
        if not LEAST_HZ <= pcm.rate_hz <= MOST_HZ or not 1 <= pcm.channels <= MOST_CHANNELS:
            raise ConfigError(
                f"wanted {LEAST_HZ:,} to {MOST_HZ:,} Hz and 1 to {MOST_CHANNELS} channels, got {shown(text)}"
            )
        return pcm

    def __str__(self) -> str:
        return f"{self.kind}:{self.rate_hz}" + (f":{self.channels}" if self.channels > 1 else "")

    @property
    def moment(self) -> int:
        """Bytes of one sample of each channel."""
        return self.channels * KINDS[self.kind][1] // 8

    def header(self, data: bytes) -> int | None:
        """How many bytes a WAV header takes at the begin of the input, as recorders write it unless told
        otherwise: 0 where there is none, None where it has not come whole. DataError for one of other
        samples."""
        if data[:4] != MAGIC[: len(data)] or data[8:12] != b"WAVE"[: max(0, len(data) - 8)]:
            return 0
        at = 12
        while at + 8 <= len(data) and data[at : at + 4] != b"data":
            size = int.from_bytes(data[at + 4 : at + 8], "little")
            if size > MOST_HEADER or at > MOST_HEADER:
                raise DataError(
                    f"the WAV header takes more than {MOST_HEADER:,} bytes; send the samples alone"
                )
            if data[at : at + 4] == b"fmt " and at + 8 + size <= len(data):
                self._require(data[at + 8 : at + 8 + size])
            at += 8 + size + size % 2
        return at + 8 if at + 8 <= len(data) else None

    def _require(self, form: bytes) -> None:
        """DataError where the format in a WAV header is another."""
        code, channels = (int.from_bytes(form[at : at + 2], "little") for at in (0, 2))
        rate_hz, bits = int.from_bytes(form[4:8], "little"), int.from_bytes(form[14:16], "little")
        if code == EXTENSIBLE:
            code = int.from_bytes(form[24:26], "little")
        if (code, bits, channels, rate_hz) != (*KINDS[self.kind], self.channels, self.rate_hz):
            raise DataError(
                f"the WAV header says {bits} bits of kind {code}, {rate_hz:,} Hz and {channels} channels; "
                f"wanted those of {self}"
            )

    def samples(self, data: bytes, channel: str = MEAN) -> NDArray[np.float64]:
        """(S,) of whole moments, of the channel that is heard; where there is one alone, of that."""
        block = DECODERS[KINDS[self.kind]](memoryview(data)).reshape(-1, self.channels)
        return one_channel(block, MEAN if self.channels == 1 else channel)
