"""What a model reads, step by step, and how it becomes steps of its network. Without torch.

    numbers   x = [z, w] of codecs/inputs.py; the last known z of each feature is carried
    symbols   their numbers; nothing is carried
    words     x = [e; s] of tasks/words.py; nothing is carried

Shapes   encoded steps (T, B, …) -> steps of the network (T, B, …)
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from unrolled.codecs.inputs import NumberInputs
from unrolled.codecs.tokenizers import Tokenizer
from unrolled.codecs.words import MOST_CHARACTERS, Words, spelling
from unrolled.errors import DataError
from unrolled.files.wording import counted, listed, shown
from unrolled.kernels.numpy import heads
from unrolled.models.layers import Layers
from unrolled.ops.state import Array, State

LAST = "inputs.last"


class Reader(ABC):
    """What a model reads, and what of it becomes steps of its network. `columns`: what a line of `unrolled
    stream` holds, () for text."""

    columns: tuple[str, ...] = ()

    def start(self, rows: int) -> State:
        """What is carried, before the first step."""
        return {}

    @abstractmethod
    def encode(self, chunk: Any) -> Array:
        """What users give of one row's next T steps -> (T, …). DataError for what cannot be read."""

    def __call__(self, steps: Array, state: Mapping[str, Array]) -> tuple[Array, State]:
        """Encoded steps (T, B, …) -> those of the network, and what is carried on."""
        return steps, {}


class SymbolReader(Reader):
    """Steps are symbols: a text, which should end where a symbol does, or numbers of symbols. Encoded: those
    numbers."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    def encode(self, chunk: Any) -> Array:
        if isinstance(chunk, str):
            return self.tokenizer.encode(chunk)
        return np.array([self._number(one) for one in chunk], np.int64)

    def _number(self, one: Any) -> int:
        if isinstance(one, str):
            numbers = self.tokenizer.encode(one)
            if len(numbers) != 1:
                raise DataError(
                    f"{one!r:.40} is {len(numbers)} symbols of this model; feed texts, step one symbol"
                )
            return int(numbers[0])
        if not isinstance(one, int | np.integer) or not 0 <= one < self.tokenizer.size:
            raise DataError(f"wanted a symbol or its number below {self.tokenizer.size}, got {one!r:.40}")
        return int(one)


class NumberReader(Reader):
    """A step is a number for each feature, in their order or by their names; of one feature it may stand
    alone. None and NaN are missing. Encoded: z (T, F)."""

    def __init__(self, inputs: NumberInputs) -> None:
        require_scaled(inputs)
        self.inputs, self.width, self.columns = inputs, inputs.width, inputs.features

    def start(self, rows: int) -> State:
        return {LAST: np.zeros((rows, len(self.inputs.features)))}

    def encode(self, chunk: Any) -> Array:
        F = len(self.inputs.features)
        if not isinstance(chunk, np.ndarray):
            chunk = [self._ordered(one, t) for t, one in enumerate(chunk)]
        try:
            x = np.array(chunk, np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(f"wanted steps of {counted(F, 'number')}: {shown(str(error), 60)}") from None
        if (x.ndim == 1 and F == 1) or not len(x):
            x = x.reshape(len(x), F)
        if x.ndim != 2 or x.shape[1] != F:
            raise DataError(
                f"wanted steps of {counted(F, 'number')} ({listed(self.inputs.features)}), got an array of "
                f"{x.shape}"
            )
        return self.inputs.scaled(x, "the chunk")

    def __call__(self, steps: Array, state: Mapping[str, Array]) -> tuple[Array, State]:
        x, last = self.inputs.filled(steps, state[LAST])
        return x, {LAST: last}

    def _ordered(self, step: Any, t: int) -> Any:
        if not isinstance(step, Mapping):
            return step
        if missing := [name for name in self.inputs.features if name not in step]:
            raise DataError(
                f"step {t + 1} lacks {listed(missing)}; give every feature, None where its value is missing"
            )
        return [step[name] for name in self.inputs.features]


def require_scaled(inputs: NumberInputs) -> None:
    """ValueError or TypeError where the parts do not meet."""
    F, scaler = len(inputs.features), inputs.scaler
    if not (scaler.mean.shape == scaler.scale.shape == inputs.flagged.shape == (F,)) or not F:
        raise ValueError(f"{F} features, scaled by {scaler.mean.shape} and {scaler.scale.shape} numbers")
    if not all(isinstance(name, str) for name in inputs.features):
        raise TypeError("features whose names are no texts")


class WordFront(Reader):
    """A step is a word. Encoded: its row of codecs/words.py. `about`: names of the embeddings "table" and
    "letters", and the layers "spelling", the last two null where characters are not read."""

    def __init__(self, inputs: Words, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        self.inputs, self.table = inputs, arrays[about["table"]]
        _check("table", self.table, len(inputs.words), None)
        self.width = self.table.shape[1]
        self.spelling: Layers | None = None
        if about["spelling"] is not None:
            self.letters, self.spelling = arrays[about["letters"]], Layers(about["spelling"], arrays)
            _check("letters", self.letters, len(inputs.characters), self.spelling.input_size)
            self.width += sum(array.shape[1] for array in self.spelling.start(0).values())

    def start(self, rows: int) -> State:
        return {}

    def encode(self, chunk: Any) -> Array:
        if isinstance(chunk, str):
            raise DataError(f"wanted a list of words, got the text {shown(chunk)}; split it")
        for t, word in enumerate(chunk):
            if not isinstance(word, str):
                raise DataError(f"step {t + 1}: wanted a word, got {word!r:.40}")
        return self.inputs.encode(chunk)

    def __call__(self, steps: Array, state: Mapping[str, Array]) -> tuple[Array, State]:
        e = heads.embedding(steps[..., 0], self.table)
        if self.spelling is None:
            return e, {}
        each, which = np.unique(steps.reshape(-1, 1 + MOST_CHARACTERS), axis=0, return_inverse=True)
        return np.concatenate([e, self._spelt(each)[which.reshape(steps.shape[:2])]], -1), {}

    def _spelt(self, words: Array) -> Array:
        """The states after each word's last character, of both directions (U, 2 S)."""
        assert self.spelling is not None
        characters, sizes = spelling(words)
        c = heads.embedding(np.ascontiguousarray(characters.T), self.letters)
        _, last = self.spelling(c, self.spelling.start(len(words)), sizes)
        return np.concatenate(list(last.values()), 1)


def _check(name: str, table: Array, rows: int, width: int | None) -> None:
    if table.ndim != 2 or len(table) != rows or width not in (None, table.shape[1]) or not table.shape[1]:
        raise ValueError(f"{name} is {table.shape}; wanted ({rows}, {width or 'any'})")
