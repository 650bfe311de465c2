"""What of a recording is told, as its samples come: not every answer, but what changes, with its seconds.

labels     a label when it is heard, "final": false; when another follows, or none, it is sure, with its end
classes    the likeliest class when it changes, "final": false; that of the whole at the end
values     after each frame, "final": false; that of the whole at the end

Labels are those of the likeliest path (decoding/ctc.py, greedy), the same as of the whole recording.

law   what is told does not depend on how the samples are cut into chunks
"""

from abc import ABC, abstractmethod
from typing import Any

from unrolled.errors import ConfigError
from unrolled.files.messages import listed
from unrolled.files.pcm import Pcm
from unrolled.models.hearing import MOST_SAMPLES, SAMPLES, Hearing
from unrolled.models.model import Answers, Model
from unrolled.models.pooled import Classify
from unrolled.models.stream import Stream
from unrolled.models.transcribe import NOTHING
from unrolled.models.transcribe import Runtime as Transcriber
from unrolled.streaming.records import Record, plain
from unrolled.streaming.sequences import Row

NUMBER = "answer"  # of what is told, from 1 over all that is told of a recording
Told = tuple[int, Record]  # with that number


class Sound(ABC):
    """How a model is given samples. Carried: how much was told, and what a task's kind needs. `latest`: the
    answers after the last frame, None before the first."""

    before: tuple[int, int] | None = None  # what a task's kind carries before the first sample

    def __init__(self, model: Model, hearing: Hearing) -> None:
        self.model, self.hearing = model, hearing
        self.latest: Answers | None = None

    def begin(self) -> Row:
        """Before the first sample."""
        return Row(self.model.start(1) | self.hearing.start(), [0, plain(self.before)])

    def sound(self, carried: Any) -> bool:
        """Whether a snapshot may hold this."""
        if not isinstance(carried, list) or len(carried) != 2:
            return False
        count, more = carried
        return type(count) is int and 0 <= count < MOST_SAMPLES and self._may_carry(more)

    def hear(self, row: Row, samples: Any) -> tuple[list[Told], Row]:
        """What is told with these samples (S,), and the row after them. DataError for wrong ones."""
        stream = self._stream(row)
        records, carried = self._taken(stream.feed(samples), row)
        return self._numbered(records, row), Row(stream.state, [row.carried[0] + len(records), carried])

    def end(self, row: Row) -> list[Told]:
        """What is told when no sample comes any more."""
        rest = self._stream(row).finish()
        records, carried = self._taken(rest, row)
        if self.latest is not None:
            frames = self._frames(row) + len(rest[self.model.compared])
            records += self._ended(self.latest, frames, carried)
        return self._numbered(records, row)

    @abstractmethod
    def _may_carry(self, more: Any) -> bool:
        """Whether a snapshot may hold this beside the number of what was told."""

    @abstractmethod
    def _after(self, answer: Answers, frame: int, carried: Any) -> tuple[list[Record], Any]:
        """What is told of the answers after one frame, and what is carried on."""

    @abstractmethod
    def _ended(self, latest: Answers, frames: int, carried: Any) -> list[Record]:
        """What is told at the end of so many frames; `latest` are the answers after the last of them."""

    def _taken(self, answers: Answers, row: Row) -> tuple[list[Record], Any]:
        """What is told of answers (T, …), and what is carried on."""
        first, carried, records = self._frames(row), row.carried[1], list[Record]()
        for t in range(len(answers[self.model.compared])):
            self.latest = {name: array[t] for name, array in answers.items()}
            more, carried = self._after(self.latest, first + t, carried)
            records += more
        return records, carried

    def _numbered(self, records: list[Record], row: Row) -> list[Told]:
        return [(number, {NUMBER: number} | one) for number, one in enumerate(records, row.carried[0] + 1)]

    def _stream(self, row: Row) -> Stream:
        return Stream(self.model, row.state, single=True, hearing=self.hearing)

    def _frames(self, row: Row) -> int:
        """How many are full."""
        return self.hearing.frames(int(row.state[SAMPLES][0, 0]))

    def _seconds(self, first: int, last: int) -> tuple[float, float]:
        """When frame `first` begins and frame `last` ends."""
        return self.hearing.audio.seconds(first, last, self.hearing.rate_hz)


class Labels(Sound):
    """Of transcripts. Carried: the number of the label that is heard now, and the network's step in which it
    began."""

    before = NOTHING, 0

    def __init__(self, model: Transcriber, hearing: Hearing) -> None:
        super().__init__(model, hearing)
        self.labels, self.stride = model.labels, model.stride

    def _may_carry(self, more: Any) -> bool:
        if not isinstance(more, list) or [type(number) for number in more] != [int, int]:
            return False
        label, begun = more
        return bool(0 <= label < len(self.labels) and 0 <= begun < MOST_SAMPLES)

    def _after(self, answer: Answers, frame: int, carried: Any) -> tuple[list[Record], Any]:
        step, behind = divmod(frame + 1, self.stride)
        return ([], carried) if behind else self._heard(answer, step - 1, frame, carried)

    def _ended(self, latest: Answers, frames: int, carried: Any) -> list[Record]:
        step, records = (frames - 1) // self.stride, list[Record]()
        if frames % self.stride:
            records, carried = self._heard(latest, step, frames - 1, carried)
        label, begun = carried
        return records if label == NOTHING else [*records, self._record(label, begun, frames - 1, True)]

    def _heard(self, answer: Answers, step: int, frame: int, carried: Any) -> tuple[list[Record], Any]:
        """What a step of the network, the last of whose frames this is, says."""
        (label, begun), now, records = carried, int(answer["log_p"].argmax()), list[Record]()
        if now == label:
            return records, carried
        if label != NOTHING:
            records.append(self._record(label, begun, step * self.stride - 1, True))
        if now != NOTHING:
            records.append(self._record(now, step, frame, False))
        return records, [now, step]

    def _record(self, label: int, begun: int, last: int, final: bool) -> Record:
        begins, ends = self._seconds(begun * self.stride, last)
        return {"label": self.labels[label], "begins_s": begins, "ends_s": ends, "final": final}


class Wholes(Sound):
    """Of answers that are to all that was heard so far."""

    def _ended(self, latest: Answers, frames: int, carried: Any) -> list[Record]:
        return [self._record(latest, frames - 1, True)]

    def _record(self, answer: Answers, frame: int, final: bool) -> Record:
        record: Record = plain(self.model.record(answer))
        return {"ends_s": self._seconds(frame, frame)[1]} | record | {"final": final}


class Classes(Wholes):
    """Carried: the class that was told last, None before. `each`: whether all answers are told."""

    def __init__(self, model: Classify, hearing: Hearing, each: bool) -> None:
        super().__init__(model, hearing)
        self.each = each

    def _may_carry(self, more: Any) -> bool:
        return more is None or isinstance(more, str)

    def _after(self, answer: Answers, frame: int, carried: Any) -> tuple[list[Record], Any]:
        record = self._record(answer, frame, False)
        return ([record] if self.each or record["label"] != carried else []), record["label"]


class Values(Wholes):
    """Nothing is carried."""

    def _may_carry(self, more: Any) -> bool:
        return more is None

    def _after(self, answer: Answers, frame: int, carried: Any) -> tuple[list[Record], Any]:
        return [self._record(answer, frame, False)], None


def sound_of(model: Model, pcm: Pcm, each_frame: bool) -> Sound:
    """How this model is given samples of that kind. ConfigError for one that hears none."""
    hearing = model.hearing
    if hearing is None:
        reads = f"columns {listed(list(model.columns()))}" if model.columns() else "text"
        raise ConfigError(
            f"--pcm is for models that were trained on recordings; this one of task '{model.task}' reads "
            f"{reads}; leave it out"
        )
    hearing = hearing.at(pcm.rate_hz)
    if each_frame and not isinstance(model, Classify):
        raise ConfigError(f"--each-frame is for models of task 'classify'; this is one of '{model.task}'")
    if isinstance(model, Transcriber):
        return Labels(model, hearing)
    return Classes(model, hearing, each_frame) if isinstance(model, Classify) else Values(model, hearing)
