"""The sequences of a stream, side by side, as they are after so many lines of input; saved and gone on with.

    law   every line of input is stepped once, whenever the stream is saved, stopped and gone on with

What a snapshot holds besides the state stands in its notes: a line of JSON, then the last answers as of
recent.py.

    line, checksum   the last line of input that is done, and the CRC-32 of all lines up to it; of sound the
                     last sample, and that of all bytes
    ids              of many sequences, the one that was idle longest first; null where there is one
    carried, seen    of each sequence: what its kind carries, and the number of its last line
    from, to         what lines are and what answers are: {"format": "csv", "header": […], "separator": ","},
                     {"pcm": "s16le:16000"}
    answers, dropped how many answers are kept, and the line of the last one that is not
"""

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from unrolled.errors import ConfigError, DataError, RunError
from unrolled.files import json_text
from unrolled.files.ids import id_columns, id_of
from unrolled.files.messages import shown
from unrolled.files.pcm import Pcm
from unrolled.models.model import Model
from unrolled.models.stream import Stream
from unrolled.ops import state as states
from unrolled.streaming.gaps import LineRefusedError
from unrolled.streaming.heard import NUMBER, Sound, sound_of
from unrolled.streaming.recent import RecentAnswers
from unrolled.streaming.records import FORMATS, Reader, Record, truth
from unrolled.streaming.sequences import Kind, Row, kind_of
from unrolled.streaming.writers import ENDED, OUTPUTS, Writer

MOST_IDS = 100_000
ID_TYPES = (str, int)
PCM = "pcm"  # the entry of the notes that says what samples are
# Options that sound has no use for, by the flags of the command.
OF_LINES = {
    "--from": "input_format",
    "--id": "id",
    "--end": "end",
    "--next": "likeliest",
    "--ahead": "ahead",
    "--gaps": "gaps",
    "--longest-gap": "longest_gap",
    "--intervals": "intervals",
    "--skip-wrong": "skip_wrong",
}


class Every(NamedTuple):
    """After so many lines, or after so many seconds with a line or more."""

    lines: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Options:
    """`input_format` (None: found), `output_format`. `id`: the column that tells sequences apart;
    `end`: the column that marks a sequence's last line; `likeliest`, `ahead`, `gaps`, `longest_gap`,
    `intervals`: as of `kind_of`.

    `snapshot`: the file of the state, saved at the end and every `every`; `keep_answers`: how many stand in
    it; `after`: the last line whose answer the reader has; `replay`: the input begins at line 1 again.

    `pcm`: the input is no lines but sound, whose samples are counted in place of lines; `each_frame`: what
    it is like is told after each of its frames, not where that changes.

    `forget_after`: a sequence without a line among so many is forgotten; `most_ids`: how many there may be.
    """

    input_format: str | None = None
    output_format: str = "json"
    id: str | None = None
    end: str | None = None
    likeliest: int = 0
    ahead: int = 0
    gaps: str | None = None
    longest_gap: int | None = None
    intervals: str | None = None
    snapshot: Path | None = None
    every: Every | None = None
    keep_answers: int | None = None
    after: int | None = None
    replay: bool = False
    forget_after: int | None = None
    most_ids: int | None = None
    skip_wrong: bool = False
    pcm: Pcm | None = None
    each_frame: bool = False

    def __post_init__(self) -> None:
        for option, chosen in (
            ("--every", self.every is not None),
            ("--keep-answers", self.keep_answers is not None),
            ("--after", self.after is not None),
            ("--replay", self.replay),
        ):
            if chosen and self.snapshot is None:
                raise ConfigError(f"{option} is for a stream that is saved; give --snapshot FILE too")
        if self.id is None and (self.forget_after is not None or self.most_ids is not None):
            raise ConfigError("--forget-after and --most-ids are for many sequences; give --id COLUMN too")
        if self.pcm is None and self.each_frame:
            raise ConfigError("--each-frame is for sound; give --pcm too")
        for flag, name in OF_LINES.items():
            if self.pcm is not None and getattr(self, name):
                raise ConfigError(f"{flag} is for lines, and --pcm for sound; leave one of them out")


class Session:
    """`line`, `checksum`: the last line that is done, and the CRC-32 of all up to it; `sequences` by their
    ids (None: there is one) after their last line, and its number, the idlest first; `reader`, `writer`: what
    lines and answers are, None before the first one; `unit`: what the input is counted in, `number`: by what
    answers are numbered; `forgotten`: how many were, since this process began."""

    def __init__(self, model: Model, options: Options) -> None:
        self.model, self.options, self.columns = model, options, model.columns()
        series = options.gaps, options.longest_gap, options.intervals
        self.kind: Kind | Sound = (
            kind_of(model, options.likeliest, options.ahead, *series)
            if options.pcm is None
            else sound_of(model, options.pcm.rate_hz, options.each_frame, options.pcm.channels)
        )
        self.unit, self.number = ("line", "line") if options.pcm is None else ("sample", NUMBER)
        self.line = self.checksum = 0
        self.sequences: OrderedDict[str | None, tuple[Row, int]] = OrderedDict()
        if options.id is None:
            self.sequences[None] = self.kind.begin(), 0
        self.reader: Reader | None = None
        self.writer: Writer = OUTPUTS[options.output_format]()
        self.recent = RecentAnswers(0 if options.snapshot is None else options.keep_answers)
        self.forgotten = 0
        self._whole = True

    def answer(self, record: Record, line: int) -> tuple[Record, str | None, Row | None]:
        """The answer to that line, and the sequence as it is after it: for `commit`, once it was written."""
        assert isinstance(self.kind, Kind)
        cells, head, named = dict(record), {}, {}  # named: the id, where the model has bases of its series
        key = None
        if self.options.id is not None:
            value = id_of(cells, self.options.id)
            if type(value) not in ID_TYPES or value == "":
                raise DataError(f"column {shown(self.options.id)}: wanted an id, got {shown(value)}")
            key = str(value)
            head = {name: cells.pop(name) for name in id_columns(self.options.id, cells)}
            named = {name: part for name, part in head.items() if name in self.columns}
            self._forget(line)
        over = self.options.end is not None and truth(self.options.end, cells.pop(self.options.end, None))
        if over and not cells:
            return head | ENDED, key, None
        seen = self.sequences.get(key)
        if seen is None and not over and len(self.sequences) >= (self.options.most_ids or MOST_IDS):
            raise DataError(
                f"id {shown(key)} is new, and {len(self.sequences)} sequences are kept already; end some "
                "with --end, forget idle ones with --forget-after, or raise --most-ids"
            )
        row, last = (self.kind.begin(), 0) if seen is None else seen
        try:
            answer, after = self.kind.answer(row, cells | named)
        except LineRefusedError as error:
            if seen is not None:
                self.sequences[key] = row._replace(carried=error.suspect), last
            raise
        return head | answer, key, None if over else after

    def commit(
        self,
        line: int,
        checksum: int,
        key: str | None,
        row: Row | None,
        answers: Sequence[tuple[int, bytes]],
    ) -> None:
        """A line is stepped, and its answer written: with its number."""
        self._whole = False
        if row is None and key is None:
            row = self.kind.begin()
        if row is None:
            self.sequences.pop(key, None)
        else:
            self.sequences[key] = row, line
            self.sequences.move_to_end(key)
        for number, answer in answers:
            if answer:
                self.recent.add(number, answer)
        self.line, self.checksum = line, checksum
        self._whole = True

    def pass_over(self, line: int, checksum: int, reader: Reader | None = None) -> None:
        """A line is done that has no answer; it may say how those after it are read."""
        self._whole = False
        self.line, self.checksum, self.reader = line, checksum, reader or self.reader
        self._whole = True

    def snapshot(self) -> bytes:
        """As of `Stream.snapshot`. RunError where a second signal came in the midst of `commit`."""
        if not self._whole:
            raise RunError("the stream was stopped within a line; its last snapshot serves")
        rows = [row for row, _ in self.sequences.values()]
        state = states.joined([row.state for row in rows]) if rows else self.model.start(0)
        notes = {
            "line": self.line,
            "checksum": self.checksum,
            "ids": None if self.options.id is None else list(self.sequences),
            "carried": [row.carried for row in rows],
            "seen": [line for _, line in self.sequences.values()],
            "from": self._input(),
            "to": self.writer.about(),
            "answers": len(self.recent),
            "dropped": self.recent.dropped,
        }
        hearing = self.kind.hearing if isinstance(self.kind, Sound) else None
        stream = Stream(self.model, state, single=self.options.id is None, hearing=hearing)
        return stream.snapshot(json.dumps(notes).encode() + b"\n" + self.recent.dump())

    def restore(self, snapshot: bytes) -> None:
        """RunError for what no session saved, or one of another model; ConfigError where it is one of other
        options."""
        stream = Stream.restored(self.model, snapshot)
        if stream.single != (self.options.id is None):
            other = "of one sequence; begin without --id" if stream.single else "of many; give their --id"
            raise RunError(f"the snapshot is {other}")
        text, _, answers = stream.notes.partition(b"\n")
        try:
            self._restore(stream, json_text.parse(text), answers)
        except ConfigError:
            raise
        except (LookupError, TypeError, ValueError):
            raise RunError("the snapshot is none of `unrolled stream`; give one that it has saved") from None

    def _restore(self, stream: Stream, notes: Any, answers: bytes) -> None:
        """LookupError, TypeError, ValueError or DataError for notes that are none of `snapshot`."""
        self._require_input(notes["from"])
        line, checksum, ids = _number(notes["line"]), _number(notes["checksum"]), notes["ids"]
        carried, seen = notes["carried"], [_number(line) for line in notes["seen"]]
        if not len(carried) == len(seen) == stream.rows or sorted([*seen, line]) != [*seen, line]:
            raise ValueError("not of these sequences")
        if stream.single and ids is None:
            ids = [None]
        elif stream.single or not all(isinstance(value, str) for value in ids) or len(set(ids)) < len(ids):
            raise ValueError("no ids")
        if not all(self.kind.sound(value) for value in carried):
            raise ValueError("what its sequences carry does not fit")
        rows = (Row(states.selected(stream.state, [row]), value) for row, value in enumerate(carried))
        self.sequences = OrderedDict(zip(ids, zip(rows, seen, strict=True), strict=True))
        reader, writer = notes["from"], notes["to"]
        if reader is not None and line and self.options.pcm is None:
            self.reader = FORMATS[reader["format"]](list(self.model.columns()))
            self.reader.restore(reader)
        count, last = _number(notes["answers"]), carried[0][0] if isinstance(self.kind, Sound) else line
        if writer["format"] == self.options.output_format:
            self.writer.restore(writer)
            self.recent.load(answers, count, _number(notes["dropped"]), last)
        elif count and self.options.keep_answers != 0:
            raise ConfigError(
                f"the answers in the snapshot are not {self.options.output_format}; give the same --to as "
                "before, or drop them with --keep-answers 0"
            )
        else:
            self.recent.dropped = last
        self.line, self.checksum = line, checksum

    def _input(self) -> Record | None:
        """What the input is, for a snapshot."""
        if self.options.pcm is not None:
            return {PCM: str(self.options.pcm)}
        return None if self.reader is None else self.reader.about()

    def _require_input(self, before: Any) -> None:
        """ConfigError where a snapshot is of another kind of input."""
        before = before.get(PCM) if isinstance(before, dict) else None
        now = None if self.options.pcm is None else str(self.options.pcm)
        if now != before:
            like = "of lines; leave --pcm out" if before is None else f"of --pcm {before!s:.40}; give that"
            raise ConfigError(f"the snapshot is {like}, or begin without it")

    def _forget(self, line: int) -> None:
        """The sequences that had no line for so long."""
        if self.options.forget_after is None:
            return
        first = line - self.options.forget_after
        while self.sequences and next(iter(self.sequences.values()))[1] < first:
            self.sequences.popitem(last=False)
            self.forgotten += 1


def _number(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError("no number")
    return value
