"""Named arrays in the safetensors format, with numpy alone, checked before anything is made of them.

    8 bytes     N, the header's length, little-endian
    N bytes     JSON: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, …,
                       "__metadata__": {"key": "text"}}
    the rest    the arrays' numbers, little-endian, row by row, one array behind the other without a gap

A file of unrolled begins, behind the 8 bytes, with HEAD and 64 digits: the SHA-256 of all its other bytes.
`parse` refuses a file without one, or with another, before it reads anything else of it.

`parse` copies nothing but what lies across its alignment and what is to be true or false: its arrays are
views of the bytes, which they keep alive and cannot write to. So it takes at most the memory of the file once
more, and some for the header, whatever the file says.

Source   the format's own description, huggingface/safetensors
Differs  headers are at most MOST_HEADER bytes, tensors at most MOST_TENSORS; no half precision, no complex
"""

import json
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import RunError
from unrolled.files import checksums, json_text

Arrays = dict[str, NDArray[Any]]

MOST_HEADER = 1 << 21
MOST_TENSORS = 1 << 14
LISTS_PER_TENSOR = 3
METADATA = "__metadata__"
DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "|i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "|u1",
    "BOOL": "|b1",
}
CODES = {np.dtype(code).str: name for name, code in DTYPES.items()}
LENGTH_BYTES = 8

CHECKSUM = "checksum"
HEAD = b'{"__metadata__":{"checksum":"'
DIGITS = 64
_AT = LENGTH_BYTES + len(HEAD)  # where they begin
REMEDY = "restore it or train anew"


def dump(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> bytes:
    """Equal contents give equal bytes. ValueError for a dtype that the format does not have here."""
    header: dict[str, Any] = {METADATA: {CHECKSUM: "0" * DIGITS, **dict(sorted(metadata.items()))}}
    buffers: list[bytes] = []
    end = 0
    # Wide numbers first: with the header's padding every array lies at a multiple of its item size.
    for name, array in sorted(arrays.items(), key=lambda one: (-one[1].dtype.itemsize, one[0])):
        code = array.dtype.newbyteorder("<").str
        if code not in CODES:
            raise ValueError(
                f"'{name}' is {array.dtype}; wanted one of {', '.join(map(str, DTYPES.values()))}"
            )
        begin, end = end, end + array.nbytes
        header[name] = {"dtype": CODES[code], "shape": list(array.shape), "data_offsets": [begin, end]}
        buffers.append(np.ascontiguousarray(array, code).tobytes())
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    text += b" " * (-len(text) % LENGTH_BYTES)
    before = len(text).to_bytes(LENGTH_BYTES, "little") + HEAD
    others = [text[len(HEAD) + DIGITS :], *buffers]
    return b"".join([before, checksums.of(before, *others).encode(), *others])


def parse(place: str, data: bytes, remedy: str = REMEDY) -> tuple[Arrays, dict[str, str]]:
    """(arrays, metadata without the checksum) of a file that `dump` wrote. RunError, which begins with
    `place` and ends with `remedy`, for whatever is not as above."""
    try:
        _require_checksum(data)
        arrays, metadata = contents(data)
    except ValueError as error:
        raise RunError(f"{place} is damaged or no safetensors file of unrolled: {error}; {remedy}") from None
    del metadata[CHECKSUM]
    return arrays, metadata


def _require_checksum(data: bytes) -> None:
    if data[LENGTH_BYTES:_AT] != HEAD:
        raise ValueError("it carries no checksum")
    content = memoryview(data)
    if checksums.of(content[:_AT], content[_AT + DIGITS :]).encode() != data[_AT : _AT + DIGITS]:
        raise ValueError("its checksum is not that of its content")


def contents(data: bytes) -> tuple[Arrays, dict[str, str]]:
    """(arrays, metadata) of any file of the format, whoever wrote it. ValueError, whose message is short, for
    what is none."""
    size = int.from_bytes(data[:LENGTH_BYTES], "little") if len(data) >= LENGTH_BYTES else -1
    if not 0 < size <= min(len(data) - LENGTH_BYTES, MOST_HEADER):
        raise ValueError(f"a header of {max(size, 0):,} bytes in a file of {len(data):,}")
    try:
        header = json_text.parse(
            data[LENGTH_BYTES : LENGTH_BYTES + size], LISTS_PER_TENSOR * (MOST_TENSORS + 1)
        )
    except ValueError as error:
        raise ValueError(f"its header is no JSON ({error!s:.60})") from None
    if not isinstance(header, dict):
        raise ValueError("its header is no table of arrays")
    metadata = header.pop(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError("its metadata are no texts")
    if len(header) > MOST_TENSORS:
        raise ValueError(f"{len(header):,} arrays; at most {MOST_TENSORS:,} are read")
    return _views(header, memoryview(data)[LENGTH_BYTES + size :]), metadata


def _views(header: dict[str, Any], numbers: memoryview) -> Arrays:
    arrays: Arrays = {}
    spans: list[tuple[int, int]] = []
    for name, entry in header.items():
        try:
            dtype, shape = np.dtype(DTYPES[entry["dtype"]]), tuple(entry["shape"])
            begin, end = entry["data_offsets"]
            name.encode()  # whoever names or counts it may have to write it
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"array {name!a:.40} is described by {entry!a:.60}") from None
        within = all(type(n) is int and 0 <= n <= len(numbers) for n in (*shape, begin, end))
        if not within or len(shape) > 8 or end - begin != prod(shape) * dtype.itemsize or end > len(numbers):
            raise ValueError(f"array {name!a:.40} of shape {str(shape)[:40]} is not {begin} to {end}")
        spans.append((begin, end))
        array = np.frombuffer(numbers[begin:end], np.uint8 if dtype.kind == "b" else dtype).reshape(shape)
        if dtype.kind == "b":  # bytes beyond 1 would be counted as they are
            array = array != 0
        arrays[name] = array if array.flags.aligned else array.copy()
    reached = 0
    for begin, end in sorted(spans):
        if begin != reached:
            raise ValueError(f"its arrays leave a gap or overlap at byte {begin}")
        reached = end
    if reached != len(numbers):
        raise ValueError(f"{len(numbers) - reached:,} bytes stand behind its arrays")
    return arrays
