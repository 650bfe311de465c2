"""Sound in RIFF WAVE files: uncompressed samples of whole numbers or floats.

    "RIFF" size "WAVE", then chunks: name (4), size (4, little endian), content, a byte more if size is odd
    "fmt "   code (2), channels (2), rate (4), bytes a second (4), bytes a frame (2), bits a sample (2),
             code 0xFFFE: 8 bytes more, then the code again in the first 2 bytes of a GUID
    "data"   frames of one sample a channel

Source   Microsoft and IBM, Multimedia Programming Interface and Data Specifications 1.0 (1991); Microsoft,
         Multiple Channel Audio Data and WAVE Files (2007) for code 0xFFFE
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.limits import require_few
from unrolled.files.messages import shown
from unrolled.files.opening import read_bytes

MAGIC = b"RIFF"
LEAST_HZ, MOST_HZ = 1_000, 768_000

_EXTENSIBLE = 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")

# (code, bits a sample) of what is read. 24 bits are three bytes and are read apart.
_FORMATS: dict[tuple[int, int], np.dtype[Any] | None] = {
    (1, 8): np.dtype("u1"),
    (1, 16): np.dtype("<i2"),
    (1, 24): None,
    (1, 32): np.dtype("<i4"),
    (3, 32): np.dtype("<f4"),
    (3, 64): np.dtype("<f8"),
}
_CODES = {1: "whole numbers", 2: "ADPCM", 3: "floats", 6: "A-law", 7: "µ-law", 0x11: "IMA ADPCM", 0x55: "MP3"}

# First bytes of files that are often taken for WAV.
_FOREIGN = {
    b"RIFX": "big-endian RIFX",
    b"RF64": "RF64",
    b"FORM": "AIFF",
    b"fLaC": "FLAC",
    b"OggS": "Ogg",
    b"ID3": "MP3",
}


@dataclass(frozen=True)
class Sound:
    """`samples` (S,) float64, S ≥ 1, the mean of all channels; whole numbers are scaled to -1 ≤ x < 1."""

    rate_hz: int
    samples: NDArray[np.float64]


@dataclass(frozen=True)
class _Format:
    code: int
    channels: int
    rate_hz: int
    frame_bytes: int
    bits: int


def read_wav(path: Path) -> Sound:
    """The sound in a file. DataError of one line for what is no WAV file, damaged, cut off or compressed."""
    data = read_bytes(path, "a WAV file")
    if data[:4] != MAGIC or data[8:12] != b"WAVE":
        known = next((name for start, name in _FOREIGN.items() if data.startswith(start)), None)
        got = known or (f"a file that begins with {shown(data[:12])}" if data else "an empty file")
        raise DataError(f"{path}: wanted a WAV file, got {got}; save it as WAV of 16 bits")
    form, body = _chunks(str(path), data)
    return Sound(form.rate_hz, _samples(str(path), form, body))


def _chunks(path: str, data: bytes) -> tuple[_Format, bytes]:
    """The format and the first data chunk after it."""
    at, form = 12, None
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        body = data[at + 8 : at + 8 + size]
        if name in (b"fmt ", b"data") and len(body) < size:
            raise DataError(
                f"{path}: the {shown(name.decode())} chunk at byte {at} says {size:,} bytes and "
                f"{len(body):,} follow; the file is cut off or was never closed, copy or record it again"
            )
        if name == b"fmt ":
            form = _format(path, body)
        if name == b"data":
            if form is None:
                raise DataError(f"{path}: the sound stands before its format; save the file again")
            return form, body
        at += 8 + size + size % 2
    missing = "'fmt '" if form is None else "'data'"
    raise DataError(f"{path}: no {missing} chunk in {len(data):,} bytes; the file is cut off, copy it again")


def _format(path: str, body: bytes) -> _Format:
    if len(body) < 16:
        raise DataError(f"{path}: the format has {len(body)} bytes, wanted 16 or more; save the file again")
    fields = [int.from_bytes(body[a:b], "little") for a, b in ((0, 2), (2, 4), (4, 8), (12, 14), (14, 16))]
    form = _Format(*fields)
    if form.code == _EXTENSIBLE:
        if len(body) < 40 or body[26:40] != _GUID_TAIL:
            raise DataError(
                f"{path}: the samples are of an unknown kind (GUID); save the file as WAV of 16 bits"
            )
        form = _Format(int.from_bytes(body[24:26], "little"), *fields[1:])
    if (form.code, form.bits) not in _FORMATS:
        code = _CODES.get(form.code, f"kind {form.code:#06x}")
        raise DataError(
            f"{path}: samples are {code} of {form.bits} bits; wanted whole numbers of 8, 16, 24 or 32 bits "
            "or floats of 32 or 64; save it as WAV of 16 bits"
        )
    if not LEAST_HZ <= form.rate_hz <= MOST_HZ:
        raise DataError(
            f"{path}: the rate is {form.rate_hz:,} Hz; wanted {LEAST_HZ:,} to {MOST_HZ:,}; "
            "save the file again"
        )
    if form.channels == 0 or form.frame_bytes != form.channels * form.bits // 8:
        raise DataError(
            f"{path}: {form.channels} channels of {form.bits} bits in frames of {form.frame_bytes} bytes, "
            "which cannot be; save the file again"
        )
    return form


def _samples(path: str, form: _Format, body: bytes) -> NDArray[np.float64]:
    frames, rest = divmod(len(body), form.frame_bytes)
    if not frames or rest:
        fault = "holds no sound" if not body else f"ends within a frame ({len(body):,} bytes)"
        raise DataError(f"{path}: the file {fault}; record or copy it again, or leave it out")
    require_few(path, f"{frames:,} frames of {form.channels:,} channels", frames * form.channels)
    kind = _FORMATS[form.code, form.bits]
    values = _of_24_bits(body) if kind is None else np.frombuffer(body, kind).astype(np.float64)
    if form.code == 1:
        values = (values - 128) / 128 if form.bits == 8 else values / (1 << form.bits - 1)
    if not np.isfinite(values).all():
        at = int(np.argmin(np.isfinite(values)))
        raise DataError(
            f"{path}: sample {at // form.channels + 1:,} is {values[at]}; wanted finite ones, save the file "
            "again"
        )
    by_frame = values.reshape(frames, form.channels)
    total = by_frame[:, 0].copy()
    for channel in range(1, form.channels):
        total += by_frame[:, channel]
    return total / form.channels


def _of_24_bits(body: bytes) -> NDArray[np.float64]:
    """Three bytes are the upper ones of four."""
    wide = np.zeros((len(body) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
    return (wide.view("<i4")[:, 0] >> 8).astype(np.float64)
