"""`unrolled stream`: lines in, an answer out for each, the state carried; numpy and the kernels alone.

    law   a snapshot that was saved on leaving holds the lines whose answers were written, and no other

So whoever feeds lines goes on after the last answer that they saw. A process that was killed outright leaves
its last snapshot, which says how many lines it holds.
"""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from unrolled import console
from unrolled.errors import ConfigError, DataError, RunError
from unrolled.files import atomic
from unrolled.files.wording import counted, listed, shown
from unrolled.runtime import state as states
from unrolled.runtime.model import Model
from unrolled.runtime.pipes import MOST_LINE, Line, Pipe
from unrolled.runtime.records import FORMATS, OUTPUTS, Csv, HeaderError, Record, found_format, require, truth
from unrolled.runtime.sequences import ENDED, Row, kind_of
from unrolled.runtime.stream import Stream

NUMBER = "line"  # of an answer: the number of the line that it belongs to


class Every(NamedTuple):
    """After so many lines, or after so many seconds with a line or more."""

    lines: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Options:
    """`given`, `told`: the formats in (None: found) and out. `id`: the column that tells sequences apart;
    `end`: the column that marks a sequence's last line; `likeliest`, `ahead`: as of `kind_of`; `every`: when
    `snapshot` is saved but at the end."""

    given: str | None = None
    told: str = "json"
    id: str | None = None
    end: str | None = None
    likeliest: int = 0
    ahead: int = 0
    snapshot: Path | None = None
    every: Every | None = None
    skip_wrong: bool = False


class Session:
    """The sequences by their ids (None: there is one), and how many lines they have read."""

    def __init__(self, model: Model, options: Options) -> None:
        self.model, self.options = model, options
        self.kind = kind_of(model, options.likeliest, options.ahead)
        self.rows: dict[str | None, Row] = {} if options.id else {None: self.kind.begin()}
        self.lines = 0

    def answer(self, record: Record) -> tuple[Record, str | None, Row | None]:
        """The answer, and the sequence as it is after it: for `commit`, once the answer was written."""
        own, told = dict(record), {}
        key = None
        if self.options.id is not None:
            value = own.pop(self.options.id, None)
            if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
                raise DataError(f"column {shown(self.options.id)}: wanted an id, got {shown(value)}")
            key, told = str(value), {self.options.id: value}
        over = self.options.end is not None and truth(self.options.end, own.pop(self.options.end, None))
        if over and not own:
            return told | ENDED, key, None
        answer, row = self.kind.answer(self.rows.get(key) or self.kind.begin(), own)
        return told | answer, key, None if over else row

    def commit(self, key: str | None, row: Row | None) -> None:
        self.lines += 1
        if row is not None:
            self.rows[key] = row
        elif key is None:
            self.rows[key] = self.kind.begin()
        else:
            self.rows.pop(key, None)

    def snapshot(self) -> bytes:
        """As of `Stream.snapshot`, with the lines read, the ids and what each sequence carries as notes."""
        rows = list(self.rows.values())
        state = states.joined([row.state for row in rows]) if rows else self.model.start(0)
        ids = None if self.options.id is None else list(self.rows)
        notes = {"lines": self.lines, "ids": ids, "carried": [row.carried for row in rows]}
        stream = Stream(self.model, state, single=self.options.id is None)
        return stream.snapshot(json.dumps(notes).encode())

    def restore(self, snapshot: bytes) -> None:
        """RunError for what this session did not save, or one of another model."""
        stream = Stream.restored(self.model, snapshot)
        if stream.single != (self.options.id is None):
            other = "of one sequence; begin without --id" if stream.single else "of many; give their --id"
            raise RunError(f"the snapshot is {other}")
        self.lines, ids, carried = _notes(stream)
        if not all(self.kind.sound(one) for one in carried):
            raise RunError("the snapshot is damaged: what its sequences carry does not fit; begin without")
        rows = (states.selected(stream.state, [row]) for row in range(stream.rows))
        self.rows = dict(zip(ids, map(Row, rows, carried), strict=True))


class Snapshots:
    """The file of the snapshots, if there is one, and when the next is due."""

    def __init__(self, session: Session) -> None:
        self.session, self.path = session, session.options.snapshot
        self.every = session.options.every or Every()
        self.saved, self.at = session.lines, time.monotonic()

    def open(self) -> None:
        """Goes on from the file, or makes it: a folder that cannot be written to is told at once."""
        if self.path is None:
            return
        if not self.path.exists():
            self.save()
            return
        try:
            self.session.restore(self.path.read_bytes())
        except OSError as error:
            raise RunError(f"cannot read {self.path}: {error.strerror}") from error
        except RunError as error:
            raise RunError(f"{self.path}: {error}") from error
        self.saved = self.session.lines
        note(f"goes on from {self.path}, after {counted(self.saved, 'line')}")

    @property
    def wait(self) -> float | None:
        """Seconds until a snapshot is due without another line; None for never."""
        if self.path is None or self.every.seconds is None or self.session.lines == self.saved:
            return None
        return max(0.0, self.at + self.every.seconds - time.monotonic())

    def keep(self) -> None:
        """Saves where it is due."""
        enough = self.every.lines is not None and self.session.lines - self.saved >= self.every.lines
        if enough or self.wait == 0:
            self.save()

    def save(self) -> None:
        """RunError where it cannot be written."""
        if self.path is not None:
            atomic.write_bytes(self.path, self.session.snapshot())
            self.saved, self.at = self.session.lines, time.monotonic()


def run(model: Model, options: Options, source: int = 0, sink: int = 1) -> None:
    """Until the input ends, the reader leaves, or a signal comes, which takes effect once the snapshot is
    saved.

    DataError with the number of the first wrong line; ConfigError for options that do not fit the model,
    RunError for a snapshot that cannot be read or written.
    """
    model.stream(rows=0)  # refuses models that read backward
    session = Session(model, options)
    lines = _Lines(session)
    snapshots = Snapshots(session)
    snapshots.open()
    with Pipe(source, sink) as pipe:
        try:
            while not pipe.over:
                line = pipe.line(snapshots.wait)
                if line is not None:
                    lines.take(line, pipe)
                snapshots.keep()
        except DataError:
            snapshots.save()
            raise
        snapshots.save()
        pipe.interrupts.leave()


class _Lines:
    """Reads lines, and writes their answers."""

    def __init__(self, session: Session) -> None:
        self.session, self.options = session, session.options
        self.columns = session.model.columns()
        self.reader: Any = None
        self.write = OUTPUTS[self.options.told]()
        if self.options.given == "csv" and not self.columns:
            raise ConfigError(
                f"this model of task '{session.model.task}' reads text; give --from text or json"
            )
        if self.options.given == "text" and self.columns:
            raise ConfigError(
                f"this model reads columns {listed(list(self.columns))}; give --from csv or json"
            )
        if (self.options.id or self.options.end) and not self.columns and self.options.given != "json":
            raise ConfigError("lines of text have no columns; give --from json with --id and --end")

    def take(self, line: Line, pipe: Pipe) -> None:
        """One line. What is wrong with it raises DataError, or is told where wrong lines are skipped."""
        try:
            record = self._record(line)
            if record is None:
                return
            answer, key, row = self.session.answer(record)
            if pipe.write(self.write({NUMBER: line.number} | answer)):
                self.session.commit(key, row)
        except DataError as error:
            message = f"line {line.number:,}: {error}"
            if not self.options.skip_wrong or isinstance(error, HeaderError):
                raise DataError(message) from error
            note(message)

    def _record(self, line: Line) -> Record | None:
        if len(line.text) > MOST_LINE:
            raise DataError(f"longer than {MOST_LINE:,} bytes; end lines with a newline")
        try:
            text = line.text.decode().removesuffix("\r")
        except UnicodeDecodeError as error:
            raise DataError(f"byte {line.text[error.start]:#04x} is not UTF-8; write UTF-8") from None
        if self.reader is None:
            if self.columns and not text.strip():
                return None
            self.reader = FORMATS[self.options.given or found_format(text, list(self.columns))](
                list(self.columns)
            )
            if isinstance(self.reader, Csv):
                self.reader(text)
                self._check_header(self.reader.header or [])
                return None
        found: Record | None = self.reader(text)
        return found

    def _check_header(self, header: list[str]) -> None:
        try:
            require(header, self.columns)
        except DataError as error:
            raise HeaderError(str(error)) from None
        own = (self.options.id, self.options.end)
        for name in own:
            if name is not None and name not in header:
                raise HeaderError(f"column {shown(name)} is missing; there are {listed(header)}")
        if unread := [name for name in header if name not in self.columns and name not in own]:
            note(f"this model does not read {listed(unread)}")


def note(text: str) -> None:
    """A line for the person: standard error."""
    console.note(f"unrolled: {text}")


def _notes(stream: Stream) -> tuple[int, list[str | None], list[Any]]:
    """(lines, ids, carried) as `Session.snapshot` wrote them."""
    try:
        notes = json.loads(stream.notes)
        lines, ids, carried = notes["lines"], notes["ids"], notes["carried"]
        fits = type(lines) is int and lines >= 0 and len(carried) == stream.rows
        if stream.single:
            fits, ids = fits and ids is None, [None]
        else:
            fits = (
                fits and all(isinstance(one, str) for one in ids) and len(set(ids)) == stream.rows == len(ids)
            )
    except (LookupError, TypeError, ValueError, RecursionError):
        fits = False
    if not fits:
        raise RunError("the snapshot is none of `unrolled stream`; give one that it has saved")
    return lines, ids, carried
