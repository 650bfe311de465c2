"""What a network reads of words: dropped in training, the same bits in any batch."""

import numpy as np
import pytest
import torch

from unrolled.codecs.words import WordRows, Words, batch_of
from unrolled.tasks.words import WordFront

SENTENCES = [("The", "the", "dog"), ("A", "dog", "barks", "The")]


@pytest.fixture
def inputs():
    return Words.fit(SENTENCES, 1, None, None)


def front(inputs, character_hidden=3, dropped=0.25):
    torch.manual_seed(1)
    return WordFront(inputs, 5, 4, character_hidden, dropped)


def test_words_that_differ_in_batches_have_the_same_bits(inputs):
    own, sentences = front(inputs).eval(), [*SENTENCES, ("unheard", "of")]
    rows = WordRows.of(inputs, sentences)
    together = own(rows.batch(np.arange(3)))
    for i, sentence in enumerate(sentences):
        alone = own(rows.batch(np.array([i])))
        fresh = own(batch_of(inputs.encode(sentence)[None]))
        assert torch.equal(alone[0], together[i, : len(sentence)]) and torch.equal(alone, fresh)


def test_in_training_rare_words_become_unknown_at_their_rate(inputs):
    own = front(inputs, character_hidden=0)
    batch = WordRows.of(inputs, [("the", "barks") * 2000]).batch(np.array([0]))
    unknown = (own(batch)[0] == own.table.weight[0]).all(1).reshape(-1, 2).float().mean(0)
    # a / (a + n) for n = 3 and n = 1; the deviation of 2,000 draws is below 0.01
    assert abs(unknown[0] - 0.25 / 3.25) < 0.03 and abs(unknown[1] - 0.25 / 1.25) < 0.04
    own.eval()
    assert not (own(batch)[0] == own.table.weight[0]).all(1).any()


def test_without_word_dropout_no_word_is_lost(inputs):
    own = front(inputs, dropped=0.0)
    rows = WordRows.of(inputs, SENTENCES).batch(np.array([0]))
    assert torch.equal(own(rows), own.eval()(rows))
