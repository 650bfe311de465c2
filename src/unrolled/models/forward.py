"""Networks that read forward, without torch: the model of a task whose answers are the network's outputs. A
task with answers of another kind derives its own from it.

Shapes   encoded steps (T, B, …) -> o (T, B, …); the state is that of the network and of what it reads
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unrolled.batching.lookahead import Lookahead, Window, side_by_side
from unrolled.codecs.inputs import NumberInputs, TextInputs
from unrolled.codecs.words import Words
from unrolled.models.hearing import Hearing
from unrolled.models.model import Answers, Column, Model, codec_arrays
from unrolled.models.readers import WordReader, reader_of
from unrolled.ops import state as states
from unrolled.ops.state import Array, State

READ: dict[str, type[NumberInputs | TextInputs | Words]] = {
    "numbers": NumberInputs,
    "text": TextInputs,
    "words": Words,
}
AT_ONCE = 64  # windows that go through a network at once


class Forward(Model):
    """Steps are what `inputs` of the codec encode, and the block `encoder` of the network reads. Answers:
    o as "output"."""

    compared = "output"

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        super().__init__(about, arrays)
        reads = about["codec"]["inputs"]
        inputs = READ[reads["kind"]].restore(reads, codec_arrays(arrays))
        self.reader, encoder = reader_of(inputs), getattr(self.block, "encoder", None)
        if encoder is None or not self.reader.fits(encoder):
            raise ValueError(f"a network that reads by {encoder!s:.80}; wanted {self.reader.reads}")
        self.hearing = Hearing.of(about.get("hears"), self.reader.columns)
        windows = about["answers"].get("lookahead")
        self.lookahead = None if windows is None else Lookahead.restored(windows)
        self.missing = tuple(map(str, about["answers"].get("missing", ())))
        self.words = isinstance(self.reader, WordReader)
        self.causal = self.causal and getattr(inputs, "causal", True) and self.lookahead is None

    def start(self, rows: int) -> State:
        return self.network.start(rows) | self.reader.start(rows)

    def encode(self, chunk: Any) -> Array:
        """Rows of numbers, an array (T, F) or by their names; a list of words; a text, or numbers of its
        symbols."""
        return self.reader.encode(chunk)

    def forward(self, steps: Array, state: Mapping[str, Array]) -> tuple[Array, State]:
        """o after each step, and the state after the last."""
        x, carried = self.reader(steps, state)
        o, after = self.network(x, state)
        return o, after | carried

    def advance(self, steps: Array, state: Mapping[str, Array]) -> tuple[Answers, State]:
        o, after = self.forward(steps, state)
        return {self.compared: o}, after

    def outputs(self, steps: Array) -> Array:
        if self.lookahead is not None:
            return self._in_windows(steps, self.lookahead)
        o: Array = self.forward(steps[:, None], self.start(1))[0][:, 0]
        return o

    def _in_windows(self, steps: Array, lookahead: Lookahead) -> Array:
        """o of windows, those of one length side by side."""
        windows = lookahead.of([len(steps)])
        o, carried = list[Array]([steps] * len(windows)), self._states_at(steps, windows)
        for some in side_by_side(windows, AT_ONCE):
            chosen = np.stack([steps[windows[k].steps] for k in some], 1)
            x, _ = self.reader(chosen, states.joined([carried[k] for k in some]))
            outputs, _ = self.network(x, self.network.start(len(some)))
            for row, k in enumerate(some):
                o[k] = outputs[:, row]
        return lookahead.joined([len(steps)], o)[0]

    def _states_at(self, steps: Array, windows: Sequence[Window]) -> list[State]:
        """What is carried of what is read, not of the network, to where each window begins."""
        state, at, each = self.reader.start(1), 0, list[State]()
        for window in windows:
            if state and window.begin > at:
                _, state = self.reader(steps[at : window.begin, None], state)
            at = window.begin
            each.append(state)
        return each

    def predict(self, sequences: Sequence[Any]) -> Any:
        """The answers of each sequence, (T, …) each."""
        return [{self.compared: self.outputs(steps)} for steps in self.encoded(sequences)]

    def columns(self) -> Mapping[str, Column]:
        return {name: Column(missing=self.missing) for name in self.reader.columns}
