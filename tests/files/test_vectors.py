"""Word vectors: what is read, and every way in which a file can be wrong."""

import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.errors import DataError
from unrolled.files.vectors import read_vectors

GOOD = "3 2\nthe 0.5 -1e-3\nKäse 2 3.25\n漢 -0 7\n".encode()


def read(folder, content, wanted=None):
    path = folder / "words.vec"
    path.write_bytes(content)
    return read_vectors(path, wanted)


def test_words_and_their_rows(tmp_path):
    vectors = read(tmp_path, GOOD)
    assert vectors.size == 2 and list(vectors.rows) == ["the", "Käse", "漢"]
    assert np.array_equal(vectors.rows["the"], np.array([0.5, -1e-3], np.float32))
    assert vectors.rows["Käse"].dtype == np.float32


def test_a_packed_file_is_unpacked(tmp_path):
    packed = gzip.compress(GOOD)
    assert read(tmp_path, packed).rows["the"].tolist() == read(tmp_path, GOOD).rows["the"].tolist()
    with pytest.raises(DataError, match=r"damaged gzip file"):
        read(tmp_path, packed[:-9])


def test_only_wanted_words_are_kept(tmp_path):
    vectors = read(tmp_path, GOOD, {"漢", "absent"})
    assert list(vectors.rows) == ["漢"] and vectors.rows["漢"].tolist() == [0.0, 7.0]


def test_harmless_oddities(tmp_path):
    odd = GOOD.replace(b"\n", b" \r\n").rstrip()  # the original tool ends lines with a space
    assert read(tmp_path, odd).rows["the"].tolist() == read(tmp_path, GOOD).rows["the"].tolist()


WRONG = {
    "empty": (b"", "words.vec, line 1: wanted the header of word2vec's text format"),
    "no header": (GOOD[4:], "line 1: wanted the header .* got 'the 0.5 -1e-3'"),
    "binary": (b"\x7fELF\x00\xff\n", "line 1: wanted the header"),
    "no values": (b"1 0\na\n", "line 1: the header promises vectors of 0 values"),
    "truncated": (GOOD.rsplit(b"\xe6", 1)[0], "line 1: the header promises 3 vectors, the file holds 2"),
    "too many": (GOOD + b"more 1 2\n", "promises 3 vectors, the file holds 4"),
    "ragged": (b"2 2\na 1 2\nb 1\n", "line 3: wanted a word and 2 values with one space between, got 1"),
    "blank line": (b"2 2\na 1 2\n\n", "line 3: wanted a word and 2 values .* got 0"),
    "not UTF-8": (b"1 2\n\xff 1 2\n", "line 2: byte 0xff is not UTF-8"),
    "no number": (b"1 2\na 1 two\n", "line 2: wanted numbers, but .*two"),
    "NUL": (b"1 2\na 1 \x00\n", "line 2: wanted numbers"),
    "not finite": (b"1 2\na 1 nan\n", "line 2: value 2 is nan, which is no finite float32"),
    "beyond float32": (b"1 2\na 1e39 1\n", "line 2: value 1 is 1e39"),
    "twice": (b"3 1\na 1\nb 1\na 2\n", "line 4: the word 'a' comes a second time"),
}


@pytest.mark.parametrize(("content", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_file_is_refused_in_one_line(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)


def test_no_such_file(tmp_path):
    (tmp_path / "words.vec").write_bytes(GOOD)
    with pytest.raises(DataError, match=r"no such file \(did you mean 'words.vec'\?\)"):
        read_vectors(tmp_path / "word.vec")
    with pytest.raises(DataError, match="is a folder; wanted a file of word vectors"):
        read_vectors(tmp_path)


@given(
    st.lists(
        st.sampled_from([b"2 1\n", b"a", b" ", b"1", b"\n", b"\xff", b"\0", b"-", b"e9", b"_"]), max_size=12
    )
)
def test_any_bytes_are_read_or_refused(tmp_path_factory, pieces):
    try:
        vectors = read(tmp_path_factory.getbasetemp(), b"".join(pieces))
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert all(row.shape == (vectors.size,) and np.isfinite(row).all() for row in vectors.rows.values())
