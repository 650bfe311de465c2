"""Texts that look the same are the same to a model: in training, without torch and in a stream."""

import unicodedata

import numpy as np
import pytest

from unrolled import Classifier
from unrolled.codecs.tokenizers import TOKENIZERS
from unrolled.codecs.unicode import checked, normalized
from unrolled.codecs.words import Words
from unrolled.errors import RunError

JOINED, APART, STYLED = "caf\u00e9 \ufb01n", "cafe\u0301 \ufb01n", "cafe\u0301 fin"


def test_each_form_joins_what_it_says():
    assert normalized(APART, "nfc") == JOINED and normalized(APART, "none") == APART
    assert normalized(JOINED, "nfkc") == "caf\u00e9 fin" == normalized(STYLED, "nfkc")
    assert normalized("plain", "nfkc") == "plain"
    with pytest.raises(ValueError, match="a Unicode form 'nfd'; wanted nfc, nfkc or none"):
        checked("nfd")


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_every_tokenizer_reads_and_keeps_its_form(kind):
    first = TOKENIZERS[kind].fit([JOINED], unicode="nfc")
    again = TOKENIZERS[kind].restore(first.about())
    for one in (first, again):
        assert one.encode(APART).tolist() == one.encode(JOINED).tolist() != one.encode(STYLED).tolist()
        assert one.symbols(APART) == one.symbols(JOINED)
    assert TOKENIZERS[kind].fit([APART], unicode="nfc").about() == first.about()
    apart = TOKENIZERS[kind].fit([JOINED], unicode="none")
    assert apart.encode(APART).tolist() != apart.encode(JOINED).tolist()
    old = {name: value for name, value in first.about().items() if name != "unicode"}
    assert TOKENIZERS[kind].restore(old).unicode == "none"
    with pytest.raises((ValueError, RunError), match="Unicode form"):
        TOKENIZERS[kind].restore(first.about() | {"unicode": 3})


def test_words_of_a_tagger_are_in_one_form():
    words = Words.fit([JOINED.split(), APART.split()], 1, None, None, "nfc", affixes=True)
    assert words.affixes == Words.fit([JOINED.split()], 1, None, None, "none", affixes=True).affixes
    assert words.words.symbols == ("<unk>", "caf\u00e9", "\ufb01n")
    assert words.counts.tolist() == [0, 2, 2]
    again = Words.restore(words.about(), words.arrays())
    for one in (words, again):
        np.testing.assert_array_equal(one.encode(APART.split()), one.encode(JOINED.split()))


def test_a_model_answers_both_ways_of_writing_with_the_same_bits(tmp_path):
    texts = [f"{word} number {n}" for n in range(12) for word in ("caf\u00e9", "the\u0301")]
    model = Classifier(hidden=3, embedding_size=2, epochs=1, test=0, unicode="nfc", bidirectional=False)
    model.fit((texts, ["c", "t"] * 12), out=tmp_path / "run")
    apart = [unicodedata.normalize("NFD", text) for text in texts]
    assert apart != texts
    p = Classifier.load(tmp_path / "run").predict_proba((texts, None))
    np.testing.assert_array_equal(model.predict_proba((apart, None)), p)
    runtime = model.runtime()
    np.testing.assert_array_equal(runtime.predict(apart)["probabilities"], p)
    stream = model.stream()
    np.testing.assert_array_equal(stream.feed(apart[0])["probabilities"][-1], p[0])
