"""Parquet -> a table, decoded in a process of its own: on some damaged files polars does not raise but ends
its process (it asks for 2⁶¹ bytes), and no caller should die of a file. Starting that process costs 0.2 s.
"""

import io
import subprocess
import sys

import polars as pl

from unrolled.errors import DataError

MAGIC = b"PAR1"  # the first and the last bytes

# Writes the table in Arrow's form, exit status 0, or the reason why there is none, exit status 1.
_READER = """
import sys
import polars as pl
try:
    frame = pl.read_parquet(sys.stdin.buffer)
except BaseException as error:
    sys.exit(sys.stdout.write(str(error)) and 1)
frame.write_ipc(sys.stdout.buffer)
"""


def read_parquet(path: str, data: bytes) -> pl.DataFrame:
    """The table in `data`, the content of the file `path`. Raises DataError where it holds none."""
    if not data.startswith(MAGIC):
        raise DataError(
            f"{path}: wanted a Parquet file, which begins with {MAGIC!r}, got {data[:4]!r}; "
            "name a file as what it is, .parquet or .csv"
        )
    if not data.endswith(MAGIC):
        raise DataError(f"{path}: the Parquet file is cut off; copy or write it again")
    done = subprocess.run([sys.executable, "-P", "-c", _READER], input=data, capture_output=True, check=False)
    if done.returncode:
        reason = done.stdout.decode(errors="replace").partition("\n")[0][:100] or "its reader broke down"
        raise DataError(f"{path}: damaged Parquet file ({reason}); copy or write it again")
    return pl.read_ipc(io.BytesIO(done.stdout))
