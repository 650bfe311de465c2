"""Words as the inputs of a network: what each is, and what it is spelt like. Of a word w with characters c:

    e = E[number of w in lower case]                 a row of the embedding; row 0 for words too rare to know
    s = [forwards; backwards] last states of a GRU over the embedded characters c, upper case kept
    x = [e; s]

In training a word is taken for an unknown one with the probability a / (a + n), n the times it stands in the
training part, so that row 0 is learned from words like those that a new text will hold.

Shapes   words (B, T) int64, characters (U, C) and sizes (U,) of the U different words, which (B, T) of them
         -> x (B, T, E + 2 S)
Source   characters: Ling et al. 2015, arXiv:1508.02096; dropped words: Kiperwasser and Goldberg 2016,
         arXiv:1603.04351, a = 1/4 there
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unrolled.batching.buckets import padded
from unrolled.batching.vocabulary import Vocabulary
from unrolled.files.vectors import Vectors, read_vectors
from unrolled.nn import GRU, Embedding
from unrolled.nn.functional import embedding as rows_of
from unrolled.tasks.embedding import embedding

# Of a longer word the first characters alone are read.
MOST_CHARACTERS = 64


class WordBatch(NamedTuple):
    """Row `which` of `characters` spells the word."""

    words: Tensor
    characters: Tensor
    sizes: Tensor
    which: Tensor


@dataclass(frozen=True)
class WordRows:
    """Encoded sequences: `rows` (T_i,) say which of the different words stands where; `words` (U,) are their
    numbers, `spellings` their characters' numbers."""

    rows: Sequence[NDArray[np.int64]]
    words: Tensor
    spellings: Sequence[Tensor]

    def batch(self, indices: NDArray[np.int64]) -> WordBatch:
        different, which = np.unique(np.concatenate([self.rows[i] for i in indices]), return_inverse=True)
        cuts = np.cumsum([len(self.rows[i]) for i in indices])[:-1]
        places, _ = padded([torch.from_numpy(part) for part in np.split(which.reshape(-1), cuts)])
        words, _ = padded([self.words[self.rows[i]] for i in indices])
        return WordBatch(words, *padded([self.spellings[u] for u in different]), places)


@dataclass(frozen=True)
class Words:
    """`counts` (V,) of the vocabulary's words in training. `vectors` are for a new network alone, and are not
    kept."""

    words: Vocabulary
    characters: Vocabulary
    counts: NDArray[np.int64]
    vectors: Vectors | None = None

    @classmethod
    def fit(
        cls, sequences: Sequence[Sequence[str]], least: int, most: int | None, vectors: str | None
    ) -> Self:
        counts = Counter(word.lower() for one in sequences for word in one)
        words = Vocabulary.fit(counts, least, most)
        characters: Counter[str] = Counter()
        for word, count in Counter(word for one in sequences for word in one).items():
            for character in word:
                characters[character] += count
        known = np.array([counts[word] for word in words.symbols], np.int64)
        read = None if vectors is None else read_vectors(vectors, set(words.symbols))
        return cls(words, Vocabulary.fit(characters), known, read)

    def encode(self, sequences: Sequence[Sequence[str]]) -> WordRows:
        numbers: dict[str, int] = {}
        rows = [
            np.array([numbers.setdefault(word, len(numbers)) for word in one], np.int64) for one in sequences
        ]
        spellings = [torch.from_numpy(self.characters.encode(word[:MOST_CHARACTERS])) for word in numbers]
        return WordRows(
            rows, torch.from_numpy(self.words.encode(word.lower() for word in numbers)), spellings
        )

    def about(self) -> dict[str, Any]:
        return {"words": list(self.words.symbols), "characters": list(self.characters.symbols)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"counts": self.counts}

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        words, characters = (Vocabulary.restore(about[name]) for name in ("words", "characters"))
        return cls(words, characters, arrays["counts"])


class WordFront(nn.Module):
    """`dropped` is a. Embeddings of `size` and `character_size` numbers, S = `character_hidden`; 0 reads no
    characters."""

    def __init__(
        self, inputs: Words, size: int, character_size: int, character_hidden: int, dropped: float
    ) -> None:
        super().__init__()
        self.width = size + 2 * character_hidden
        self.table = embedding(inputs.words, size, inputs.vectors)
        self.spelling: GRU | None = None
        if character_hidden:
            self.letters = Embedding(len(inputs.characters), character_size)
            self.spelling = GRU(character_size, character_hidden, bidirectional=True, batch_first=True)
        rates = torch.from_numpy(dropped / (dropped + inputs.counts.astype(np.float64))) if dropped else None
        self.register_buffer("rates", None if rates is None else rates.float(), persistent=False)

    def forward(self, batch: WordBatch) -> Tensor:
        words = batch.words
        if self.training and self.rates is not None:
            words = torch.where(torch.rand(words.shape) < self.get_buffer("rates")[words], 0, words)
        e: Tensor = self.table(words)
        if self.spelling is None:
            return e
        _, last = self.spelling(self.letters(batch.characters), lengths=batch.sizes)
        assert isinstance(last, Tensor)
        return torch.cat([e, rows_of(batch.which, torch.cat([last[0], last[1]], 1))], 2)
