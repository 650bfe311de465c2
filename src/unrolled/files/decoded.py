"""Sound in compressed and rarer files, by the decoders of libsndfile (the library soundfile, extra [audio]):
FLAC, Ogg with Vorbis or Opus, MP3, AIFF, AU, CAF, W64, and WAV with ADPCM.

What is compressed without loss, and ADPCM, has the same samples wherever it is decoded. Vorbis, Opus and MP3
are decoded in floats, by the arithmetic of the decoder at hand.
"""

import io
import re
from collections.abc import Iterator

import numpy as np

from unrolled.errors import DataError
from unrolled.files.limits import require_few
from unrolled.files.messages import shown
from unrolled.files.mpeg import frame_bytes, with_length
from unrolled.files.samples import AT_ONCE, Array, Frames

# What they begin with; MP3 without a tag begins with a frame.
_STARTS = {
    "FLAC": rb"fLaC",
    "Ogg": rb"OggS\x00",
    "MP3": rb"ID3[\x02-\x04]",
    "AIFF": rb"FORM....AIF[FC]",
    "AU": rb"\.snd\x00",
    "CAF": rb"caff\x00\x01",
    "W64": rb"riff\x2e\x91\xcf\x11",
    "big-endian RIFX": rb"RIFX....WAVE",
}
ENDINGS = (".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".caf", ".w64")
NEEDED = (
    "its decoder, soundfile, is not installed; pip install 'unrolled[audio]', or save it as WAV of 16 bits"
)


class _Content(io.BytesIO):
    """In which a decoder that looks for something before the begin of a damaged file finds the begin."""

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        before = {io.SEEK_SET: 0, io.SEEK_CUR: self.tell(), io.SEEK_END: len(self.getbuffer())}[whence]
        return super().seek(max(0, before + offset))


def encoding_of(start: bytes) -> str | None:
    """What a file that begins so is, None where it is nothing of these."""
    if frame_bytes(start):
        return "MP3"
    return next((name for name, known in _STARTS.items() if re.match(known, start, re.DOTALL)), None)


def read_decoded(path: str, data: bytes, kind: str) -> Frames:
    """The sound in a file with this content. DataError of one line where the decoder is missing, or says that
    it cannot be read."""
    try:
        import soundfile
    except ImportError:
        raise DataError(f"{path}: is {kind}, and {NEEDED}") from None

    _require_whole(path, data, kind)
    content = with_length(data) if kind == "MP3" else data
    try:
        with soundfile.SoundFile(_Content(content)) as file:
            count, rate_hz, floats = file.frames, file.samplerate, file.subtype in ("FLOAT", "DOUBLE")
            require_few(path, f"{count:,} frames of {file.channels:,} channels", count * file.channels)
            # At once: to read on from where a block ended is not exact in all formats.
            wide = file.subtype in ("PCM_32", "DOUBLE", "ALAC_32")
            values = file.read(count, dtype="float64" if wide else "float32", always_2d=True)
    except (soundfile.SoundFileError, TypeError, ValueError) as error:
        text = str(error).rpartition(": ")[2].rstrip(".")
        why = "" if "does not exist" in text else f" ({shown(text, 80)})"  # of MP3 without a sound frame
        raise DataError(f"{path}: is {kind} that cannot be decoded{why}; copy or save it again") from None
    if len(values) < count:
        raise _cut(path, kind, f"says {count:,} frames and holds {len(values):,}")

    def blocks() -> Iterator[Array]:
        step = max(1, AT_ONCE // values.shape[1])
        for first in range(0, count, step):
            yield values[first : first + step].astype(np.float64)

    return Frames(path, rate_hz, values.shape[1], count, blocks, floats)


def _require_whole(path: str, data: bytes, kind: str) -> None:
    """DataError for AIFF that ends before its size says, which its decoder would not say."""
    size = int.from_bytes(data[4:8], "big")
    if kind == "AIFF" and 8 + size > len(data):
        raise _cut(path, kind, f"says {size:,} bytes and {len(data) - 8:,} follow")


def _cut(path: str, kind: str, how: str) -> DataError:
    return DataError(f"{path}: is {kind} that {how}; the file is cut off, copy it again")
