"""What of a recording is told, as its samples come: not every answer, but what changes, with its seconds.

labels     a label when it is heard, "final": false; when another follows, or none, it is sure, with its end
classes    the likeliest class when it changes, "final": false; that of the whole at the end
values     after each frame, "final": false; that of the whole at the end

Labels are those of the likeliest path (decoding/ctc.py, greedy), the same as of the whole recording.

law   what is told does not depend on how the samples are cut into chunks
"""

import json
from abc import ABC, abstractmethod
from typing import Any

from unrolled.errors import ConfigError, RunError
from unrolled.files import json_text
from unrolled.files.messages import listed, option
from unrolled.files.samples import MEAN
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
    """How a model is given samples. Carried: how much was told, and what a task's kind needs."""

    before: tuple[int, ...] | None = None  # what a task's kind carries before the first sample

    def __init__(self, model: Model, hearing: Hearing) -> None:
        self.model, self.hearing = model, hearing

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
        frames = self._frames(row) + len(rest[self.model.compared])
        return self._numbered(records + (self._ended(frames, carried) if frames else []), row)

    @abstractmethod
    def _may_carry(self, more: Any) -> bool:
        """Whether a snapshot may hold this beside the number of what was told."""

    @abstractmethod
    def _after(self, answer: Answers, frame: int, carried: Any) -> tuple[list[Record], Any]:
        """What is told of the answers after one frame, and what is carried on."""

    @abstractmethod
    def _ended(self, frames: int, carried: Any) -> list[Record]:
        """What is told at the end of so many frames, one or more."""

    def _taken(self, answers: Answers, row: Row) -> tuple[list[Record], Any]:
        """What is told of answers (T, …), and what is carried on."""
        first, carried, records = self._frames(row), row.carried[1], list[Record]()
        for t in range(len(answers[self.model.compared])):
            answer = {name: array[t] for name, array in answers.items()}
            more, carried = self._after(answer, first + t, carried)
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
    """Of transcripts. Carried: the number of the label that is heard now, the network's step in which it
    began, and the label that is likeliest after the last frame, whose step may not be complete."""

    before = NOTHING, 0, NOTHING

    def __init__(self, model: Transcriber, hearing: Hearing) -> None:
        super().__init__(model, hearing)
        self.labels, self.stride = model.labels, model.stride

    def _may_carry(self, more: Any) -> bool:
        if not isinstance(more, list) or [type(number) for number in more] != [int, int, int]:
            return False
        label, begun, latest = more
        return bool(min(more) >= 0 and max(label, latest) < len(self.labels) and begun < MOST_SAMPLES)

    def _after(self, answer: Answers, frame: int, carried: Any) -> tuple[list[Record], Any]:
        label, begun, _ = carried
        carried = [label, begun, int(answer["log_p"].argmax())]
        return ([], carried) if (frame + 1) % self.stride else self._heard(frame, carried)

    def _ended(self, frames: int, carried: Any) -> list[Record]:
        records, (label, begun, _) = self._heard(frames - 1, carried)
        return records if label == NOTHING else [*records, self._record(label, begun, frames - 1, True)]

    def _heard(self, frame: int, carried: Any) -> tuple[list[Record], Any]:
        """What the network's step says whose last frame this is."""
        (label, begun, now), step, records = carried, frame // self.stride, list[Record]()
        if now == label:
            return records, carried
        if label != NOTHING:
            records.append(self._record(label, begun, step * self.stride - 1, True))
        if now != NOTHING:
            records.append(self._record(now, step, frame, False))
        return records, [now, step, now]

    def _record(self, label: int, begun: int, last: int, final: bool) -> Record:
        begins, ends = self._seconds(begun * self.stride, last)
        return {"label": self.labels[label], "begins_s": begins, "ends_s": ends, "final": final}


class Wholes(Sound):
    """Of answers that are to all that was heard so far. Carried: the last one, as it is told, None before."""

    def _may_carry(self, more: Any) -> bool:
        return more is None or (isinstance(more, dict) and isinstance(more.get("label", ""), str))

    def _after(self, answer: Answers, frame: int, carried: Any) -> tuple[list[Record], Any]:
        record = (
            {"ends_s": self._seconds(frame, frame)[1]} | plain(self.model.record(answer)) | {"final": False}
        )
        return ([record] if self._tells(record, carried) else []), record

    def _ended(self, frames: int, carried: Any) -> list[Record]:
        return [carried | {"final": True}]

    def _tells(self, record: Record, before: Record | None) -> bool:
        """Whether an answer is told after another."""
        return True


class Classes(Wholes):
    """Told where the likeliest class changes, or each where `each` is set."""

    def __init__(self, model: Classify, hearing: Hearing, each: bool) -> None:
        super().__init__(model, hearing)
        self.each = each

    def _tells(self, record: Record, before: Record | None) -> bool:
        return self.each or before is None or record["label"] != before["label"]


def sound_of(model: Model, rate_hz: int | None = None, each_frame: bool = False, channels: int = 1) -> Sound:
    """How this model is given samples at that rate, None: its own. `each_frame`: classes are told after each
    frame. ConfigError for a model that hears none, or none of so many channels; DataError for a rate that
    cannot be turned to its own."""
    hearing = model.hearing
    if hearing is None:
        reads = f"columns {listed(list(model.columns()))}" if model.columns() else "text"
        raise ConfigError(
            f"sound is for models that were trained on recordings; this one of task '{model.task}' reads "
            f"{reads}"
        )
    channel = hearing.audio.sound_channel
    if channel != MEAN and channels != 1 and int(channel) > channels:
        raise ConfigError(
            f"the model hears channel {channel}, and there are {channels}; record that one alone"
        )
    if rate_hz is not None:
        hearing = hearing.at(rate_hz)
    if each_frame and not isinstance(model, Classify):
        raise ConfigError(
            f"{option('each_frame')} is for models of task 'classify'; this is one of '{model.task}'"
        )
    if isinstance(model, Transcriber):
        return Labels(model, hearing)
    return Classes(model, hearing, each_frame) if isinstance(model, Classify) else Wholes(model, hearing)


class Listener:
    """What is told of a recording, in Python:

        listener = Listener(model)                  the model that runtime.load gives
        for record in listener.hear(samples):       {"answer": 1, "label": …, "begins_s": …, "final": False}
            …
        listener.end()                              a list of such records: what is told in the end

    `rate_hz`: that of the samples, where it is not that of the training; `each_frame`: classes are told after
    each frame, not where they change; `snapshot`: of a listener, which this one goes on from.

    ConfigError for a model that hears none or reads backward, RunError for a snapshot of another one.
    """

    def __init__(
        self,
        model: Model,
        rate_hz: int | None = None,
        each_frame: bool = False,
        snapshot: bytes | None = None,
    ) -> None:
        stream = model.stream(snapshot=snapshot)
        self._sound = sound_of(model, rate_hz, each_frame)
        self._row = self._sound.begin() if snapshot is None else self._restored(stream)

    @property
    def rate_hz(self) -> int:
        """At which samples come."""
        return self._sound.hearing.from_hz

    def hear(self, samples: Any) -> list[Record]:
        """What is told with the next samples (S,), as of `Stream.feed`."""
        records, self._row = self._sound.hear(self._row, samples)
        return [record for _, record in records]

    def end(self) -> list[Record]:
        """What is told when the recording is over. The next one may be heard."""
        records, self._row = self._sound.end(self._row), self._sound.begin()
        return [record for _, record in records]

    def snapshot(self) -> bytes:
        """All that another one needs to go on."""
        stream = Stream(self._sound.model, self._row.state, True, hearing=self._sound.hearing)
        return stream.snapshot(json.dumps(self._row.carried).encode())

    def _restored(self, stream: Stream) -> Row:
        try:
            carried = json_text.parse(stream.notes)
        except ValueError:
            carried = None
        if (
            not self._sound.sound(carried)
            or stream.hearing != self._sound.hearing
            or SAMPLES not in stream.state
        ):
            raise RunError("the snapshot is of no such listener; give its own, or begin without")
        return Row(stream.state, carried)
