"""What takes the input of a stream, piece by piece, and writes the answers: lines or samples."""

from abc import ABC, abstractmethod

from unrolled.errors import DataError, RunError
from unrolled.streaming.pipes import Pipe
from unrolled.streaming.sessions import Session


class Taker(ABC):
    """`at`, `checksum`: as `line` and `checksum` of a session, of what was read last."""

    def __init__(self, session: Session, pipe: Pipe) -> None:
        self.session, self.options, self.pipe = session, session.options, pipe
        replay = self.options.replay
        self.at, self.checksum = (0, 0) if replay else (session.line, session.checksum)
        self.after = self.options.after or 0
        self._headed = False

    def begin(self) -> None:
        """Gives answers again, if they are asked for and the input does not begin anew."""
        if self.options.after is not None and not self.options.replay:
            self._give_again()

    @abstractmethod
    def take(self, data: bytes) -> None:
        """A piece of the input. DataError for what is wrong with it."""

    @abstractmethod
    def end(self) -> None:
        """The input is over, or whoever reads answers is gone."""

    def _write(self, data: bytes) -> bool:
        if not self._headed:
            head = self.session.writer.head()
            data, self._headed = head + data, bool(head)
        return self.pipe.write(data)

    def _pass_over(self) -> None:
        """What was read last was done before. DataError where it is another than then."""
        unit = self.session.unit
        if self.at < self.session.line:
            return
        if self.checksum != self.session.checksum:
            raise DataError(
                f"{unit}s 1 to {self.at} are not those that were done before; send the same with --replay, "
                f"or those after {unit} {self.at} without"
            )
        self._give_again()

    def _require_all(self) -> None:
        """DataError where the input is over before all of it came that was done before."""
        unit = self.session.unit
        if self.pipe.exhausted and self.at < self.session.line:
            raise DataError(
                f"the input ended with {unit} {self.at}, and {unit}s up to {self.session.line} were done "
                "before; send all of them with --replay, or those after them without"
            )

    def _give_again(self) -> None:
        """Answers that were written before. RunError where some are no longer kept."""
        recent, number = self.session.recent, self.session.number
        if self.options.after is not None and self.after < recent.dropped:
            raise RunError(
                f"answers up to {number} {recent.dropped} are no longer kept, and --after asks for those "
                f"after {number} {self.after}; --after {recent.dropped} does without; --keep-answers N keeps "
                "more"
            )
        if data := recent.after(self.after):
            self._write(data)
