"""Language models without torch: the distribution of the next symbol. Equations: tasks/language.py.

Shapes   tokens (T, B) int64 -> log_p (T, B, V); the state is that of the layers
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unrolled.batching.tokenizers import TOKENIZERS
from unrolled.errors import DataError
from unrolled.kernels import plain
from unrolled.runtime.model import Answers, Model
from unrolled.runtime.state import Array, State


class Runtime(Model):
    """Steps are symbols: a stream takes text, or the numbers of symbols. `predict`: for each text the nats of
    its symbols, as `predict` of the task gives them for lines."""

    task = "language"
    compared = "log_p"

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        super().__init__(about, arrays)
        network, codec = about["network"], about["codec"]
        self.tokenizer = TOKENIZERS[codec["tokens"]].restore(codec["tokenizer"])
        self.begin = int(network["begin"])
        self.table = arrays[network["embedding"]]
        projection, bias = network["projection"], network["bias"]
        self.projection = None if projection is None else plain.Linear(arrays[projection])
        self.head = plain.Linear(arrays[network["head"]], arrays[bias])
        self._require()

    def _require(self) -> None:
        """ValueError where the parts do not meet."""
        V, between = self.tokenizer.size, self.projection or self.head
        if self.table.shape != (V, self.layers.input_size) or self.head.out_features != V:
            raise ValueError(f"{V} symbols, an embedding of {self.table.shape}")
        widths = [(self.layers.output_size, between.in_features)]
        if self.projection is not None:
            widths.append((self.projection.out_features, self.head.in_features))
        types = {self.table.dtype, self.layers.dtype, between.dtype, self.head.dtype}
        if any(a != b for a, b in widths) or len(types) > 1 or not 0 <= self.begin < V:
            raise ValueError(f"widths {widths}, {len(types)} types, begin {self.begin}")

    def start(self, rows: int) -> State:
        return self.layers.start(rows)

    def encode(self, chunk: Any) -> Array:
        """A text, which should end where a symbol does, or numbers of symbols (T,)."""
        if isinstance(chunk, str):
            return self.tokenizer.encode(chunk)
        return np.array([self._number(one) for one in chunk], np.int64)

    def advance(self, steps: Array, state: Mapping[str, Array]) -> tuple[Answers, State]:
        """{"log_p": (T, B, V)} of the symbol that follows each."""
        h, after = self.layers(plain.embedding(steps, self.table), state)
        h = h if self.projection is None else self.projection(h)
        return {"log_p": plain.log_softmax(self.head(h))}, after

    def predict(self, sequences: Sequence[str]) -> Array:
        """(N,) the nats of each text, from the state that a text begins with."""
        return np.array([self._nats(text) for text in sequences])

    def outputs(self, steps: Array) -> Array:
        return self.advance(steps[:, None], self.start(1))[0]["log_p"][:, 0]

    def _nats(self, text: str) -> float:
        tokens = self.tokenizer.encode(text)
        if not len(tokens):
            return 0.0
        given = np.concatenate([[self.begin], tokens[:-1]])
        found, _ = self.advance(given[:, None], self.start(1))
        return math.fsum(-found["log_p"][np.arange(len(tokens)), 0, tokens].astype(np.float64))

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
