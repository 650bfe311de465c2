"""Rows that stand for symbols: their first values."""

from collections import Counter

import numpy as np
import pytest
import torch

from unrolled.blocks.language import Language
from unrolled.blocks.recurrent import Recurrent
from unrolled.cells import CELLS
from unrolled.codecs.vocabulary import Vocabulary
from unrolled.errors import ConfigError
from unrolled.files.vectors import Vectors
from unrolled.ops.torch import LEAVES, Network
from unrolled.tasks.embedding import begin_with, embedding, one_hot, read_one_hot

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


@pytest.mark.parametrize("symbols", [7, 24, 31])
@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_one_hot_vectors_are_read_to_the_bit_as_by_a_product_with_the_input_weights(cell, symbols):
    torch.manual_seed(5)
    units = {"rnn": 24, "gru": 8, "lstm": 6}[cell]  # 24 sums of x each
    kind = CELLS[cell]()
    table = one_hot(symbols, Recurrent(kind, symbols, units))
    network = Network(Language.of(table, Recurrent(kind, table.size, units), False, 0.0, 0.0))
    read_one_hot(network.p.embedding, network.p.layer)
    E, W = network.p.embedding.weight, network.p.layer.weight_ih_l0
    assert [p.requires_grad for p in (E, W)] == [symbols > 24, symbols <= 24]
    learned = E.T if symbols > 24 else W
    assert learned.abs().max() <= units**-0.5 and learned.unique().numel() > 0.9 * learned.numel()

    plain = LEAVES["recurrent"](Recurrent(kind, symbols, units))
    plain.load_state_dict(network.p.layer.state_dict() | {"weight_ih_l0": learned.detach().clone()})
    w = torch.randint(symbols, (3, 9))
    y, _ = plain(torch.nn.functional.one_hot(w, symbols).float())
    h, _ = network.block.hidden(network.ops, network.p, w)
    assert torch.equal(h, y)
    h.square().sum().backward()
    y.square().sum().backward()
    gradient = E.grad.T if symbols > 24 else W.grad
    # sums over the 27 tokens in another order
    torch.testing.assert_close(gradient, plain.weight_ih_l0.grad, atol=1e-5, rtol=1e-5)
