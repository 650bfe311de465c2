"""`unrolled stream`: lines in, an answer out for each, the state carried; numpy and the kernels alone.

    law   each line of input is stepped once, and answered at least once, with its number

Lines are numbered from 1 over the whole life of a stream, however often it is stopped: a header, a blank line
and a wrong one count as they do in a file. A line is done when its answer is written; then the reader may
still lose it, so the last answers are kept, and given again after the line that the reader names.
"""

from collections.abc import Mapping
from zlib import crc32

from unrolled.errors import ConfigError, DataError, RunError, TrainingError
from unrolled.files.ids import id_columns
from unrolled.files.messages import listed, shown
from unrolled.models.model import Column, Model
from unrolled.streaming.pipes import MOST_LINE, Chunks, Pipe
from unrolled.streaming.records import FORMATS, Csv, HeaderError, Record, cells_of, found_format, require
from unrolled.streaming.samples import Samples
from unrolled.streaming.sessions import Options, Session
from unrolled.streaming.snapshots import note, opened
from unrolled.streaming.taking import Taker

NUMBER = "line"  # of an answer: the number of the line that it belongs to


def run(model: Model, options: Options, source: int = 0, sink: int = 1) -> None:
    """Until the input ends, the reader leaves, or a signal comes, which takes effect once the snapshot is
    saved. It is saved whatever else ends the stream, too.

    DataError with the number of the first wrong line; ConfigError for options that do not fit the model,
    RunError for a snapshot, an input or an output that cannot be read or written.
    """
    model.stream(rows=0)  # refuses models that read backward
    session = Session(model, options)
    _require_fit(model, options)
    pipe = (Pipe if options.pcm is None else Chunks)(source, sink, torn=options.snapshot is None)
    with opened(session) as snapshots, pipe:
        taker: Taker = (Lines if options.pcm is None else Samples)(session, pipe)
        try:
            taker.begin()
            while not pipe.over:
                piece = pipe.next(snapshots.wait)
                if piece is not None:
                    taker.take(piece)
                snapshots.keep()
            taker.end()
        except BaseException:
            snapshots.rescue()
            raise
        snapshots.save()
        pipe.interrupts.leave()


class Lines(Taker):
    """Reads lines, and writes their answers."""

    def __init__(self, session: Session, pipe: Pipe) -> None:
        super().__init__(session, pipe)
        self.columns: Mapping[str, Column] = session.model.columns()
        self._first = True
        if session.reader is not None and self.options.input_format not in (None, session.reader.name):
            session.reader = None

    def take(self, text: bytes) -> None:
        """One line. What is wrong with it raises DataError, or is told where wrong lines are skipped."""
        if self._first:
            self._first = False
            if self._is_header_again(text):
                return
        self.at += 1
        # Of a line beyond the limit, where reading was cut short depends on how it came.
        self.checksum = crc32(b"\n", crc32(text[:MOST_LINE], self.checksum))
        if self.at <= self.session.line:
            self._pass_over()
            return
        try:
            self._step(text)
        except MemoryError:
            raise RunError(f"line {self.at}: there is not enough memory to answer it") from None
        except (DataError, TrainingError) as error:
            message = f"line {self.at}: {error}"
            if not self.options.skip_wrong or isinstance(error, HeaderError):
                raise DataError(message) from error
            self.session.pass_over(self.at, self.checksum)
            note(message)

    def end(self) -> None:
        if self.pipe.rest:
            note(
                f"line {self.at + 1} does not end with a newline, and is not read, as it may be a part "
                "of one; send it again, whole"
            )
        self._require_all()
        if self.session.forgotten:
            note(f"forgot idle sequences: {self.session.forgotten}")

    def _step(self, text: bytes) -> None:
        record = self._record(text)
        if record is None:
            self.session.pass_over(self.at, self.checksum)
            return
        answer, key, row = self.session.answer(record, self.at)
        data = self.session.writer({NUMBER: self.at} | answer)
        if self.at <= self.after or self._write(data):
            self.session.commit(self.at, self.checksum, key, row, [(self.at, data)])

    def _record(self, line: bytes) -> Record | None:
        if len(line) > MOST_LINE:
            raise DataError(f"longer than {MOST_LINE:,} bytes; end lines with a newline")
        try:
            text = line.decode().removesuffix("\r")
        except UnicodeDecodeError as error:
            hint = ", or give --pcm for sound" if self.session.model.hearing else ""
            raise DataError(f"byte {line[error.start]:#04x} is not UTF-8; write UTF-8{hint}") from None
        if self.session.reader is None:
            if self.columns and not text.strip():
                return None
            reader = FORMATS[self.options.input_format or found_format(text, list(self.columns))](
                list(self.columns)
            )
            if isinstance(reader, Csv):
                row = reader(text)
                self._check_header(reader.header or [])
                if row is None:
                    self.session.pass_over(self.at, self.checksum, reader)
                else:
                    note("the first line is a row, no header: columns go by their numbers, as in training")
                    self.session.reader = reader
                return row
            self.session.reader = reader
        return self.session.reader(text)

    def _is_header_again(self, line: bytes) -> bool:
        """Whether a table that goes on begins with a header, as a program does that was started anew. It has
        no number; its columns count from now on."""
        reader = self.session.reader
        if not isinstance(reader, Csv) or self.options.replay:
            return False
        text = line.decode(errors="replace").removesuffix("\r")
        try:
            record = reader(text)
            if record is not None and not _names_itself(record):
                cells_of(record, self.columns)
                return False
        except DataError:
            pass
        fresh = Csv(list(self.columns))
        try:
            if fresh(text) is not None:
                return False
            require(fresh.header or [], self.columns)
        except DataError:
            return False
        self._check_header(fresh.header or [])
        self.session.pass_over(self.session.line, self.session.checksum, fresh)
        return True

    def _check_header(self, header: list[str]) -> None:
        try:
            require(header, self.columns)
        except DataError as error:
            raise HeaderError(str(error)) from None
        id = self.options.id
        special = (*(() if id is None else id_columns(id, header)), self.options.end)
        for name in special:
            if name is not None and name not in header:
                raise HeaderError(f"column {shown(name)} is missing; there are {listed(header)}")
        if unread := [name for name in header if name not in self.columns and name not in special]:
            note(f"this model does not read {listed(unread)}")


def _names_itself(record: Record) -> bool:
    """Whether the cells are the names of their columns. Where all are numbers, they may be a row as well."""
    try:
        cells_of(record, dict.fromkeys(record, Column()))
    except DataError:
        return all(cell.strip() == name for name, cell in record.items())
    return False


def _require_fit(model: Model, options: Options) -> None:
    """ConfigError where lines of this format are none to this model."""
    columns = list(model.columns())
    if options.pcm is not None:
        return
    if options.input_format == "csv" and not columns:
        raise ConfigError(f"this model of task '{model.task}' reads text; give --from text or json")
    if options.input_format == "text" and columns:
        raise ConfigError(f"this model reads columns {listed(columns)}; give --from csv or json")
    if (options.id or options.end) and not columns and options.input_format != "json":
        raise ConfigError("lines of text have no columns; give --from json with --id and --end")
