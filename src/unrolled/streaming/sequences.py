"""What a line is to a model: the sequences that lines belong to, and the answer to each line.

rows of a table   one step                                       forecast, detect, classify, regress, tag of
                                                                 numbers
words             one step; an empty line ends the sentence      tag of words
texts             the line's symbols, after the line end before it, if the line is not the first; an empty
                  line ends the text                             classify, regress of texts
text without end  the same, and empty lines are lines            language

law   the answer to the first line of a sequence is what `predict` says of it alone, to the bit
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from unrolled.codecs.gaps import REFUSE, RESTART
from unrolled.codecs.series import NEVER
from unrolled.errors import ConfigError, DataError
from unrolled.files.ids import id_of
from unrolled.files.messages import either, shown
from unrolled.files.zones import OFFSETS
from unrolled.models.forecast import Runtime as Forecaster
from unrolled.models.language import Runtime as LanguageModel
from unrolled.models.model import Model
from unrolled.ops.state import Array, State
from unrolled.streaming.gaps import Gaps, Moment, Place
from unrolled.streaming.records import TEXT, Record, cells_of, plain
from unrolled.streaming.writers import ENDED

LINE_END = "\n"
INTERVALS = ADAPTIVE, STATIC = "adaptive", "static"


class Row(NamedTuple):
    """One sequence between two lines; `carried`: what the kind keeps beside the state, in plain values."""

    state: State
    carried: Any


class Kind(ABC):
    """How a model is given lines."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def begin(self) -> Row:
        """Before the first line."""
        return Row(self.model.start(1), 0)

    def sound(self, carried: Any) -> bool:
        """Whether a snapshot may hold this."""
        return type(carried) is int and carried == 0

    @abstractmethod
    def answer(self, row: Row, record: Record) -> tuple[Record, Row | None]:
        """The answer and the row after it, None where the sequence has ended. DataError for a wrong line."""


class Rows(Kind):
    """Rows of a table."""

    def answer(self, row: Row, record: Record) -> tuple[Record, Row | None]:
        answer, state = _last(self.model, [cells_of(record, self.model.columns())], row.state)
        return answer, Row(state, 0)


class Series(Kind):
    """Steps of a series, each answered by its forecasts, or by how unusual it is: forecasts of the next
    `ahead` steps where that is not 0, quantiles then as far as the model gives them at once. gaps.py says
    what becomes of steps that are missing, late or wild. Carried: the time of a line that was refused, NEVER
    where there is none.

    Beside the forecasts an answer tells how many steps were "filled" that the lines since the last answer
    lack, and whether the sequence was "restarted" with this line."""

    def __init__(
        self,
        model: Forecaster,
        ahead: int,
        gaps: str | None,
        longest_gap: int | None,
        intervals: str | None,
    ) -> None:
        super().__init__(model)
        self.forecaster, self.ahead, self.static = model, ahead, intervals == STATIC
        if intervals == ADAPTIVE and model.intervals is None:
            raise ConfigError(
                f"--intervals {ADAPTIVE}: this model tells no intervals that errors could widen; leave it out"
            )
        self.reader = model.reader.reading_gaps()
        self.gaps = Gaps(self.reader, model.window, gaps, longest_gap)
        self.zoned = model.codec.zone not in (None, OFFSETS)
        self.columns, self.nothing = model.columns(), self._nothing()

    def begin(self) -> Row:
        return Row(self.model.start(1), NEVER)

    def sound(self, carried: Any) -> bool:
        return type(carried) is int and -(2**63) <= carried < 2**63

    def answer(self, row: Row, record: Record) -> tuple[Record, Row | None]:
        steps, place = self._placed(row, cells_of(record, self.columns))
        gone = bool(np.isnan(steps["x"]).any())
        if gone and self.gaps.policy == RESTART:  # it begins with the next line that has all values
            return self._marked(self.nothing, 0, True), self.begin()
        if gone and self.gaps.policy == REFUSE:
            self.gaps.refuse_missing(steps)
        state = self.model.start(1) if place.anew else row.state
        filled = place.missing + gone
        if place.missing:
            steps = np.concatenate([self._missing(state, place.missing, self._series(record)), steps])
        rule = self.gaps.policy if filled else REFUSE
        answers, after = self.forecaster.follow(steps[:, None], state, rule)
        if self.static:
            answers.pop(ADAPTIVE, None)
        answer = plain(self.model.record({name: array[-1, 0] for name, array in answers.items()}))
        if self.ahead:
            self._put(answer, self.forecaster.ahead(after, self.ahead)[0])
        return self._marked(answer, filled, place.anew), Row(after, NEVER)

    def _put(self, answer: Record, values: Array) -> None:
        """The forecasts (ahead, K) in an answer."""
        for k, name in enumerate(self.forecaster.codec.targets):
            answer[name] = answer[name] | {"forecast": plain(values[:, k])}

    def _nothing(self) -> Record:
        """An answer without a forecast, in the same form as others."""
        answer: Record = plain(self.model.record(self.forecaster.nothing()))
        if self.ahead:
            self._put(answer, np.full((self.ahead, len(self.forecaster.codec.targets)), np.nan))
        return answer

    def _placed(self, row: Row, cells: Record) -> tuple[Array, Place]:
        """The line as a step, and where it stands; of a time that comes twice as the reading that is not
        late."""
        last = Moment(int(row.state["series.time"][0]), int(row.state["series.offset"][0]))
        for later in (False, True):
            steps = self.reader.encode([cells], later)
            now = Moment(int(steps["time"][0]), int(steps["offset"][0]))
            if later or not self.zoned or now.time > last.time:
                break
        return steps, self.gaps.place(now, last, row.carried)

    def _series(self, record: Record) -> str | None:
        """The name of a line's series, where the model reads it."""
        name = self.forecaster.codec.id
        value = None if name is None or name not in self.columns else id_of(record, name)
        return None if value is None else str(value)

    def _missing(self, state: State, count: int, series: str | None) -> Array:
        """So many steps after a state of which nothing is known but their series."""
        codec, times, offsets = self.forecaster.codec, [state["series.time"]], [state["series.offset"]]
        for _ in range(count):
            following, offset = codec.following(times[-1], offsets[-1])
            times.append(following.astype(np.int64))
            offsets.append(offset)
        return self.reader.missing(np.concatenate(times[1:]), np.concatenate(offsets[1:]), series)

    @staticmethod
    def _marked(answer: Record, filled: int, restarted: bool) -> Record:
        return {"filled": filled, "restarted": restarted} | answer


class Words(Kind):
    """A word in each line."""

    def answer(self, row: Row, record: Record) -> tuple[Record, Row | None]:
        word = text_of(record).strip()
        if not word:
            return ENDED, None
        answer, state = _last(self.model, [word], row.state)
        return answer, Row(state, 0)


class Texts(Kind):
    """Texts of one line or several. Carried: 1 after the first line."""

    def sound(self, carried: Any) -> bool:
        return type(carried) is int and carried in (0, 1)

    def answer(self, row: Row, record: Record) -> tuple[Record, Row | None]:
        text = text_of(record)
        if not text:
            return ENDED, None
        answer, state = _last(self.model, LINE_END + text if row.carried else text, row.state)
        return answer, Row(state, 1)


class Endless(Kind):
    """A text, line by line: the nats of each line's symbols. Carried: the last symbol, which the state lacks,
    or -1 before the first line. `likeliest`: so many symbols that may follow the line are told."""

    def __init__(self, model: LanguageModel, likeliest: int) -> None:
        super().__init__(model)
        self.text_model, self.likeliest = model, likeliest
        self.line_end = model.tokenizer.encode(LINE_END)

    def begin(self) -> Row:
        return Row(self.text_model.start(1), -1)

    def sound(self, carried: Any) -> bool:
        return type(carried) is int and -1 <= carried < self.text_model.tokenizer.size

    def answer(self, row: Row, record: Record) -> tuple[Record, Row | None]:
        tokens = self.text_model.tokenizer.encode(text_of(record))
        state, last = row
        if last < 0:
            last = self.text_model.begin
        elif len(self.line_end):
            _, state = self.text_model.nats(last, self.line_end, state)
            last = int(self.line_end[-1])
        nats, state = self.text_model.nats(last, tokens, state)
        last = int(tokens[-1]) if len(tokens) else last
        answer: Record = {"tokens": len(tokens), "nats": math.fsum(nats)}
        if self.likeliest:
            answer["next"] = self._likeliest(last, state)
        return answer, Row(state, last)

    def _likeliest(self, last: int, state: Mapping[str, Array]) -> list[Record]:
        answers, _ = self.text_model.advance(np.array([[last]]), state)
        log_p = answers["log_p"][0, 0]
        order = np.argsort(-log_p, kind="stable")[: self.likeliest]
        return [{"symbol": self.text_model.tokenizer.decode([n]), "log_p": plain(log_p[n])} for n in order]


def kind_of(
    model: Model,
    likeliest: int = 0,
    ahead: int = 0,
    gaps: str | None = None,
    longest_gap: int | None = None,
    intervals: str | None = None,
) -> Kind:
    """How this model is given lines. ConfigError for options of one of another task."""
    series = ("forecast", "detect")
    for option, value, tasks in (
        ("--next", likeliest, ("language",)),
        ("--ahead", ahead, ("forecast",)),
        ("--gaps", gaps, series),
        ("--longest-gap", longest_gap, series),
        ("--intervals", intervals, ("forecast",)),
    ):
        if value and model.task not in tasks:
            wanted = either([f"'{task}'" for task in tasks])
            raise ConfigError(
                f"{option} is for models of task {wanted}; this is one of '{model.task}'; leave it out"
            )
    if isinstance(model, LanguageModel):
        return Endless(model, likeliest)
    if isinstance(model, Forecaster):
        return Series(model, ahead, gaps, longest_gap, intervals)
    if model.columns():
        return Rows(model)
    return Words(model) if model.words else Texts(model)


def text_of(record: Record) -> str:
    """The text of a line. DataError where a JSON line holds none."""
    text = record.get(TEXT)
    if not isinstance(text, str):
        raise DataError(f'wanted {{"{TEXT}": "…"}}, got {shown(record)}')
    return text


def _last(model: Model, chunk: Any, state: State) -> tuple[Record, State]:
    """The answer after the last step of a chunk; an empty one where the chunk holds no step."""
    steps = model.encode(chunk)
    answers, after = model.advance(steps[:, None], state)
    if not len(steps):
        return {}, after
    record: Record = plain(model.record({name: array[-1, 0] for name, array in answers.items()}))
    return record, after
