"""What a network reads of words: what each is, and what it is spelt like. Of a word w with characters c:

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

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from unrolled.codecs.words import WordBatch, Words
from unrolled.nn import GRU, Embedding
from unrolled.nn.functional import embedding as rows_of
from unrolled.ops.torch import LEAVES
from unrolled.tasks.embedding import begin_with, embedding


class WordFront(nn.Module):
    """`dropped` is a. Embeddings of `size` and `character_size` numbers, S = `character_hidden`; 0 reads no
    characters."""

    def __init__(
        self, inputs: Words, size: int, character_size: int, character_hidden: int, dropped: float
    ) -> None:
        super().__init__()
        self.width = size + 2 * character_hidden
        self.table: Any = LEAVES["embedding"](embedding(len(inputs.words), size, inputs.vectors))
        begin_with(self.table, inputs.words, inputs.vectors)
        self.spelling: GRU | None = None
        if character_hidden:
            self.letters = Embedding(len(inputs.characters), character_size)
            self.spelling = GRU(character_size, character_hidden, bidirectional=True, batch_first=True)
        rates = torch.from_numpy(dropped / (dropped + inputs.counts.astype(np.float64))) if dropped else None
        self.register_buffer("rates", None if rates is None else rates.float(), persistent=False)

    def forward(self, batch: WordBatch) -> Tensor:
        words, characters, sizes, which = map(torch.from_numpy, batch)
        if self.training and self.rates is not None:
            words = torch.where(torch.rand(words.shape) < self.get_buffer("rates")[words], 0, words)
        e: Tensor = self.table(words)
        if self.spelling is None:
            return e
        _, last = self.spelling(self.letters(characters), lengths=sizes)
        assert isinstance(last, Tensor)
        return torch.cat([e, rows_of(which, torch.cat([last[0], last[1]], 1))], 2)
