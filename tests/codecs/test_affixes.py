"""Affixes and shapes by hand, what is known of them, and what is not."""

import numpy as np
import pytest

from unrolled.codecs.affixes import CHARACTERS, SLOTS, Affixes, shape, symbols
from unrolled.errors import RunError


@pytest.mark.parametrize(
    "word, wanted",
    [
        ("McDonald's", "XxXxx'x"),
        ("USA", "XX"),
        ("A.", "X."),
        ("Paris", "Xxx"),
        ("x-2019b", "x-ddx"),
        ("漢字漢", "cc"),
        ("....", ".."),
        ("ǅ", "X"),
        ("", ""),
    ],
)
def test_shapes(word, wanted):
    assert shape(word) == wanted


def test_symbols_of_a_word():
    assert symbols("Tokyo") == ("Xxx", "t", "to", "tok", "toky", "o", "yo", "kyo", "okyo")
    assert symbols("Öl") == ("Xx", "ö", "öl", "", "", "l", "öl", "", "")
    assert len(symbols("")) == SLOTS == len(CHARACTERS)


def test_only_what_several_words_share_is_known():
    affixes = Affixes.fit(["walking", "talking", "walking", "Walks"])
    numbers = affixes.encode(["walking", "sulking", "", "Walks"])
    assert numbers.shape == (4, SLOTS) and numbers.dtype == np.int64
    known = numbers > 0
    # Of walking the shape, w, wa, wal, walk, g, ng, ing, king come up in two words; of Walks not its shape.
    assert known[0].all() and known[1].tolist() == [True] + [False] * 4 + [True] * 4
    assert not known[2].any() and known[3].tolist() == [False] + [True] * 4 + [False] * 4
    np.testing.assert_array_equal(numbers[1][[0, *range(5, 9)]], numbers[0][[0, *range(5, 9)]])
    assert affixes.encode([]).shape == (0, SLOTS)
    assert Affixes.restore(affixes.about()) == affixes


def test_damaged_vocabularies_are_refused():
    about = Affixes.fit(["aa", "ab"]).about()
    with pytest.raises(ValueError, match="8 vocabularies of affixes; wanted 9"):
        Affixes.restore(about[:-1])
    with pytest.raises(RunError, match="wanted distinct symbols"):
        Affixes.restore([["a"], *about[1:]])
