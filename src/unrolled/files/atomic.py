"""Files appear whole or not at all: written beside their place, synced, then renamed over it.

a link      stays: the file behind it is replaced, in that file's own folder
rights      of the file that is replaced stay
remains     of a write that was killed lie beside its file as .NAME.<16 hex digits>.part; the next write
            of NAME removes them. A writer locks what it writes, so what nobody has locked is dead
"""

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from unrolled.errors import RunError
from unrolled.files import locks, opening

PART = r"\.{}\.[0-9a-f]{{16}}\.part"


def write_bytes(path: str | Path, data: bytes) -> None:
    """Writes `data` to `path`. An interrupted or failed write leaves the old file, or none, and no remains.

    Raises RunError with the reason where the folder is missing, not writable, or the disk is full, and where
    `path` is something else than a file.
    """
    try:
        _replace(_behind_links(Path(path)), data)
    except OSError as error:
        raise RunError(
            f"cannot write {path}: {error.strerror}; "
            "name a file in a folder that exists, is writable and has room"
        ) from error


def write_text(path: str | Path, text: str) -> None:
    """`write_bytes` of the UTF-8 encoding of `text`."""
    write_bytes(path, text.encode())


@contextlib.contextmanager
def growing_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which is renamed to `path` at the end, and removed where filling it fails. OSError
    where it cannot be made, or where `path` is taken."""
    path = _behind_links(path, folder=True)
    clear(path.parent, path.name)
    descriptor, part = _begun(path, Path.mkdir, os.O_RDONLY)
    try:
        yield part
        part.rename(path)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def clear(folder: Path, name: str | None = None) -> None:
    """Removes what dead writers of `name`, or of any file in `folder`, left there."""
    wanted = re.compile(PART.format(".+" if name is None else re.escape(name)), re.DOTALL)
    with os.scandir(folder) as entries:
        parts = [folder / entry.name for entry in entries if wanted.fullmatch(entry.name)]
    for part in parts:
        with contextlib.suppress(OSError):  # gone in between, or of another user
            _remove_dead(part)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _behind_links(path: Path, folder: bool = False) -> Path:
    """The place that `path` names. OSError for links in a circle, and for what cannot be replaced."""
    real = Path(os.path.realpath(path))
    try:
        mode = real.lstat().st_mode
    except FileNotFoundError:
        return real
    if real.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    if not folder:
        opening.require_regular(mode)
    return real


def _replace(path: Path, data: bytes) -> None:
    clear(path.parent, path.name)
    descriptor, part = _begun(path, partial(Path.touch, exist_ok=False), os.O_WRONLY)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if path.exists() and (mode := path.stat().st_mode) != os.fstat(descriptor).st_mode:
                os.fchmod(descriptor, stat.S_IMODE(mode))
            file.write(data)
            file.flush()
            os.fsync(descriptor)
            part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _begun(path: Path, make: Callable[[Path], None], flags: int) -> tuple[int, Path]:
    """A new file or folder beside `path`, open and locked."""
    while True:
        part = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
        make(part)
        try:
            descriptor = os.open(part, flags | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:  # taken for dead before it was locked
            continue
        locks.lock(descriptor, wait=True)
        if locks.is_at(descriptor, part):
            return descriptor, part
        os.close(descriptor)


def _remove_dead(part: Path) -> None:
    access = os.O_RDONLY if part.is_dir() else os.O_RDWR  # NFS locks files for those who may write, flock(2)
    descriptor = os.open(part, access | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if locks.lock(descriptor):
            if part.is_dir():
                shutil.rmtree(part)
            else:
                part.unlink()
    finally:
        os.close(descriptor)
