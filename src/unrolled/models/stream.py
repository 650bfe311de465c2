"""A trained model, step by step: the state is carried, and its rows join and leave as they please.

    stream = model.stream()              one sequence: what goes in and comes out has no dimension of rows
    stream = model.stream(rows=3)        three side by side

Of a model that hears, one sequence may be fed the samples of a recording, in chunks of any sizes, in place of
rows of its features. Answers are then those after each frame that is full, and `finish` gives what is left.

A snapshot is a safetensors file: the state's arrays, in its metadata the format, the model's fingerprint and
whether there is one sequence or rows, and in the array "notes" (bytes) what its writer wants to find again,
such as the names of the rows.
"""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from unrolled.errors import ConfigError, DataError, RunError
from unrolled.files import json_text, safetensors
from unrolled.models.hearing import SAMPLES, Hearing, are_samples, of_sound
from unrolled.ops import state as states
from unrolled.ops.state import STEPS, Array, State

if TYPE_CHECKING:
    from unrolled.models.model import Answers, Model

SNAPSHOT = "snapshot 1"
ENTRY, NOTES = "unrolled", "notes"


class Stream:
    """`state` (rows, …) by name; `single`: one sequence, without a dimension of rows; `notes`: those of the
    snapshot that it comes from; `hearing`: how samples become steps, None of a model that does not hear."""

    def __init__(
        self, model: "Model", state: State, single: bool, notes: bytes = b"", hearing: Hearing | None = None
    ) -> None:
        self.model, self.state, self.single, self.notes = model, state, single, notes
        self.hearing = hearing or model.hearing

    @classmethod
    def begun(cls, model: "Model", rows: int | None, hearing: Hearing | None = None) -> Self:
        """Before the first step."""
        if rows is not None and rows < 0:
            raise ValueError(f"rows: wanted 0 or more, got {rows}")
        return cls(model, model.start(1 if rows is None else rows), rows is None, hearing=hearing)

    @property
    def rows(self) -> int:
        """How many sequences there are."""
        return states.rows_of(self.state)

    def step(self, x: Any) -> "Answers":
        """The answer after one more step: of one sequence that step, of rows a list of one for each."""
        if self.single:
            answers = self._advanced(self._encoded(_chunk_of(x)))
            return {name: array[0, 0] for name, array in answers.items()}
        answers = self._fed(_chunks_of(self._each(x)))
        return {name: array[0] for name, array in answers.items()}

    def feed(self, chunk: Any) -> "Answers":
        """The answers after each of T more steps, as T calls of `step` would give, to the bit: (T, …), or of
        rows, a chunk of T steps for each, (T, rows, …). Samples (S,), S ≥ 0, are floats from -1 to 1 or whole
        numbers of 16 or 32 bits, and T the frames that they fill with those before."""
        hearing = self.hearing
        if not self.single:
            chunks = self._each(chunk)
            if hearing is not None and any(map(are_samples, chunks)):
                raise DataError("samples are fed to a stream of one sequence; begin one for each recording")
            return self._fed(chunks)
        if hearing is not None and are_samples(chunk, SAMPLES in self.state):
            return self._heard(*hearing(chunk, self._sound(hearing)))
        return _of_one(self._advanced(self._encoded(chunk)))

    def finish(self) -> "Answers":
        """The recording whose samples were fed is over: the answers to what they leave, (1, …) for one that
        is shorter than a frame and else (0, …). The stream begins anew."""
        hearing = self.hearing
        if hearing is None or not self.single:
            raise ValueError("this is no stream of samples; nothing is left to answer")
        answers = self._heard(hearing.rest(self._sound(hearing)), {})
        self.reset()
        return answers

    def join(self, rows: int = 1) -> list[int]:
        """New sequences behind those that are there; where they stand."""
        self._require_rows()
        before = self.rows
        self.state = states.joined([self.state, self.model.start(rows)])
        return list(range(before, self.rows))

    def leave(self, rows: Sequence[int]) -> None:
        """These sequences are over; those behind them move up."""
        self._require_rows()
        gone = set(self._checked(rows))
        self.state = states.selected(self.state, [row for row in range(self.rows) if row not in gone])

    def reset(self, rows: Sequence[int] | None = None) -> None:
        """These sequences, or all, begin anew."""
        at = list(range(self.rows)) if rows is None else self._checked(rows)
        state = {name: array for name, array in self.state.items() if not of_sound(name)}
        self.state = states.replaced(state, at, self.model.start(len(at)))

    def snapshot(self, notes: bytes = b"") -> bytes:
        """All that `Model.stream(snapshot=…)` needs to go on, to the bit."""
        about = {"kind": SNAPSHOT, "model": self.model.fingerprint, "single": self.single}
        if self.hearing is not None and self.hearing.from_hz != self.hearing.rate_hz:
            about["rate_hz"] = self.hearing.from_hz
        arrays = {**self.state, NOTES: np.frombuffer(notes, np.uint8)}
        return safetensors.dump(arrays, {ENTRY: json.dumps(about)})

    @classmethod
    def restored(cls, model: "Model", snapshot: bytes) -> Self:
        """RunError for what is no snapshot of this model."""
        arrays, metadata = safetensors.parse("the snapshot", snapshot, "give an older one, or begin without")
        try:
            about = json_text.parse(metadata[ENTRY])
            kind, fingerprint, single = about["kind"], about["model"], bool(about["single"])
            rate_hz = about.get("rate_hz")
        except (LookupError, TypeError, ValueError):
            raise RunError(
                "the snapshot was not written by unrolled; give one that a stream has made"
            ) from None
        if kind != SNAPSHOT:
            raise RunError(f"the snapshot is of kind {kind!r:.40}; wanted '{SNAPSHOT}'")
        if fingerprint != model.fingerprint:
            raise RunError("the snapshot is of another model; give this model's own, or begin without")
        notes = arrays.pop(NOTES, np.empty(0, np.uint8)).tobytes()
        wanted, hearing = model.start(1), model.hearing
        if hearing is not None and SAMPLES in arrays:
            with suppress(ConfigError, DataError):  # then its arrays do not fit
                hearing = hearing if rate_hz is None else hearing.at(rate_hz)
            wanted |= hearing.start()
        rows = {array.shape[0] if array.ndim else -1 for array in arrays.values()}
        fits = wanted.keys() == arrays.keys() and len(rows) == 1 and (not single or rows == {1})
        for name, array in arrays.items():
            fits = fits and (array.shape[1:], array.dtype) == (wanted[name].shape[1:], wanted[name].dtype)
        fits = fits and (SAMPLES not in arrays or (hearing is not None and hearing.sound(arrays)))
        fits = fits and not (arrays.get(STEPS, np.zeros(1)) < 0).any()
        if not fits or any(np.isnan(array).any() for array in arrays.values() if array.dtype.kind == "f"):
            raise RunError(
                "the snapshot is damaged: its arrays are not those of this model's state; begin without"
            )
        return cls(model, {name: arrays[name].copy() for name in wanted}, single, notes, hearing)

    def _fed(self, chunks: Sequence[Any]) -> "Answers":
        return self._advanced(self.model.encode_rows(chunks)) if len(chunks) else {}

    def _advanced(self, steps: Array) -> "Answers":
        answers, self.state = self.model.advance(steps, self.state)
        return answers

    def _encoded(self, chunk: Any) -> Array:
        """A chunk of one sequence's steps, none of them samples -> (T, 1, …)."""
        if SAMPLES in self.state:
            raise DataError("this stream was fed samples of a recording; feed more of them, or finish it")
        return self.model.encode(chunk)[:, None]

    def _heard(self, x: Array, sound: State) -> "Answers":
        """The answers to frames x (T, M) of a recording, which `sound` carries on."""
        answers = self._advanced(self.model.encode(x)[:, None])
        self.state |= sound
        return _of_one(answers)

    def _sound(self, hearing: Hearing) -> State:
        """What is carried of a recording."""
        return {name: self.state.get(name, array) for name, array in hearing.start().items()}

    def _each(self, rows: Any) -> Sequence[Any]:
        if len(rows) != self.rows:
            raise DataError(f"wanted one for each of {self.rows} rows, got {len(rows)}")
        each: Sequence[Any] = rows
        return each

    def _checked(self, rows: Sequence[int]) -> list[int]:
        at = [int(row) for row in rows]
        if any(not 0 <= row < self.rows for row in at) or len(set(at)) != len(at):
            raise ValueError(f"rows {at}: wanted different ones of 0 to {self.rows - 1}")
        return at

    def _require_rows(self) -> None:
        if self.single:
            raise ValueError("this stream is of one sequence; begin one with rows=1 for others to join")


def _of_one(answers: "Answers") -> "Answers":
    return {name: array[:, 0] for name, array in answers.items()}


def _chunk_of(x: Any) -> Any:
    """One step as a chunk; of an array no list is made."""
    return x[None] if isinstance(x, np.ndarray) else [x]


def _chunks_of(each: Any) -> Any:
    return each[:, None] if isinstance(each, np.ndarray) else [_chunk_of(one) for one in each]
