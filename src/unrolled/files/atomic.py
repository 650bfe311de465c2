"""Files appear whole or not at all: written beside their place, synced, then renamed over it."""

import contextlib
import os
import secrets
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
        raise RunError(
            f"cannot write {path}: {error.strerror}; choose a folder that exists, is writable and has room"
        ) from error


def write_text(path: str | Path, text: str) -> None:
    """`write_bytes` of the UTF-8 encoding of `text`."""
    write_bytes(path, text.encode())


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
