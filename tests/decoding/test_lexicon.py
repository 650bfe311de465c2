"""Lexica against the words themselves, and files of words."""

import itertools

import pytest

from unrolled.decoding.lexicon import Lexicon, read_words
from unrolled.errors import DataError

SYMBOLS = ("<blank>", "b", " ", "a", "é")


@pytest.mark.parametrize("words", [["a"], ["ab", "a", "ba", "é"], ["bb", "bbb", "b", "bb"]])
def test_spelled_words_stand_between_single_spaces(words):
    lexicon = Lexicon.spelled(SYMBOLS, words)
    taken = 0
    for size in range(6):
        for labels in itertools.product(range(len(SYMBOLS)), repeat=size):
            text = "".join(SYMBOLS[label] for label in labels)
            right = text == "" or all(word in words for word in text.split(" "))
            assert lexicon.accepts(labels) == right
            taken += right
    assert taken > 3


def test_without_a_space_among_the_labels_an_answer_is_one_word():
    lexicon = Lexicon.spelled(("", "a", "b"), ["ab", "b"])
    assert [labels for labels in ([], [1], [1, 2], [2], [2, 2]) if lexicon.accepts(labels)] == [
        [],
        [1, 2],
        [2],
    ]


def test_labels_that_are_words_are_allowed_in_any_order():
    lexicon = Lexicon.allowed(("<blank>", "one", "two", "oh"), ["two", "one"])
    assert lexicon.accepts([]) and lexicon.accepts([1, 1, 2]) and not lexicon.accepts([1, 3])


def test_words_come_from_the_lines_of_a_file(tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeffab\r\n\r\n  é \nab\nb".encode())
    assert read_words(path) == {"ab": 1, "é": 3, "b": 5}
    with pytest.raises(DataError, match=r"line 3: 2 words .*: 'é', 'b'; take out") as caught:
        Lexicon.spelled(("", "a", "bb"), {"a": 1, "é": 3, "b": 5}, str(path))
    assert str(caught.value).startswith(f"{path}, line 3: ")


WRONG = {
    "line 2: wanted one word, got 'two words'": b"one\ntwo words\n",
    "line 2: byte 0xff is not UTF-8": b"one\n\xff\n",
    "line 2: a NUL byte": b"one\n\0\n",
    "is text in UTF-16": "one".encode("utf-16"),
    "the file is empty": b"\n\n",
    "no line holds a word": b" \n\t\n",
}


@pytest.mark.parametrize("message", WRONG)
def test_a_file_that_is_no_list_of_words_is_refused(tmp_path, message):
    path = tmp_path / "words.txt"
    path.write_bytes(WRONG[message])
    with pytest.raises(DataError, match=message) as caught:
        read_words(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_file_that_is_missing_and_words_that_are_missing_are_told(tmp_path):
    with pytest.raises(DataError, match="there is no such file"):
        read_words(tmp_path / "none.txt")
    with pytest.raises(DataError, match="lexicon: holds no word"):
        Lexicon.spelled(SYMBOLS, [])
    with pytest.raises(DataError, match=r"1 word .*'three'"):
        Lexicon.allowed(("<blank>", "one"), ["one", "three"])
    with pytest.raises(DataError, match=r"1 word .*'a b'"):
        Lexicon.spelled(SYMBOLS, ["a b"])
