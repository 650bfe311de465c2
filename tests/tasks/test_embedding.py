"""Rows that stand for symbols: their first values."""

from collections import Counter

import numpy as np
import pytest
import torch

from unrolled.codecs.vocabulary import Vocabulary
from unrolled.errors import ConfigError
from unrolled.files.vectors import Vectors
from unrolled.ops.torch import LEAVES
from unrolled.tasks.embedding import begin_with, embedding

WORDS = Vocabulary.fit(Counter("aaabbc"))


def test_known_words_have_their_vectors_and_others_small_random_rows():
    vectors = Vectors(3, {"b": np.array([1.5, -2.0, 0.25], np.float32), "z": np.zeros(3, np.float32)})
    torch.manual_seed(5)
    plain = LEAVES["embedding"](embedding(len(WORDS), 3))
    torch.manual_seed(5)
    table = LEAVES["embedding"](embedding(len(WORDS), 3, vectors))
    begin_with(table, WORDS, vectors)
    b = WORDS.encode("b")[0]
    assert table.weight[b].tolist() == [1.5, -2.0, 0.25]
    others = [row for row in range(len(WORDS)) if row != b]
    assert torch.equal(table.weight[others], plain.weight[others])
    assert table.weight.requires_grad and table.weight.is_leaf


def test_random_rows_have_about_unit_length():
    torch.manual_seed(0)
    lengths = LEAVES["embedding"](embedding(401, 48)).weight.norm(dim=1)
    assert 0.9 < lengths.mean() < 1.1 and lengths.std() > 0.01


def test_vectors_of_another_size_are_refused():
    with pytest.raises(ConfigError, match="embedding_size is 4, and the vectors have 3 numbers"):
        embedding(len(WORDS), 4, Vectors(3, {}))
