"""A trained model, step by step: the state is carried, and its rows join and leave as they please.

    stream = model.stream()              one sequence: what goes in and comes out has no dimension of rows
    stream = model.stream(rows=3)        three side by side

A snapshot is a safetensors file: the state's arrays, in its metadata the format, the model's fingerprint and
whether there is one sequence or rows, and in the array "notes" (bytes) what its writer wants to find again,
such as the names of the rows.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from unrolled.errors import DataError, RunError
from unrolled.files import json_text, safetensors
from unrolled.ops import state as states
from unrolled.ops.state import STEPS, Array, State

if TYPE_CHECKING:
    from unrolled.models.model import Answers, Model

SNAPSHOT = "snapshot 1"
ENTRY, NOTES = "unrolled", "notes"


class Stream:
    """`state` (rows, …) by name; `single`: one sequence, without a dimension of rows; `notes`: those of the
    snapshot that it comes from."""

    def __init__(self, model: "Model", state: State, single: bool, notes: bytes = b"") -> None:
        self.model, self.state, self.single, self.notes = model, state, single, notes

    @classmethod
    def begun(cls, model: "Model", rows: int | None) -> Self:
        """Before the first step."""
        if rows is not None and rows < 0:
            raise ValueError(f"rows: wanted 0 or more, got {rows}")
        return cls(model, model.start(1 if rows is None else rows), rows is None)

    @property
    def rows(self) -> int:
        """How many sequences there are."""
        return states.rows_of(self.state)

    def step(self, x: Any) -> "Answers":
        """The answer after one more step: of one sequence that step, of rows a list of one for each."""
        if self.single:
            steps = self.model.encode(_chunk_of(x))
            answers = self._advanced(steps[:, None])
            return {name: array[0, 0] for name, array in answers.items()}
        answers = self._fed(_chunks_of(self._each(x)))
        return {name: array[0] for name, array in answers.items()}

    def feed(self, chunk: Any) -> "Answers":
        """The answers after each of T more steps, as T calls of `step` would give, to the bit: (T, …), or of
        rows, a chunk of T steps for each, (T, rows, …)."""
        if self.single:
            answers = self._advanced(self.model.encode(chunk)[:, None])
            return {name: array[:, 0] for name, array in answers.items()}
        return self._fed(self._each(chunk))

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
        self.state = states.replaced(self.state, at, self.model.start(len(at)))

    def snapshot(self, notes: bytes = b"") -> bytes:
        """All that `Model.stream(snapshot=…)` needs to go on, to the bit."""
        about = {"kind": SNAPSHOT, "model": self.model.fingerprint, "single": self.single}
        arrays = {**self.state, NOTES: np.frombuffer(notes, np.uint8)}
        return safetensors.dump(arrays, {ENTRY: json.dumps(about)})

    @classmethod
    def restored(cls, model: "Model", snapshot: bytes) -> Self:
        """RunError for what is no snapshot of this model."""
        arrays, metadata = safetensors.parse("the snapshot", snapshot, "give an older one, or begin without")
        try:
            about = json_text.parse(metadata[ENTRY])
            kind, fingerprint, single = about["kind"], about["model"], bool(about["single"])
        except (LookupError, TypeError, ValueError):
            raise RunError(
                "the snapshot was not written by unrolled; give one that a stream has made"
            ) from None
        if kind != SNAPSHOT:
            raise RunError(f"the snapshot is of kind {kind!r:.40}; wanted '{SNAPSHOT}'")
        if fingerprint != model.fingerprint:
            raise RunError("the snapshot is of another model; give this model's own, or begin without")
        notes = arrays.pop(NOTES, np.empty(0, np.uint8)).tobytes()
        wanted = model.start(1)
        rows = {array.shape[0] if array.ndim else -1 for array in arrays.values()}
        fits = wanted.keys() == arrays.keys() and len(rows) == 1 and (not single or rows == {1})
        for name, array in arrays.items():
            fits = fits and (array.shape[1:], array.dtype) == (wanted[name].shape[1:], wanted[name].dtype)
        fits = fits and not (arrays.get(STEPS, np.zeros(1)) < 0).any()
        if not fits or any(np.isnan(array).any() for array in arrays.values() if array.dtype.kind == "f"):
            raise RunError(
                "the snapshot is damaged: its arrays are not those of this model's state; begin without"
            )
        return cls(model, {name: arrays[name].copy() for name in wanted}, single, notes)

    def _fed(self, chunks: Sequence[Any]) -> "Answers":
        return self._advanced(self.model.encode_rows(chunks)) if len(chunks) else {}

    def _advanced(self, steps: Array) -> "Answers":
        answers, self.state = self.model.advance(steps, self.state)
        return answers

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


def _chunk_of(x: Any) -> Any:
    """One step as a chunk; of an array no list is made."""
    return x[None] if isinstance(x, np.ndarray) else [x]


def _chunks_of(each: Any) -> Any:
    return each[:, None] if isinstance(each, np.ndarray) else [_chunk_of(one) for one in each]
