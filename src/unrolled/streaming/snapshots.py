"""The file of a stream's state: gone on from, and saved now and then, for one process at a time.

A save that fails while lines come is told, and tried again when the next is due; the answers go on. The file
before it stays, whole.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from unrolled import console
from unrolled.errors import ConfigError, RunError
from unrolled.files import atomic, locks, opening
from unrolled.streaming.sessions import Every, Session

MOST_BYTES = 1 << 32  # of a snapshot that is read


class Snapshots:
    """Of a session; without a file where its options name none."""

    def __init__(self, session: Session) -> None:
        self.session, self.path = session, session.options.snapshot
        self.every = session.options.every or Every()
        self._saved = self._tried = 0  # up to which line
        self._at = time.monotonic()

    @property
    def wait(self) -> float | None:
        """Seconds until one is due without another line; None for never."""
        if self.every.seconds is None or self.session.line == self._saved:
            return None
        return max(0.0, self._at + self.every.seconds - time.monotonic())

    def keep(self) -> None:
        """Saves where it is due."""
        enough = self.every.lines is not None and self.session.line - self._tried >= self.every.lines
        if not enough and self.wait != 0:
            return
        failed = self._tried > self._saved
        try:
            self.save()
        except RunError as error:
            if not failed:
                note(f"{error}; answers go on, and saving is tried again")
        else:
            if failed:
                note(f"{self.path} is saved again, up to {self.session.unit} {self._saved}")

    def save(self) -> None:
        """RunError where it cannot be written."""
        if self.path is None:
            return
        self._tried, self._at = self.session.line, time.monotonic()
        try:
            data = self.session.snapshot()
        except MemoryError:
            raise RunError(f"cannot write {self.path}: the state does not fit into memory twice") from None
        if len(data) > MOST_BYTES:
            raise RunError(f"cannot write {self.path}: {len(data):,} bytes; at most {MOST_BYTES:,} are read")
        atomic.write_bytes(self.path, data)
        self._saved = self._tried

    def rescue(self) -> None:
        """Saves while an error ends the stream, which is told after it."""
        if self.path is None:
            return
        try:
            self.save()
        except RunError as error:
            note(f"{error}; it holds the {self.session.unit}s up to {self._saved}")
        else:
            note(f"{self.path} holds the {self.session.unit}s up to {self._saved}")

    def _open(self) -> None:
        """Goes on from the file, or makes it: a folder that cannot be written to is told at once."""
        assert self.path is not None
        if not self.path.exists():
            self.save()
            return
        try:
            self.session.restore(opening.read_regular(self.path, MOST_BYTES))
        except OSError as error:
            raise RunError(f"cannot read {self.path}: {error.strerror}") from error
        except (RunError, ConfigError) as error:
            raise type(error)(f"{self.path}: {error}") from error
        self._saved = self._tried = self.session.line
        note(f"goes on from {self.path}, which holds {self._held()}")

    def _held(self) -> str:
        """What whoever feeds the input and whoever reads answers need to know."""
        line, options, unit = self.session.line, self.session.options, self.session.unit
        recent, number = self.session.recent, self.session.number
        begin = f"{unit} 1, as --replay says" if options.replay else f"{unit} {line + 1}"
        again = f"; --after {number.upper()} gives answers after {number} {recent.dropped} again"
        known = options.after is not None or options.replay or not len(recent)
        return f"the {unit}s up to {line}: send from {begin}{'' if known else again}"


@contextmanager
def opened(session: Session) -> Iterator[Snapshots]:
    """The session as its file has it, which is locked meanwhile. RunError or ConfigError for a file of
    another, and where another process has it."""
    snapshots = Snapshots(session)
    if snapshots.path is None:
        yield snapshots
        return
    with locks.held(snapshots.path, "unrolled stream") as locked:
        if not locked:
            note(f"{snapshots.path} lies where files cannot be locked; let no other process use it")
        snapshots._open()
        yield snapshots


def note(text: str) -> None:
    """A line for the person: standard error."""
    console.note(f"unrolled: {text}")
