"""Sound in RIFF WAVE files: uncompressed samples of whole numbers or floats, A-law and µ-law.

    "RIFF" size "WAVE", then chunks: name (4), size (4, little endian), content, a byte more if size is odd
    "fmt "   code (2), channels (2), rate (4), bytes a second (4), bytes a frame (2), bits a sample (2),
             code 0xFFFE: 8 bytes more, then the code again in the first 2 bytes of a GUID
    "data"   frames of one sample a channel; several such chunks follow one another
    "RF64"   in place of "RIFF", for more than 4 GiB: chunk "ds64" holds the size of the file (8) and that of
             "data" (8), whose own is 0xFFFFFFFF

A program that writes to a pipe cannot go back to write the sizes: they are 0, or larger than any file. Such a
file is read to its end, without a frame that is not whole.

Source   Microsoft and IBM, Multimedia Programming Interface and Data Specifications 1.0 (1991); Microsoft,
         Multiple Channel Audio Data and WAVE Files (2007) for code 0xFFFE; EBU Tech 3306 for RF64; ITU-T
         G.711
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.messages import shown
from unrolled.files.samples import AT_ONCE, Array, Frames

MAGIC, MAGIC_64 = b"RIFF", b"RF64"

_EXTENSIBLE = 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_UNKNOWN = 0xFFFFFFFF
# Sizes from here on are written by what writes to pipes: sox and arecord say about 2³¹, ffmpeg 2³² - 1.
_OF_PIPES = 0x7FFF0000
PIPED = "written to a pipe, without a size: read to the end of the file"


def _plain(kind: str, most: int, middle: int = 0) -> Callable[[memoryview], Array]:
    def read(body: memoryview) -> Array:
        with np.errstate(invalid="ignore"):  # what is not finite is told of later
            values = np.frombuffer(body, kind).astype(np.float64)
        values -= middle
        values /= most
        return values

    return read


def _of_24_bits(body: memoryview) -> Array:
    """Three bytes are the upper ones of four."""
    wide = np.zeros((len(body) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
    return (wide.view("<i4")[:, 0] >> 8) / 2.0**23


def _a_law() -> Array:
    """(256,) of a byte with its even bits turned: a sign (1 is plus), three bits e, four bits m. Of 16 bits
    16 m + 8 where e = 0, else (16 m + 264) 2^(e - 1)."""
    byte = np.arange(256) ^ 0x55
    e, m = byte >> 4 & 7, byte & 15
    size = np.where(e == 0, 16 * m + 8, (16 * m + 264) << np.maximum(e, 1) - 1)
    return np.where(byte & 0x80, size, -size) / 2.0**15


def _mu_law() -> Array:
    """(256,) of a byte with all bits turned: a sign (1 is minus), three bits e, four bits m. Of 16 bits
    (8 m + 132) 2^e - 132."""
    byte = np.arange(256) ^ 0xFF
    size = ((8 * (byte & 15) + 132) << (byte >> 4 & 7)) - 132
    return np.where(byte & 0x80, -size, size) / 2.0**15


def _by(table: Array) -> Callable[[memoryview], Array]:
    return lambda body: table[np.frombuffer(body, np.uint8)]


_FLOATS = 3
# (code, bits a sample) of what is read.
DECODERS: dict[tuple[int, int], Callable[[memoryview], Array]] = {
    (1, 8): _plain("u1", 1 << 7, middle=128),
    (1, 16): _plain("<i2", 1 << 15),
    (1, 24): _of_24_bits,
    (1, 32): _plain("<i4", 1 << 31),
    (_FLOATS, 32): _plain("<f4", 1),
    (_FLOATS, 64): _plain("<f8", 1),
    (6, 8): _by(_a_law()),
    (7, 8): _by(_mu_law()),
}
_CODES = {
    1: "whole numbers",
    2: "ADPCM",
    3: "floats",
    6: "A-law",
    7: "µ-law",
    0x11: "IMA ADPCM",
    0x31: "GSM 6.10",
    0x55: "MP3",
    _EXTENSIBLE: "samples of an unknown kind (GUID)",
}


class CompressedError(Exception):
    """A file with samples of a kind that is not read here."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(frozen=True)
class _Format:
    code: int
    channels: int
    rate_hz: int
    frame_bytes: int
    bits: int


def is_wav(start: bytes) -> bool:
    """Whether bytes begin as such a file does."""
    return start[:4] in (MAGIC, MAGIC_64) and start[8:12] == b"WAVE"


def read_riff(path: str, data: bytes) -> Frames:
    """The sound in a file with this content, which is_wav. DataError of one line for what is damaged or cut
    off; CompressedError for other kinds of samples."""
    form, bodies, piped = _chunks(path, data)
    _require_plain(path, form)
    size = form.frame_bytes
    if piped:
        bodies[-1] = bodies[-1][: len(bodies[-1]) // size * size]
    body = bodies[0] if len(bodies) == 1 else memoryview(b"".join(bodies))
    frames, rest = divmod(len(body), size)
    if rest:
        raise DataError(
            f"{path}: the file ends within a frame ({len(body):,} bytes); record or copy it again, or leave "
            "it out"
        )
    decode = DECODERS[form.code, form.bits]
    step = max(1, AT_ONCE // form.channels) * size

    def blocks() -> Iterator[NDArray[np.float64]]:
        for first in range(0, len(body), step):
            yield decode(body[first : first + step]).reshape(-1, form.channels)

    notes = (PIPED,) if piped else ()
    return Frames(path, form.rate_hz, form.channels, frames, blocks, form.code == _FLOATS, notes)


def _chunks(path: str, data: bytes) -> tuple[_Format, list[memoryview], bool]:
    """The format, the contents of all data chunks, and whether the last one had no size."""
    view, at, form = memoryview(data), 12, None
    whole, size_64 = int.from_bytes(data[4:8], "little"), None
    bodies = list[memoryview]()
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"data" and size == _UNKNOWN and size_64 is not None:
            size = size_64
        body = view[at + 8 : at + 8 + size]
        piped = name == b"data" and _has_no_size(size, whole, at, len(data))
        if piped:
            body = view[at + 8 :]
        elif name in (b"fmt ", b"data", b"ds64") and len(body) < size:
            raise DataError(
                f"{path}: the {shown(name.decode())} chunk at byte {at} says {size:,} bytes and "
                f"{len(body):,} follow; the file is cut off or was never closed, copy or record it again"
            )
        if name == b"ds64" and len(body) >= 16:
            size_64 = int.from_bytes(body[8:16], "little")
        if name == b"fmt ":
            form = _same(path, form, _format(path, bytes(body)))
        if name == b"data":
            if form is None:
                raise DataError(f"{path}: the sound stands before its format; save the file again")
            bodies.append(body)
            if piped:
                return form, bodies, True
        at += 8 + size + size % 2
    if form is None or not bodies:
        missing = "'fmt '" if form is None else "'data'"
        raise DataError(
            f"{path}: no {missing} chunk in {len(data):,} bytes; the file is cut off, copy it again"
        )
    return form, bodies, False


def _has_no_size(size: int, whole: int, at: int, length: int) -> bool:
    """Whether a data chunk at byte `at` says nothing of its size, in a file that says `whole` of its own."""
    if size == 0:
        return whole + 8 <= at + 8 < length or whole >= _OF_PIPES
    return size >= _OF_PIPES and at + 8 + size > length


def _same(path: str, before: _Format | None, form: _Format) -> _Format:
    if before not in (None, form):
        raise DataError(f"{path}: holds sound of two formats; wanted one, save the file again")
    return form


def _format(path: str, body: bytes) -> _Format:
    if len(body) < 16:
        raise DataError(f"{path}: the format has {len(body)} bytes, wanted 16 or more; save the file again")
    fields = [int.from_bytes(body[a:b], "little") for a, b in ((0, 2), (2, 4), (4, 8), (12, 14), (14, 16))]
    form = _Format(*fields)
    if form.code != _EXTENSIBLE:
        return form
    known = len(body) >= 40 and body[26:40] == _GUID_TAIL
    return _Format(int.from_bytes(body[24:26], "little") if known else _EXTENSIBLE, *fields[1:])


def _require_plain(path: str, form: _Format) -> None:
    if (form.code, form.bits) not in DECODERS:
        code = _CODES.get(form.code, f"samples of kind {form.code:#06x}")
        if form.code not in (1, _FLOATS):
            raise CompressedError(f"WAV with {code} of {form.bits} bits")
        raise DataError(
            f"{path}: samples are {code} of {form.bits} bits; wanted whole numbers of 8, 16, 24 or 32 bits "
            "or floats of 32 or 64; save it as WAV of 16 bits"
        )
    if form.channels == 0 or form.frame_bytes != form.channels * form.bits // 8:
        raise DataError(
            f"{path}: {form.channels} channels of {form.bits} bits in frames of {form.frame_bytes} bytes, "
            "which cannot be; save the file again"
        )
