"""Words as inputs: numbers and spellings, whatever batch they stand in."""

import numpy as np
import pytest

from unrolled.codecs.padding import padded
from unrolled.codecs.words import MOST_CHARACTERS, NOTHING, WordRows, Words, batch_of

SENTENCES = [("The", "the", "dog"), ("A", "dog", "barks", "The")]


@pytest.fixture(params=[False, True], ids=["", "affixes"])
def inputs(request):
    return Words.fit(SENTENCES, 1, None, None, affixes=request.param)


def test_words_are_known_in_lower_case_and_spelt_as_they_stand(inputs):
    assert set(inputs.words.symbols) == {"<unk>", "the", "dog", "a", "barks"}
    assert inputs.counts[inputs.words.encode(["the", "dog", "zebra"])].tolist() == [3, 2, 0]
    rows = WordRows.of(inputs, [("THE", "tho"), ("x" * 100,)])
    batch = rows.batch(np.array([1, 0]))
    assert batch.numbers.tolist() == [[0, 0], [int(inputs.words.encode(["the"])[0]), 0]]
    assert batch.sizes[batch.which[0, 0]] == MOST_CHARACTERS
    spelt = batch.characters[batch.which[1, 0], :3].tolist()
    assert (
        spelt == inputs.characters.encode("THE").tolist()
        and spelt != inputs.characters.encode("the").tolist()
    )


def test_rows_hold_what_batches_do(inputs):
    sentences = [*SENTENCES, ("", "bark\u00e9d" * 20, "dog")]
    rows = [inputs.encode(one) for one in sentences]
    batch = WordRows.of(inputs, sentences).batch(np.arange(3))
    for i, own in enumerate(rows):
        assert own.shape == (len(sentences[i]), inputs.width) and own.dtype == np.int64
        for t, row in enumerate(own):
            size, which = batch.sizes[batch.which[i, t]], batch.which[i, t]
            assert row[0] == batch.numbers[i, t] and (row[1 + size : 1 + MOST_CHARACTERS] == NOTHING).all()
            assert row[1 + MOST_CHARACTERS :].tolist() == batch.affixes[:, which].tolist()
            assert row[1 : 1 + size].tolist() == batch.characters[which, :size].tolist()
    other = batch_of(padded(rows, rows[0][0]))
    for i, own in enumerate(rows):
        for t in range(len(own)):
            a, b = batch.which[i, t], other.which[i, t]
            size = batch.sizes[a]
            assert size == other.sizes[b] and batch.numbers[i, t] == other.numbers[i, t]
            assert (batch.characters[a, :size] == other.characters[b, :size]).all()


def test_restored_words_encode_alike(inputs):
    again = Words.restore(inputs.about(), inputs.arrays())
    for sentence in SENTENCES:
        np.testing.assert_array_equal(again.encode(sentence), inputs.encode(sentence))
    np.testing.assert_array_equal(again.counts, inputs.counts)
