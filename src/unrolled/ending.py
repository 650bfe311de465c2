"""How commands end: what a user can mend is one line on standard error, never a traceback."""

import errno
import os
import sys
from collections.abc import Callable

from unrolled.console import drop_unheard, escape_unwritable, note
from unrolled.errors import UnrolledError
from unrolled.files.messages import cut, for_the_command_line

WRONG_CALL, INTERRUPTED = 2, 130
DESCRIPTORS = ("standard input", "standard output", "standard error")
LONGEST = 1500  # characters of a message that are shown
REMEDIES = {errno.ENOSPC: "make room", errno.EDQUOT: "make room", errno.ENAMETOOLONG: "name it otherwise"}


def ended(command: Callable[[], object]) -> None:
    """Runs it. SystemExit with the status of what went wrong."""
    require_descriptors()
    escape_unwritable()
    try:
        with for_the_command_line():
            command()
    except UnrolledError as error:
        _fail(str(error), error.exit_status)
    except OSError as error:
        place = "" if error.filename is None else f"{cut(str(error.filename), LONGEST // 2)}: "
        remedy = REMEDIES.get(error.errno or 0, "check the path and its rights")
        _fail(f"{place}{error.strerror or error}; {remedy}", 1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        drop_unheard()


def require_descriptors() -> None:
    """SystemExit where one of the three is closed: the next file or pipe that is opened would take its
    number, and be read as input or written over by answers."""
    closed = [name for number, name in enumerate(DESCRIPTORS) if not _is_open(number)]
    if DESCRIPTORS[2] in closed:  # nobody can be told
        sys.exit(WRONG_CALL)
    if closed:
        _fail(f"{closed[0]} is closed; give it a file or a pipe, or /dev/null", WRONG_CALL)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _fail(message: str, status: int) -> None:
    note(f"unrolled: {cut(message, LONGEST)}")
    sys.exit(status)
