"""Sound in files of all formats, told by their first bytes: WAV is read by riff.py, what is compressed by the
decoders of the extra [audio], decoded.py."""

from pathlib import Path

from unrolled.errors import DataError
from unrolled.files.decoded import encoding_of, read_decoded
from unrolled.files.messages import shown
from unrolled.files.opening import read_bytes
from unrolled.files.riff import CompressedError, is_wav, read_riff
from unrolled.files.samples import MEAN, Frames, Recording, Sound, heard

WANTED = "a recording (WAV, FLAC, Ogg, MP3 or AIFF)"


def open_recording(path: Path, channel: str = MEAN) -> Recording:
    """The sound in a file. DataError of one line for what is none, damaged, cut off, or needs a decoder that
    is not there."""
    return heard(_frames(str(path), read_bytes(path, WANTED)), channel)


def read_sound(path: Path, channel: str = MEAN) -> Sound:
    """All of it at once."""
    return open_recording(path, channel).sound()


def _frames(path: str, data: bytes) -> Frames:
    if is_wav(data):
        try:
            return read_riff(path, data)
        except CompressedError as error:
            return read_decoded(path, data, error.kind)
    kind = encoding_of(data)
    if kind is not None:
        return read_decoded(path, data, kind)
    got = f"a file that begins with {shown(data[:12])}" if data else "an empty file"
    raise DataError(f"{path}: wanted {WANTED}, got {got}; save it as WAV of 16 bits")
