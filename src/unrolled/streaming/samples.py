"""`unrolled stream --pcm`: samples in, what is heard out; as lines.py, with samples in place of lines.

    law   each sample is heard once, and what is told is written at least once, with its number

Samples are numbered from 1 over the whole life of a stream. They are done when what they tell is written;
those that come in one piece are done together. With a snapshot the end of the input is not that of the
recording, which goes on with the next process.
"""

from zlib import crc32

from unrolled.errors import DataError, RunError
from unrolled.streaming.heard import Sound
from unrolled.streaming.pipes import Pipe
from unrolled.streaming.sessions import Session
from unrolled.streaming.snapshots import note
from unrolled.streaming.taking import Taker


class Samples(Taker):
    """Hears samples, and writes what is told."""

    def __init__(self, session: Session, pipe: Pipe) -> None:
        super().__init__(session, pipe)
        assert session.options.pcm is not None and isinstance(session.kind, Sound)
        self.pcm, self.kind, self._rest = session.options.pcm, session.kind, b""
        self._begun = False

    def take(self, data: bytes) -> None:
        """Bytes as they come. DataError for samples that are no numbers."""
        data, size = self._rest + data, self.pcm.moment
        if not self._begun:
            header = self.pcm.header(data)
            if header is None:
                self._rest = data
                return
            self._begun, data = True, data[header:]
        whole = len(data) // size * size
        done = min(whole, max(0, self.session.line - self.at) * size)
        self._rest = data[whole:]
        if done:
            self._count(data[:done])
            self._pass_over()
        if done < whole:
            self._count(data[done:whole])
            self._hear(data[done:whole])

    def end(self) -> None:
        if self._rest:
            note(
                f"sample {self.at + 1} is not whole, and is not heard; send it again, whole"
                if self.options.snapshot
                else f"the last {len(self._rest)} bytes are no whole sample, and are not heard"
            )
        self._require_all()
        if self.pipe.exhausted and self.options.snapshot is None:
            row, _ = self.session.sequences[None]
            self._write(b"".join(self.session.writer(record) for _, record in self.kind.end(row)))

    def _hear(self, data: bytes) -> None:
        row, _ = self.session.sequences[None]
        where = f"samples {self.session.line + 1} to {self.at}"
        try:
            records, after = self.kind.hear(
                row, self.pcm.samples(data, self.kind.hearing.audio.sound_channel)
            )
        except MemoryError:
            raise RunError(f"{where}: there is not enough memory to hear them") from None
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        answers = [(number, self.session.writer(record)) for number, record in records]
        new = b"".join(answer for number, answer in answers if number > self.after)
        if not new or self._write(new):
            self.session.commit(self.at, self.checksum, None, after, answers)

    def _count(self, data: bytes) -> None:
        self.at += len(data) // self.pcm.moment
        self.checksum = crc32(data, self.checksum)
