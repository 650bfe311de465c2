"""How commands end: what a user can mend is one line on standard error, never a traceback."""

import sys
from collections.abc import Callable

from unrolled.console import escape_unwritable, note
from unrolled.errors import UnrolledError

INTERRUPTED = 130
LONGEST = 200  # characters of a path that are shown


def ended(command: Callable[[], object]) -> None:
    """Runs it. SystemExit with the status of what went wrong."""
    escape_unwritable()
    try:
        command()
    except UnrolledError as error:
        _fail(str(error), error.exit_status)
    except OSError as error:
        place = "" if error.filename is None else f"{str(error.filename)[:LONGEST]}: "
        _fail(f"{place}{error.strerror or error}; check the path and its rights", 1)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _fail(message: str, status: int) -> None:
    note(f"unrolled: {message}")
    sys.exit(status)
