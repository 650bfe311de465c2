"""Words as the inputs of a network: the number of each, and how it is spelt. Needs no torch.

    row of a word    [number of w in lower case, numbers of its characters …, -1 …]
                     0 for a word too rare to know, upper case kept in the characters

Of a word longer than MOST_CHARACTERS the first ones alone are read. Before anything else a word is brought
into one Unicode form (unicode.py).

Shapes   T words -> rows (T, 1 + MOST_CHARACTERS) int64
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.codecs import padding
from unrolled.codecs.unicode import NONE, checked, normalized
from unrolled.codecs.vocabulary import Vocabulary
from unrolled.files.typed import shaped
from unrolled.files.vectors import Vectors, read_vectors

Numbers = NDArray[np.int64]

MOST_CHARACTERS = 64
NOTHING = -1  # behind the last character


class WordBatch(NamedTuple):
    """The numbers of words (B, T), of which row `which` (B, T) of characters (U, C), sizes (U,), spells each:
    of every different word once. Arrays of numpy, or of torch."""

    numbers: Any
    characters: Any
    sizes: Any
    which: Any


@dataclass(frozen=True)
class Words:
    """`counts` (V,) of the vocabulary's words in training, `unicode` the form of words. `vectors` are for a
    new network alone, and are not kept."""

    words: Vocabulary
    characters: Vocabulary
    counts: Numbers
    vectors: Vectors | None = None
    unicode: str = NONE

    @classmethod
    def fit(
        cls,
        sequences: Sequence[Sequence[str]],
        least: int,
        most: int | None,
        vectors: str | None,
        unicode: str = NONE,
    ) -> Self:
        counts, characters = Counter[str](), Counter[str]()
        for word, count in Counter(word for one in sequences for word in one).items():
            written = normalized(word, unicode)
            counts[written.lower()] += count
            for character in written:
                characters[character] += count
        words = Vocabulary.fit(counts, least, most)
        known = np.array([counts[word] for word in words.symbols], np.int64)
        read = None if vectors is None else read_vectors(vectors, set(words.symbols))
        return cls(words, Vocabulary.fit(characters), known, read, unicode)

    def encode(self, words: Iterable[str]) -> Numbers:
        """(T, 1 + MOST_CHARACTERS) a row for each word."""
        each = [normalized(word, self.unicode) for word in words]
        rows = np.full((len(each), 1 + MOST_CHARACTERS), NOTHING, np.int64)
        rows[:, 0] = self.words.encode(word.lower() for word in each)
        for row, word in zip(rows, each, strict=True):
            spelt = self.characters.encode(word[:MOST_CHARACTERS])
            row[1 : 1 + len(spelt)] = spelt
        return rows

    def padded(self, rows: Sequence[Numbers], fill: float) -> WordBatch:
        """The batch of encoded rows. Behind the shorter ones stands the last word of the vocabulary with many
        characters, or for 0 the unknown one with none."""
        word = np.full(1 + MOST_CHARACTERS, NOTHING if fill == 0 else 0)
        word[0] = 0 if fill == 0 else len(self.words) - 1
        return batch_of(padding.padded(rows, word))

    def about(self) -> dict[str, Any]:
        return {
            "kind": "words",
            "words": list(self.words.symbols),
            "characters": list(self.characters.symbols),
            "unicode": self.unicode,
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"counts": self.counts}

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        words, characters = (Vocabulary.restore(about[name]) for name in ("words", "characters"))
        counts, unicode = shaped(arrays["counts"], len(words)), checked(about.get("unicode", NONE))
        return cls(words, characters, counts, unicode=unicode)


@dataclass(frozen=True)
class WordRows:
    """Sequences of words: places (T_i,) in `table` (U, 1 + MOST_CHARACTERS), which holds each different word
    once."""

    places: Sequence[Numbers]
    table: Numbers

    @classmethod
    def of(cls, inputs: Words, sequences: Sequence[Sequence[str]]) -> Self:
        numbers: dict[str, int] = {}
        places = [
            np.array([numbers.setdefault(word, len(numbers)) for word in one], np.int64) for one in sequences
        ]
        return cls(places, inputs.encode(numbers))

    def cut(self, rows: Sequence[slice], indices: Numbers) -> "WordRows":
        """Stretches of the sequences `indices`."""
        return replace(self, places=[self.places[i][part] for i, part in zip(indices, rows, strict=True)])

    def batch(self, indices: Numbers) -> WordBatch:
        """Those of `indices`; the padding is 0."""
        some = [self.places[i] for i in indices]
        different, which = np.unique(np.concatenate(some), return_inverse=True)
        cuts = np.cumsum([len(one) for one in some])[:-1]
        rows = np.split(which.reshape(-1), cuts)
        numbers = padding.padded([self.table[one, 0] for one in some])
        return WordBatch(numbers, *spelling(self.table[different]), padding.padded(rows))


def batch_of(rows: Numbers) -> WordBatch:
    """The batch of rows (B, T, 1 + MOST_CHARACTERS), or of (T, B, …) with (T, B) in place of (B, T)."""
    flat = rows.reshape(-1, rows.shape[-1])
    if len(flat) == 1:  # a stream's: nothing to look for
        return WordBatch(rows[..., 0], *spelling(flat), np.zeros(rows.shape[:-1], np.int64))
    table, which = np.unique(flat, axis=0, return_inverse=True)
    return WordBatch(rows[..., 0], *spelling(table), which.reshape(rows.shape[:-1]))


def spelling(table: Numbers) -> tuple[Numbers, Numbers]:
    """Rows (U, 1 + MOST_CHARACTERS) -> the characters (U, C), C of the longest, 0 behind a word's last, and
    how many there are (U,)."""
    characters = table[:, 1:]
    sizes = (characters != NOTHING).sum(1)
    return np.maximum(characters[:, : int(sizes.max(initial=0))], 0), sizes
