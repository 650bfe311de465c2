"""Text in other encodings: what is told, what must be named, and what a refusal proposes."""

import gzip

import pytest

from unrolled.errors import DataError
from unrolled.files import text
from unrolled.files.encodings import encoding_name, in_utf8, likely_encoding
from unrolled.files.pairs import read_pairs
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences
from unrolled.files.series import read_series
from unrolled.files.tagging import read_tagged
from unrolled.files.text import open_text

WESTERN, RUSSIAN = "Müller aß für 3 € im Café\n", "Привет, как дела?\n"
MARKED = ("utf-16", "utf-8-sig")


def table(path, query):
    return read_sequences(path, query).inputs[0]


def words(path, query):
    return " ".join(read_tagged(path, query).inputs[0])


# By kind of file: its name, what stands around a text, and how that is read.
KINDS = {
    "csv": ("a.csv", "text,label\n{},x\n", table),
    "label and text": ("a.txt", "x\t{}\nx\tand\n", table),
    "fastText": ("a.txt", "__label__x {}\n", table),
    "JSON lines": ("a.jsonl", '{{"text": "{}", "label": "x"}}\n', table),
    ".ts": ("a.ts", "@classLabel true {0}\n@data\n1,2:{0}\n", lambda *of: read_sequences(*of).answers[0]),
    "pairs": ("a.tsv", "{}\tx\n", lambda *of: read_pairs(*of).inputs[0]),
    "words": ("a.conll", "{} X\n", words),
    "plain": ("a.txt", "{}\n", lambda path, query: next(open_text(path, query.encoding).lines())),
    "series": (
        "a.csv",
        "time,y,{}\n1,1,2\n2,3,4\n",
        lambda *of: read_series(of[0], in_columns(of[1])).series[1].name,
    ),
}


def in_columns(query):
    return Query(encoding=query.encoding, wide="columns", time="time")


@pytest.mark.parametrize("encoding", [*MARKED, "cp1252", "utf-16-le", "cp1251", "shift_jis"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_reader_reads_every_encoding(tmp_path, kind, encoding):
    name, around, read = KINDS[kind]
    word = {"cp1251": "Привет", "shift_jis": "こんにちは"}.get(encoding, "Café")
    path = tmp_path / name
    path.write_bytes(around.format(word).encode(encoding))
    assert read(path, Query(encoding=None if encoding in MARKED else encoding)) == word
    path.with_suffix(path.suffix + ".gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read(path.with_suffix(path.suffix + ".gz"), Query(encoding=encoding)) == word


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_proposes_the_encoding_and_shows_the_line(tmp_path, kind):
    name, around, read = KINDS[kind]
    path = tmp_path / name
    path.write_bytes(around.format("Café").encode("cp1252"))
    with pytest.raises(DataError) as error:
        read(path, Query())
    message = str(error.value)
    assert "byte 0xe9 is not UTF-8; read as cp1252 it says '" in message and "Café" in message
    assert "if that is right, say encoding='cp1252', or save the file as UTF-8" in message


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_in_utf_8_is_read_so_whatever_is_named(tmp_path, kind):
    """A model that learned from files in cp1252 answers files in UTF-8 too."""
    name, around, read = KINDS[kind]
    (tmp_path / name).write_text(around.format("Café"))
    assert read(tmp_path / name, Query(encoding="cp1252")) == "Café"


def test_another_encoding_than_the_one_named_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\nCaf\x81,x\n")
    with pytest.raises(DataError) as error:
        read_sequences(path, Query(encoding="cp1252"))
    assert str(error.value) == (
        f"{path}, line 2: byte 0x81 is not cp1252; name the encoding in which the file was saved (encoding)"
    )


def test_long_text_is_cut_anywhere(tmp_path, monkeypatch):
    """Also within a character: pieces of 7 bytes."""
    monkeypatch.setattr(text, "PIECE_BYTES", 7)
    for encoding in ("utf-16", "shift_jis", "utf-8"):
        written = "こんにちは、世界。\n" * 9
        (tmp_path / "a.txt").write_bytes(written.encode(encoding))
        assert "".join(open_text(tmp_path / "a.txt", "shift_jis").pieces()) == written


@pytest.mark.parametrize(
    "encoding, sample",
    [
        ("cp1252", WESTERN),
        ("cp850", "Größe Müller"),
        ("cp1251", RUSSIAN),
        ("shift_jis", "こんにちは、世界。"),
        ("gb18030", "今天天气很好。"),
    ],
)
def test_the_likely_encoding(encoding, sample):
    assert likely_encoding(sample.encode(encoding), sample.encode(encoding)) == encoding


def test_a_start_may_end_within_a_character():
    data = "aé".encode()
    assert in_utf8("a", data[:-1], "cp1252", cut=True) == data[:-1]
    assert in_utf8("a", data[:-1], "cp1252") == "aÃ".encode()


def test_names_of_encodings():
    assert encoding_name("Latin1") == "iso8859-1"
    for name in ("base64", "rot13", "nonsense"):
        with pytest.raises(ValueError, match="wanted an encoding such as cp1252"):
            encoding_name(name)
