"""Symbols and their numbers. Number 0 stands for every symbol that training did not know."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import RunError

UNKNOWN = "<unk>"


@dataclass(frozen=True)
class Vocabulary:
    """`symbols[n]` has number n; symbols[0] is UNKNOWN."""

    symbols: tuple[str, ...]

    @classmethod
    def fit(cls, counts: Counter[str], least: int = 1, most: int | None = None) -> "Vocabulary":
        """The symbols of the training part that were counted `least` times or more, the most frequent first
        and at most `most` of them; ties stand in the order of their code points."""
        known = [(-count, symbol) for symbol, count in counts.items() if count >= least and symbol != UNKNOWN]
        return cls((UNKNOWN, *(symbol for _, symbol in sorted(known)[:most])))

    @classmethod
    def restore(cls, symbols: Sequence[str]) -> "Vocabulary":
        """The vocabulary of a list from JSON. RunError for what cannot be one."""
        distinct = all(isinstance(symbol, str) for symbol in symbols) and len(set(symbols)) == len(symbols)
        if not (distinct and symbols and symbols[0] == UNKNOWN):
            raise RunError(
                f"vocabulary: wanted distinct symbols, {UNKNOWN} first; the run is damaged, train again"
            )
        return cls(tuple(symbols))

    def __len__(self) -> int:
        return len(self.symbols)

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._numbers

    def encode(self, symbols: Iterable[str]) -> NDArray[np.int64]:
        """(N,) the number of each symbol, 0 where it is unknown."""
        numbers = self._numbers
        return np.fromiter((numbers.get(symbol, 0) for symbol in symbols), np.int64)

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """The symbol of each number."""
        return [self.symbols[number] for number in numbers]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {symbol: number for number, symbol in enumerate(self.symbols)}
