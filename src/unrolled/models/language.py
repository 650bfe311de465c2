"""Language models without torch: the distribution of the next symbol. Equations: blocks/language.py.

Shapes   tokens (T, B) int64 -> log_p (T, B, V); the state is that of the network
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from unrolled.blocks.language import Language
from unrolled.codecs.tokenizers import TOKENIZERS, beginning
from unrolled.kernels.numpy import heads
from unrolled.models.model import Answers, Model
from unrolled.models.readers import SymbolReader
from unrolled.ops.state import Array, State

MOST_NUMBERS = 1 << 22  # of log_p in memory at once, while a text is read


class Runtime(Model):
    """Steps are symbols: a stream takes text, or the numbers of symbols. `predict`: for each text the nats of
    its symbols, as `predict` of the task gives them for lines."""

    kind = Language
    block: Language
    compared = "log_p"

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        super().__init__(about, arrays)
        codec = about["codec"]
        self.tokenizer = TOKENIZERS[codec["tokens"]].restore(codec["tokenizer"])
        self.reader, self.begin = SymbolReader(self.tokenizer), beginning(self.tokenizer)
        V, rows = self.tokenizer.size, self.block.embedding.rows
        if rows != V:
            raise ValueError(f"{V} symbols, and the network's embedding has {rows} rows")

    def start(self, rows: int) -> State:
        return self.network.start(rows)

    def encode(self, chunk: Any) -> Array:
        """A text, which should end where a symbol does, or numbers of symbols (T,)."""
        return self.reader.encode(chunk)

    def advance(self, steps: Array, state: Mapping[str, Array]) -> tuple[Answers, State]:
        """{"log_p": (T, B, V)} of the symbol that follows each."""
        logits, after = self.network(steps, state)
        return {"log_p": heads.log_softmax(logits)}, after

    def predict(self, sequences: Sequence[str]) -> Array:
        """(N,) the nats of each text, from the state that a text begins with."""
        return np.array([self._nats(text) for text in sequences])

    def outputs(self, steps: Array) -> Array:
        return self.advance(steps[:, None], self.start(1))[0]["log_p"][:, 0]

    def nats(self, before: int, tokens: Array, state: Mapping[str, Array]) -> tuple[Array, State]:
        """(T,) float64, - log p of each of `tokens` (T,), where `before` is the symbol that precedes them and
        is not yet in the state of one row; in the same way the state that comes out lacks the last."""
        context = np.concatenate([[before], tokens[:-1]]).astype(np.int64)
        nats, after = [np.empty(0)], dict(state)
        at_once = max(1, MOST_NUMBERS // self.tokenizer.size)
        for first in range(0, len(tokens), at_once):
            part = slice(first, first + at_once)
            answers, after = self.advance(context[part, None], after)
            log_p = answers["log_p"][np.arange(len(tokens[part])), 0, tokens[part]]
            nats.append(-log_p.astype(np.float64))
        return np.concatenate(nats), after

    def _nats(self, text: str) -> float:
        return math.fsum(self.nats(self.begin, self.tokenizer.encode(text), self.start(1))[0])
