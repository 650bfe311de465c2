"""What a model reads, step by step, and how it becomes steps of its network. Without torch.

    numbers   x = [z, w] of codecs/inputs.py; the last known z of each feature is carried, and a running level
    symbols   their numbers; nothing is carried
    words     a batch of codecs/words.py; nothing is carried

Shapes   encoded steps (T, B, …) -> steps of the network (T, B, …)
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from unrolled.codecs.inputs import Inputs, NumberInputs
from unrolled.codecs.tokenizers import Tokenizer
from unrolled.codecs.words import WordBatch, Words, batch_of
from unrolled.errors import DataError
from unrolled.files.messages import counted, listed, shown
from unrolled.ops.state import Array, State


class Reader(ABC):
    """What a model reads, and what of it becomes steps of its network. `columns`: what a line of `unrolled
    stream` holds, () for text; `reads`: what the block that encodes the steps must read."""

    columns: tuple[str, ...] = ()
    reads: tuple[str, int]

    def fits(self, encoder: Any) -> bool:
        """Whether that block encodes these steps."""
        return bool(encoder.reads == self.reads)

    def start(self, rows: int) -> State:
        """What is carried, before the first step."""
        return {}

    @abstractmethod
    def encode(self, chunk: Any) -> Array:
        """What users give of one row's next T steps -> (T, …). DataError for what cannot be read."""

    def __call__(self, steps: Array, state: Mapping[str, Array]) -> tuple[Any, State]:
        """Encoded steps (T, B, …) -> those of the network, and what is carried on."""
        return steps, {}


class SymbolReader(Reader):
    """Steps are symbols: a text, which should end where a symbol does, or numbers of symbols. Encoded: those
    numbers."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.reads = tokenizer, ("symbols", tokenizer.size)

    def encode(self, chunk: Any) -> Array:
        if isinstance(chunk, str):
            return self.tokenizer.encode(chunk)
        return np.array([self._number(symbol) for symbol in chunk], np.int64)

    def _number(self, symbol: Any) -> int:
        if isinstance(symbol, str):
            numbers = self.tokenizer.encode(symbol)
            if len(numbers) != 1:
                raise DataError(
                    f"{symbol!r:.40} is {len(numbers)} symbols of this model; feed texts, step one symbol"
                )
            return int(numbers[0])
        if not isinstance(symbol, int | np.integer) or not 0 <= symbol < self.tokenizer.size:
            raise DataError(f"wanted a symbol or its number below {self.tokenizer.size}, got {symbol!r:.40}")
        return int(symbol)


class NumberReader(Reader):
    """A step is a number for each feature, in their order or by their names; of one feature it may stand
    alone. None and NaN are missing. Encoded: what `scaled` of the inputs gives (T, F)."""

    def __init__(self, inputs: NumberInputs) -> None:
        require_scaled(inputs)
        self.inputs, self.width, self.columns = inputs, inputs.width, inputs.features
        self.reads = "numbers", inputs.width

    def start(self, rows: int) -> State:
        return self.inputs.start(rows)

    def encode(self, chunk: Any) -> Array:
        F = len(self.inputs.features)
        if not isinstance(chunk, np.ndarray):
            chunk = [self._ordered(step, t) for t, step in enumerate(chunk)]
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
        return self.inputs.filled(steps, state)

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


class WordReader(Reader):
    """A step is a word. Encoded: its row of codecs/words.py."""

    def __init__(self, inputs: Words) -> None:
        self.inputs, self.reads = inputs, ("words", len(inputs.words))

    def fits(self, encoder: Any) -> bool:
        letters, affixes = getattr(encoder, "letters", None), self.inputs.affixes
        rows = [len(one) for one in affixes.vocabularies] if affixes else []
        return (
            super().fits(encoder)
            and (letters is None or letters.rows == len(self.inputs.characters))
            and [one.rows for one in getattr(encoder, "affixes", ())] == rows
        )

    def encode(self, chunk: Any) -> Array:
        if isinstance(chunk, str):
            raise DataError(f"wanted a list of words, got the text {shown(chunk)}; split it")
        for t, word in enumerate(chunk):
            if not isinstance(word, str):
                raise DataError(f"step {t + 1}: wanted a word, got {word!r:.40}")
        return self.inputs.encode(chunk)

    def __call__(self, steps: Array, state: Mapping[str, Array]) -> tuple[WordBatch, State]:
        batch = batch_of(steps)
        return batch._replace(characters=np.ascontiguousarray(batch.characters.T)), {}


def reader_of(inputs: Inputs | Words) -> Reader:
    """What reads as these inputs encode."""
    if isinstance(inputs, NumberInputs):
        return NumberReader(inputs)
    return WordReader(inputs) if isinstance(inputs, Words) else SymbolReader(inputs.tokenizer)
