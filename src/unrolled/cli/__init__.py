"""The command line: parse, call one function, print. Exit status 2 for a wrong call, 1 for wrong data."""

import sys

from unrolled.console import say, versions
from unrolled.ending import ended
from unrolled.errors import ConfigError


def main() -> None:
    """Entry point of `unrolled`. What a user can mend is one line on standard error, never a traceback."""
    ended(_command)


def _command() -> None:
    if sys.argv[1:] == ["--version"]:  # before typer is imported, which takes longer and may be missing
        say(versions())
        return
    try:
        from unrolled.cli.app import app, refusals_in_a_line
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "unrolled":
            raise
        _bare(error.name)
    else:
        with refusals_in_a_line():
            sys.exit(app(standalone_mode=False, prog_name="unrolled"))


def _bare(missing: str) -> None:
    """On an installation with numpy alone."""
    if sys.argv[1:2] != ["stream"]:
        raise ConfigError(
            f"this command needs {missing}, which is not installed; pip install 'unrolled[train]' (without "
            "it: unrolled stream)"
        )
    from unrolled.streaming.command import stream

    stream(sys.argv[2:])
