"""Which symbols get numbers, and what stands for the others."""

from collections import Counter

import pytest

from unrolled.codecs.vocabulary import UNKNOWN, Vocabulary
from unrolled.errors import RunError


def test_the_most_frequent_come_first_and_ties_by_code_point():
    counts = Counter("bbbaaac\ud800é")
    assert Vocabulary.fit(counts).symbols == (UNKNOWN, "a", "b", "c", "é", "\ud800")
    assert Vocabulary.fit(counts, least=2).symbols == (UNKNOWN, "a", "b")
    assert Vocabulary.fit(counts, most=1).symbols == (UNKNOWN, "a")


def test_numbers_and_back():
    words = Vocabulary.fit(Counter(["the", "the", "cat"]))
    numbers = words.encode(["cat", "dog", "the"])
    assert numbers.tolist() == [2, 0, 1] and numbers.dtype == "int64"
    assert words.decode(numbers) == ["cat", UNKNOWN, "the"]
    assert "cat" in words and "dog" not in words and len(words) == 3
    assert words.encode([]).shape == (0,)


def test_a_text_may_hold_the_unknown_symbol_itself():
    words = Vocabulary.fit(Counter([UNKNOWN, "a"]))
    assert words.symbols == (UNKNOWN, "a")
    assert words.encode([UNKNOWN]).tolist() == [0]


@pytest.mark.parametrize("symbols", [[], ["a"], [UNKNOWN, "a", "a"], [UNKNOWN, 3]])
def test_what_is_no_vocabulary(symbols):
    with pytest.raises(RunError, match="wanted distinct symbols"):
        Vocabulary.restore(symbols)
