"""Runs the command line in this process, as the installed `unrolled` would."""

import contextlib
import io
import sys
from collections.abc import Callable
from typing import NamedTuple
from unittest import mock

from unrolled.cli import main


class Answer(NamedTuple):
    status: int
    out: str
    err: str


def unrolled(*arguments: object, encoding: str = "utf-8") -> Answer:
    """Exit status and what was printed. Any exception but SystemExit passes: it would be a traceback."""
    with mock.patch.object(sys, "argv", ["unrolled", *map(str, arguments)]):
        return printed(main, encoding)


def printed(command: Callable[[], object], encoding: str = "utf-8") -> Answer:
    """As of `unrolled`, with standard output and error in this encoding, newlines as they are."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding, newline="") for _ in range(2))
    status = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            command()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Answer(status, _written(out), _written(err))


def _written(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()
