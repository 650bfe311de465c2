"""The command line: parse, call one function, print. Exit status 2 for a wrong call, 1 for wrong data."""

import sys

from unrolled.cli.app import app
from unrolled.errors import UnrolledError

INTERRUPTED = 130


def main() -> None:
    """Entry point of `unrolled`. What a user can mend is one line on standard error, never a traceback."""
    try:
        app()
    except UnrolledError as error:
        print(f"unrolled: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
