"""What stands before the layers of a model that reads text: a row of a table for each symbol. Without torch.

Shapes   encoded steps (T, B) int64 -> x (T, B, N)
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from unrolled.codecs.tokenizers import Tokenizer
from unrolled.errors import DataError
from unrolled.kernels.numpy import heads
from unrolled.models.encoders import Front
from unrolled.ops.state import Array, State


class SymbolFront(Front):
    """Steps are symbols: a text, which should end where a symbol does, or numbers of symbols. Nothing is
    carried. ValueError where `table` (V, N) is not of the tokenizer's symbols."""

    def __init__(self, tokenizer: Tokenizer, table: Array) -> None:
        heads.embedding(np.empty(0, np.int64), table)  # ValueError for one that is no table of numbers
        if len(table) != tokenizer.size:
            raise ValueError(f"{tokenizer.size} symbols, an embedding of {table.shape}")
        self.tokenizer, self.table, self.width = tokenizer, table, table.shape[1]

    def start(self, rows: int) -> State:
        return {}

    def encode(self, chunk: Any) -> Array:
        if isinstance(chunk, str):
            return self.tokenizer.encode(chunk)
        return np.array([self._number(one) for one in chunk], np.int64)

    def __call__(self, steps: Array, state: Mapping[str, Array]) -> tuple[Array, State]:
        return heads.embedding(steps, self.table), {}

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
