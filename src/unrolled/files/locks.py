"""Locks that the kernel keeps, and gives free when their holder ends, however it ends.

    held(path)   keeps a file or a folder for one holder: another that asks is refused, and told who has it

The lock of a file NAME lies beside it, behind all links, as .NAME.lock; that of a folder lies in it, as
.lock. It goes when it is given free; a file that a killed process left locks nothing.

Source   flock(2)
"""

import contextlib
import errno
import fcntl
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from unrolled.errors import RunError
from unrolled.files import json_text
from unrolled.files.messages import shown

# File systems that have no locks answer so.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
MOST_HOLDER = 4096  # bytes


@contextlib.contextmanager
def held(path: Path, program: str) -> Iterator[bool]:
    """Keeps `path`, also where nothing is there yet, but for its folder; `program` is told to others.

    False where the file system has no locks, so that nobody is kept away. RunError where another has it, or
    where its folder cannot be written to.
    """
    place = place_of(path)
    try:
        descriptor, locked = _taken(place, path)
    except OSError as error:
        raise RunError(
            f"cannot lock {path}: {error.strerror}; choose a folder that exists and is writable"
        ) from error
    try:
        _sign(descriptor, program)
        yield locked
    finally:
        with contextlib.suppress(OSError):  # the folder may be gone, and the lock with it
            place.unlink()
        os.close(descriptor)


def place_of(path: Path) -> Path:
    """Where the lock of `path` lies. OSError where links lead nowhere but to themselves."""
    real = Path(os.path.realpath(path))
    return real / ".lock" if real.is_dir() else real.with_name(f".{real.name}.lock")


def lock(descriptor: int, wait: bool = False) -> bool | None:
    """Takes the lock of an open file. False where another has it, None where its file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in NO_LOCKS:
            return None
        raise
    return True


def is_at(descriptor: int, place: Path) -> bool:
    """Whether the open file is the one that lies there."""
    try:
        return os.path.samestat(os.fstat(descriptor), place.lstat())
    except FileNotFoundError:
        return False


def _taken(place: Path, path: Path) -> tuple[int, bool]:
    while True:
        descriptor = os.open(place, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        locked = lock(descriptor)
        if locked is not False and is_at(descriptor, place):  # else its holder removed it in between
            return descriptor, bool(locked)
        holder = None if locked else _holder(descriptor)
        os.close(descriptor)
        if holder is not None:
            raise RunError(f"{path} is in use by {holder}; let it end, or name another")


def _sign(descriptor: int, program: str) -> None:
    holder = {"process": os.getpid(), "host": platform.node(), "program": program}
    os.ftruncate(descriptor, 0)
    with contextlib.suppress(OSError):  # on a full disk the lock holds without a name
        os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _holder(descriptor: int) -> str:
    """In words, whoever wrote them."""
    try:
        holder = json_text.parse(os.pread(descriptor, MOST_HOLDER, 0))
        process, host, program = int(holder["process"]), str(holder["host"]), str(holder["program"])
    except (LookupError, TypeError, ValueError):
        return "another process"
    return f"process {process} on {shown(host)} ({shown(program)})"
