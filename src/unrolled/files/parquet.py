"""Parquet -> a table, decoded in a process of its own: on some damaged files polars does not raise but ends
its process (it asks for 2⁶¹ bytes), and no caller should die of a file. Starting that process costs 0.2 s.

That process tells the table's sizes before it reads it, since a file of some kilobytes can hold any number of
equal values; columns of lists or structures come back with their type and no values. Lists of labels, which
are texts or whole numbers, are read where a caller names them: how many there are is known only when they are
read, so the memory of that process is bounded then.
"""

import io
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import polars as pl

from unrolled.errors import DataError
from unrolled.files.limits import VALUE_BYTES, most_values, require_few
from unrolled.files.messages import counted
from unrolled.files.opening import plain_name

MAGIC = b"PAR1"  # the first and the last bytes
MEMORY = 1 << 30  # bytes that reading takes beside the table

# Reads a file of so many bytes and writes a line "rows columns"; goes on where another byte comes: writes a
# line with the bytes of all texts, then the table in Arrow's form, exit status 0. Or a line with the reason
# why there is none, exit status 1. Lists of some columns are read too, by their names, with so many bytes of
# memory.
_READER = """
import io, sys
import polars as pl
names, most = sys.argv[3:], int(sys.argv[2])
data = io.BytesIO(sys.stdin.buffer.read(int(sys.argv[1])))
out = sys.stdout.buffer
def tell(*words):
    out.write((" ".join(map(str, words)) + chr(10)).encode())
    out.flush()
try:
    lazy = pl.scan_parquet(data)
    schema = lazy.collect_schema()
    tell(lazy.select(pl.len()).collect().item(), len(schema))
    if not sys.stdin.buffer.read(1):
        sys.exit(1)
    lists = [
        name for name, kind in schema.items()
        if name.casefold() in names and isinstance(kind, pl.List)
        and (kind.inner == pl.String or kind.inner.is_integer())
    ]
    if lists:
        import resource
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    flat = [name for name, kind in schema.items() if not kind.is_nested() or name in lists]
    frame = pl.read_parquet(data, columns=flat)
    texts = [*frame.select(pl.col(pl.String, pl.Binary)), *(frame[name].explode() for name in lists)]
    sizes = [one.cast(pl.String if one.dtype.is_integer() else one.dtype).cast(pl.Binary) for one in texts]
    tell(sum(int(one.bin.size().cast(pl.UInt64).sum()) + 8 * len(one) * (one.name in lists) for one in sizes))
    frame = frame.select(
        pl.col(name) if name in flat else pl.lit(None, kind).alias(name) for name, kind in schema.items()
    )
except BaseException as error:
    tell(error)
    sys.exit(1)
frame.write_ipc(out)
"""


def is_parquet(path: Path, data: bytes) -> bool:
    """Whether a file is one, by its name or its content: a text may begin as one does, but holds no zeros."""
    return plain_name(path).suffix.lower() in (".parquet", ".pq") or (
        data.startswith(MAGIC) and b"\0" in data
    )


def read_parquet(path: str, data: bytes, lists: Sequence[str] = ()) -> pl.DataFrame:
    """The table in `data`, the content of the file `path`, with the lists of labels in the columns of these
    names, in any case. Raises DataError where it holds none, or a larger one than may be read."""
    if not data.startswith(MAGIC):
        raise DataError(
            f"{path}: wanted a Parquet file, which begins with {MAGIC!r}, got {data[:4]!r}; "
            "name a file as what it is, .parquet or .csv"
        )
    if not data.endswith(MAGIC):
        raise DataError(f"{path}: the Parquet file is cut off; copy or write it again")
    most = MEMORY + 4 * len(data) + VALUE_BYTES * most_values()
    reader = subprocess.Popen(
        [sys.executable, "-P", "-c", _READER, str(len(data)), str(most), *map(str.casefold, lists)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert reader.stdin is not None and reader.stdout is not None
    with reader:
        try:
            return _received(path, data, reader, reader.stdin, reader.stdout)
        finally:
            reader.kill()
            with suppress(BrokenPipeError):  # of what it did not take
                reader.stdin.close()


def _received(
    path: str, data: bytes, reader: "subprocess.Popen[bytes]", stdin: IO[bytes], stdout: IO[bytes]
) -> pl.DataFrame:
    _send(stdin, data)
    rows, columns = _sizes(path, stdout, 2)
    sizes = f"{counted(rows, 'row')} of {counted(columns, 'column')}"
    require_few(path, sizes, rows * columns, columns=columns)
    _send(stdin, b"\n")
    (text_bytes,) = _sizes(path, stdout, 1)
    values = rows * columns + text_bytes // VALUE_BYTES
    require_few(path, f"{sizes} with {text_bytes:,} bytes of text", values)
    frame = stdout.read()
    if reader.wait():
        raise _damaged(path, "its reader broke down")
    return pl.read_ipc(io.BytesIO(frame))


def _send(pipe: IO[bytes], data: bytes) -> None:
    with suppress(BrokenPipeError):  # it has ended, and its line or status tells why
        pipe.write(data)
        pipe.flush()


def _sizes(path: str, stdout: IO[bytes], count: int) -> list[int]:
    """The numbers of the next line. DataError where the reader tells why there are none, or ended."""
    line = stdout.readline().decode(errors="replace").strip()
    words = line.split()
    if len(words) != count or not all(word.isdecimal() for word in words):
        raise _damaged(path, line[:100] or "its reader broke down")
    return [int(word) for word in words]


def _damaged(path: str, reason: str) -> DataError:
    return DataError(f"{path}: damaged Parquet file ({reason}); copy or write it again")
