"""Runs the command line in this process, as the installed `unrolled` would."""

import contextlib
import io
import sys
from typing import NamedTuple
from unittest import mock

from unrolled.cli import main


class Answer(NamedTuple):
    status: int
    out: str
    err: str


def unrolled(*arguments: object) -> Answer:
    """Exit status and what was printed. Any exception but SystemExit passes: it would be a traceback."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    with (
        mock.patch.object(sys, "argv", ["unrolled", *map(str, arguments)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Answer(status, out.getvalue(), err.getvalue())
