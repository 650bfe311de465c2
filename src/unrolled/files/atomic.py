"""Files appear whole or not at all: written beside their place, synced, then renamed over it."""

import contextlib
import os
import tempfile
from pathlib import Path

from unrolled.errors import RunError


def write_bytes(path: str | Path, data: bytes) -> None:
    """Writes `data` to `path`. An interrupted or failed write leaves the old file, or none, and no remains.

    Raises RunError with the reason where the folder is missing, not writable, or the disk is full.
    """
    path = Path(path)
    try:
        _replace(path, data)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror}; free or choose another place") from error


def write_text(path: str | Path, text: str) -> None:
    """`write_bytes` of the UTF-8 encoding of `text`."""
    write_bytes(path, text.encode())


def _replace(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
