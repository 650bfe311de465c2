"""How commands end: what a user can mend is one line on standard error, never a traceback."""

import sys
from collections.abc import Callable

from unrolled.errors import UnrolledError

INTERRUPTED = 130
LONGEST = 200  # characters of a path that are shown


def ended(command: Callable[[], object]) -> None:
    """Runs it. SystemExit with the status of what went wrong."""
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
    """One line, whatever a file's name holds."""
    print("unrolled:", " ".join(message.splitlines()), file=sys.stderr)
    sys.exit(status)
