"""Lines of texts: fastText, a label and a text by the first tab, and texts alone."""

import gzip

import pytest

from tests.files.refusing import refused
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences

TABBED = 'ham\tsay "hi", you\nspam\twin\tnow\nham\tπ ≈ 3\n'
FASTTEXT = "__label__ham say hi\n\n__label__spam  win now \nat the end __label__ham\n"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "texts.txt"


@pytest.mark.parametrize("name", ["SMSSpam", "a.txt", "a.tsv", "a.txt.gz"])
def test_a_label_and_a_text_are_divided_by_the_first_tab(tmp_path, name):
    path, content = tmp_path / name, TABBED.encode()
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    data = read_sequences(path)
    assert data.inputs == ('say "hi", you', "win\tnow", "π ≈ 3") and data.is_text
    assert data.answers == ("ham", "spam", "ham") and data.names == ("1", "2", "3")
    assert data.places[1] == f"{path}, line 2"
    assert data.notes == ("each line is read as a label and, behind the first tab, a text",)


def test_labels_are_known_by_the_model_or_are_numbers(path):
    path.write_text("ham\tone line\n")
    assert read_sequences(path, Query(classes=("ham", "spam"))).answers == ("ham",)
    path.write_text("1,5\ta text\n-2\tanother\n")
    assert read_sequences(path).answers == ("1,5", "-2")


TABLES = {
    "header": "label\ttext\na\tone\na\ttwo\nb\tthree\n",
    "named": TABBED,
    "steps": "a\t1\tu\na\t2\tu\nb\t3\tv\n",
    "comma": "a,one\na,two\n",
}


def test_what_is_a_table_stays_one(path):
    path.write_text(TABLES["header"])
    assert read_sequences(path).notes[0] == "text: column 'text'"
    for name in ("steps", "comma"):
        path.write_text(TABLES[name])
        assert "if line 1 is no header, say no_header" in refused(path)
    path.write_text(TABLES["steps"])
    data = read_sequences(path, Query(no_header=True, id="1", target="3"))
    assert [x.tolist() for x in data.inputs] == [[[1.0], [2.0]], [[3.0]]] and data.answers == ("u", "v")
    path.write_text(TABLES["comma"])
    data = read_sequences(path, Query(no_header=True, text="2", target="1"))
    assert data.inputs == ("one", "two") and data.answers == ("a", "a")
    assert data.places == (f"{path}, line 1", f"{path}, line 2")


def test_fasttext(path):
    path.write_text(FASTTEXT)
    data = read_sequences(path)
    assert data.inputs == ("say hi", "win now", "at the end")
    assert data.answers == ("ham", "spam", "ham") and data.names == ("1", "3", "4")
    path.write_text("__label__a one\n__label__a __label__b two\nthree\n")
    said = refused(path, skip_wrong=False, multi_label=False)
    assert said == (
        f"{path}, line 2: wanted one label, got 2 ('a', 'b'); keep one, or read all of them (multi_label); "
        "or leave such rows out (skip_wrong)"
    )
    assert "'b'); keep one; or leave" in refused(path, skip_wrong=False), "where sets are no option"
    data = read_sequences(path, Query(skip_wrong=True))
    assert data.inputs == ("one",)
    assert data.left_out == {
        f"{path}, line 2": "wanted one label, got 2 ('a', 'b')",
        f"{path}, line 3": "wanted __label__x, got no label",
    }


def test_plain_lines_are_texts_to_answer(path):
    path.write_text('one, two\na "quote\n\n\n')
    data = read_sequences(path, Query(answers=False, lines=True))
    assert data.inputs == ("one, two", 'a "quote') and data.answers is None and data.names == ("1", "2")
    assert data.notes == ("each line is read as a text",)
    path.write_text("one\n\ntwo\n")
    wrong = refused(path, answers=False, lines=True, skip_wrong=False)
    assert wrong.startswith(f"{path}, line 2: wanted a text, got nothing; write it, or delete the line; or")
    data = read_sequences(path, Query(answers=False, lines=True, skip_wrong=True))
    assert data.names == ("1", "3") and list(data.left_out) == [f"{path}, line 2"]
    path.write_text("Text, he said\n")
    assert read_sequences(path, Query(answers=False, lines=True)).inputs == ("Text, he said",)
    path.write_text("text,label\none,a\n")
    assert read_sequences(path, Query(answers=False, lines=True)).inputs == ("one",)


def test_lines_that_are_no_text_are_left_out(path):
    path.write_bytes(b"a\tone\nb\tM\xe4rz\na\tt\0wo\na\tthree\n")
    assert "line 3: a NUL byte" in refused(path)
    data = read_sequences(path, Query(skip_wrong=True))
    assert data.inputs == ("one", "three") and list(data.left_out.values()) == [
        "a byte that is not UTF-8",
        "a NUL byte",
    ]
