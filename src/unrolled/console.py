"""What commands print for a person: plain text, line by line. Nothing in it is markup or is obeyed by a
terminal, whatever files, columns and classes are called.
"""

import contextlib
import io
import os
import sys
from pathlib import Path

from unrolled import __version__
from unrolled.files.messages import visible


def say(*lines: str) -> None:
    """Each on a line of its own on standard output."""
    print("\n".join(map(visible, lines)))


def note(line: str) -> None:
    """A line that is no part of the result: on standard error, where it takes lines."""
    with contextlib.suppress(OSError):  # a terminal that hung up, a full disk: no reason to end
        print(visible(line), file=sys.stderr, flush=True)


def drop_unheard() -> None:
    """What standard error still does not take is dropped, or Python would end with a status of its own."""
    try:
        sys.stderr.flush()
    except OSError:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115


def versions() -> str:
    """What --version says: ours, Python's, and torch's where it is installed, which is not loaded for it."""
    import importlib.metadata
    import platform

    try:
        torch = f"torch {importlib.metadata.version('torch')}"
    except importlib.metadata.PackageNotFoundError:
        torch = "without torch"
    return f"unrolled {__version__}, Python {platform.python_version()}, {torch}"


def escape_unwritable() -> None:
    """From now on what the encoding of standard output or error lacks is written as \\u2014, not refused."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
