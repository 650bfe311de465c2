"""Text comes out as it stands in the file, in pieces of whole lines; what is none is told with its line."""

import gzip
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unrolled.errors import DataError
from unrolled.files import text
from unrolled.files.text import open_text, text_of

PIECE = 7


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(text, "PIECE_BYTES", PIECE)


def some_text(seed, length=200):
    draw = random.Random(seed)
    return "".join(draw.choice("ab é\n\r\t漢😀\u0301\u2028") for _ in range(length))


@pytest.mark.parametrize("seed", range(20))
def test_the_pieces_are_the_text(tmp_path, seed):
    whole = some_text(seed)
    (tmp_path / "a.txt").write_bytes(whole.encode())
    opened = open_text(tmp_path / "a.txt")
    assert "".join(opened.pieces()) == whole and len(opened) == len(whole)
    assert opened.checksum() == text_of(whole).checksum()
    for start, end in ((0, 1), (3, 90), (57, 58), (101, len(whole))):
        part = opened.part(start, end)
        assert "".join(part.pieces()) == whole[start:end] and len(part) == end - start
        assert "".join(part.part(1, len(part)).pieces()) == whole[start + 1 : end]
        assert part.checksum() == text_of(whole[start:end]).checksum()


@pytest.mark.parametrize("seed", range(20))
def test_lines_have_no_ends(seed):
    whole = some_text(seed)
    wanted = whole.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert list(text_of(whole).lines()) == (wanted if wanted[-1] else wanted[:-1])


def test_a_line_end_of_two_characters_is_one_wherever_a_piece_ends(tmp_path):
    for before in range(2 * PIECE):
        (tmp_path / "a.txt").write_bytes(b"x" * before + b"\r\ny\r\n")
        assert list(open_text(tmp_path / "a.txt").lines()) == ["x" * before, "y"]


def test_no_word_is_cut_but_a_very_long_one():
    pieces = list(text_of("one two threefourfive six seven\neight nine").pieces())
    assert "".join(pieces) == "one two threefourfive six seven\neight nine"
    assert all(piece[-1].isspace() for piece in pieces[:-1])


def test_files_in_a_row_are_one_text(tmp_path):
    (tmp_path / "a.txt").write_text("no end")
    (tmp_path / "b.txt").write_bytes(b"\xef\xbb\xbfwith a mark\n")
    opened = open_text([tmp_path / "a.txt", str(tmp_path / "b.txt")])
    assert "".join(opened.pieces()) == "no endwith a mark\n"
    assert open_text(opened) is opened


def test_packed_text_and_json_lines_are_read_as_texts(tmp_path):
    text = "one\ntwo π\n"
    (tmp_path / "a.txt").write_text(text)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(b'{"text": "one\\ntwo \\u03c0", "id": 3}\n\n'))
    plain = open_text(tmp_path / "a.txt")
    for name in ("b.txt.gz", "c.jsonl.gz"):
        other = open_text(tmp_path / name)
        assert "".join(other.pieces()) == text and other.checksum() == plain.checksum()
        assert "".join(other.part(4, 7).pieces()) == "two"
    (tmp_path / "d.jsonl").write_text('{"content": "a"}\n{"body": "b"}\n')
    with pytest.raises(DataError, match=r"d.jsonl, line 2: wanted a text in a field called text, sentence"):
        open_text(tmp_path / "d.jsonl")
    (tmp_path / "cut.gz").write_bytes(gzip.compress(text.encode())[:-9])
    with pytest.raises(DataError, match=r"cut.gz: damaged gzip file"):
        open_text(tmp_path / "cut.gz")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "a.txt: the file is empty; wanted text"),
        (b"\xef\xbb\xbf", "a.txt: the file is empty; wanted text"),
        (
            b"fine\nstill fine\nnot \xff fine",
            "a.txt, line 3: byte 0xff is not UTF-8; read as cp1252 it says 'not ÿ'",
        ),
        ("caf\xe9\n".encode("latin-1"), "a.txt, line 1: byte 0xe9 is not UTF-8"),
        (b"one\ntwo\n\xed\xa0\x80 surrogate", "a.txt, line 3: byte 0xed is not UTF-8"),
        ("x\n漢".encode()[:-1], "a.txt, line 2: byte 0xe6 is not UTF-8"),
        (b"some text\nand\n\0 NUL", "a.txt, line 3: a NUL byte"),
        (
            gzip.compress(gzip.compress(b"a", mtime=0), mtime=0),
            "is compressed with gzip; wanted plain text in UTF-8; unpack it first",
        ),
        (b"%PDF-1.7", "is a PDF"),
    ],
)
def test_what_is_no_text_is_told(tmp_path, content, complaint):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError) as told:
        open_text(tmp_path / "a.txt")
    assert complaint in str(told.value) and "\n" not in str(told.value)


def test_what_is_no_file_is_told(tmp_path):
    (tmp_path / "book.txt").write_text("x")
    for name, complaint in (
        (tmp_path / "bok.txt", "did you mean 'book.txt'?"),
        (tmp_path, "is a folder"),
        ("a\0b", "no name of a file"),
        ([], "wanted text files by name"),
        (7, "wanted text files by name"),
    ):
        with pytest.raises(DataError, match=complaint.replace("?", r"\?")):
            open_text(name)


def test_text_at_hand_is_held_to_the_same_rules():
    for held, complaint in (
        ("", "empty"),
        ("a\nb\0", "line 2: a NUL"),
        ("a\udc80", "line 1: a lone surrogate"),
    ):
        with pytest.raises(DataError, match=complaint):
            text_of(held)


def test_a_file_that_shrinks_is_told(tmp_path):
    (tmp_path / "a.txt").write_text("a long text\n" * 9)
    opened = open_text(tmp_path / "a.txt")
    (tmp_path / "a.txt").write_text("short")
    with pytest.raises(DataError, match="shorter than a moment ago"):
        list(opened.pieces())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.binary(max_size=60)
    | st.text(st.sampled_from("a \n\r\0é漢\ufeff"), max_size=60).map(str.encode)
    | st.lists(st.sampled_from([b"a\n", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\xe6\xbc"])).map(
        b"".join
    )
)
def test_any_bytes_are_text_or_told_in_one_line(tmp_path, data):
    path = tmp_path / "any.txt"
    path.write_bytes(data)
    try:
        opened = open_text(path)
    except DataError as error:
        assert str(path) in str(error) and len(str(error).splitlines()) == 1
    else:
        marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
        assert "".join(opened.pieces()) == data.decode("utf-16" if marked else "utf-8-sig")
        assert max(map(len, opened.pieces())) <= 3 * PIECE, "memory is bounded"
