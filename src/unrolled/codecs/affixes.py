"""What a word looks like, in symbols that words share: its shape, and how it begins and ends. Needs no torch.

    shape      upper case X, lower case x, other letters c, digits d, all others as they are; of more than two
               alike in a row two: "McDonald's" -> "XxXxx'x", "2019" -> "dd"
    prefix k   the first k characters in lower case, k = 1 … LONGEST, "" of words that have fewer
    suffix k   the last k characters likewise

Each of these slots has a vocabulary of its own, of what stands in LEAST_WORDS different words of the training
part or more, so that number 0 is learned from the others.

Shapes   T words -> numbers (T, SLOTS) int64
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

from unrolled.codecs.vocabulary import Vocabulary

LONGEST = 4
CHARACTERS = (0, *range(1, LONGEST + 1), *range(1, LONGEST + 1))  # of each slot
SLOTS = len(CHARACTERS)
LEAST_WORDS = 2

_KINDS = {"Lu": "X", "Lt": "X", "Ll": "x", "Lm": "c", "Lo": "c", "Nd": "d"}


@dataclass(frozen=True)
class Affixes:
    """`vocabularies` (SLOTS,): of shapes, of prefixes and of suffixes by their length."""

    vocabularies: tuple[Vocabulary, ...]

    @classmethod
    def fit(cls, words: Iterable[str]) -> Self:
        """Of the different words of the training part."""
        slots = zip(*map(symbols, sorted(set(words))), strict=True)
        return cls(tuple(Vocabulary.fit(Counter(slot), LEAST_WORDS) for slot in slots))

    def encode(self, words: Sequence[str]) -> NDArray[np.int64]:
        """(T, SLOTS) the number of each symbol, 0 where it is unknown."""
        slots = zip(*map(symbols, words), strict=True)
        numbers = [one.encode(slot) for one, slot in zip(self.vocabularies, slots, strict=bool(words))]
        return np.stack(numbers, 1) if words else np.empty((0, SLOTS), np.int64)

    @classmethod
    def restore(cls, about: Sequence[Sequence[str]]) -> Self:
        if len(about) != SLOTS:
            raise ValueError(f"{len(about)} vocabularies of affixes; wanted {SLOTS}")
        return cls(tuple(map(Vocabulary.restore, about)))

    def about(self) -> list[list[str]]:
        return [list(one.symbols) for one in self.vocabularies]


def symbols(word: str) -> tuple[str, ...]:
    """(SLOTS,) of a word."""
    lower, lengths = word.lower(), range(1, LONGEST + 1)
    prefixes = (lower[:k] if len(lower) >= k else "" for k in lengths)
    suffixes = (lower[-k:] if len(lower) >= k else "" for k in lengths)
    return shape(word), *prefixes, *suffixes


def shape(word: str) -> str:
    kinds = "".join(_KINDS.get(category(character), character) for character in word)
    return re.sub(r"(.)\1{2,}", r"\1\1", kinds, flags=re.DOTALL)
