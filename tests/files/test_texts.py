"""Tables of texts: the texts come back as they stand."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.files.refusing import refused
from unrolled.errors import ConfigError
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences


@pytest.fixture
def path(tmp_path):
    return tmp_path / "texts.tsv"


def test_texts_and_answers_are_found_by_name(path):
    path.write_text('Label\tText\tid\nham\t"say ""hi"",\n you"\t7\nspam\t NA \t8\nham\tπ ≈ 3\t7\n')
    data = read_sequences(path)
    assert data.is_text and data.inputs == ('say "hi",\n you', " NA ", "π ≈ 3")
    assert data.answers == ("ham", "spam", "ham") and data.names == ("1", "2", "3")
    assert data.places[1] == f"{path}, line 4"
    assert data.notes == ("text: column 'Text'", "answers: column 'Label'")


def test_columns_may_be_named(path):
    path.write_text("who\ta\tb\nx\tone\t1.5\ny\ttwo\t2\n")
    data = read_sequences(path, Query(text="a", target="b", id="who"))
    assert (data.inputs, data.answers, data.names) == (("one", "two"), ("1.5", "2"), ("x", "y"))
    assert data.notes == ()
    assert read_sequences(path, Query(text="a", target="c", answers=False)).answers is None


def test_ids_that_repeat_make_steps_of_the_rows(path):
    path.write_text("id\ttext\tx\tlabel\n1\ta\t5\tu\n1\tb\t6\tu\n2\tc\t7\tv\n")
    assert read_sequences(path).features == ("x",)
    assert read_sequences(path, Query(text="text")).is_text


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), min_size=1), st.integers())
    )
)
def test_any_unicode_comes_back(tmp_path_factory, rows):
    rows = [(text, answer) for text, answer in rows if text.strip()]
    if not rows:
        return
    frame = pl.DataFrame(rows, schema={"text": str, "label": pl.Object}, orient="row")
    frame = frame.with_columns(label=pl.Series([str(answer) for _, answer in rows]))
    path = tmp_path_factory.mktemp("texts") / "a.csv"
    frame.write_csv(path, quote_style="always")
    for source in (frame, path):
        data = read_sequences(source)
        assert data.inputs == tuple(text for text, _ in rows)
        assert data.answers == tuple(str(answer) for _, answer in rows)


WRONG = {
    "no text": ("text,label\nhello,a\n,b\n", ", line 3, column 'text': wanted a text, got nothing; write it"),
    "blanks": ("text,label\nhello,a\n  ,b\n", ", line 3, column 'text': wanted a text, got '  '; write it"),
    "no answer": ("text,label\nhello,a\nyou,\n", ", line 3, column 'label': wanted an answer, got nothing"),
    "no answers": ("text\nhello\n", "wanted a column of answers, found none by a usual name; add a column"),
    "not UTF-8": (b"text,label\nhello,a\nM\xe4rz,b\n", ", line 3: byte 0xe4 is not UTF-8"),
    "lone surrogate": (
        b"text,label\nhello,a\n\xed\xa0\x80,b\n",
        ", line 3: byte 0xed is not UTF-8",
    ),
    "NUL": (b"text,label\nhello,a\n\0,b\n", ", line 3: a NUL byte"),
    "ragged": ("text,label\nhello,a\nhello, you,b\n", ", line 3: wanted 2 fields as in the header, got 3"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_one_line_with_its_place(path, case):
    content, said = WRONG[case]
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    message = refused(path)
    assert message.startswith(str(path)) and said in message


def test_numbers_are_no_texts():
    frame = pl.DataFrame({"text": [1, 2], "label": ["a", "b"]})
    assert refused(frame, text="text") == (
        "the table, column 'text': wanted texts, got Int64 values; name another"
    )
    assert "no column 'txt' (did you mean 'text'?)" in refused(frame, text="txt")
    assert "time='text': a table of texts takes" in refused(frame, ConfigError, text="text", time="text")


def test_what_is_missing_may_be_named(path):
    path.write_text("text,label\none,NA\ntwo,null\nthree,?\n")
    said = refused(path)
    assert "line 2, column 'label': wanted an answer, got 'NA' (1 more such cell); fill the cell" in said
    assert said.endswith("or, where that is an answer, say what is none (missing='?')")
    assert read_sequences(path, Query(missing=("",))).answers == ("NA", "null", "?")
    assert "line 4, column 'label': wanted an answer, got '?'" in refused(path, missing=("?",))
    data = read_sequences(path, Query(missing=("?",), skip_wrong=True))
    assert data.answers == ("NA", "null") and list(data.left_out) == [f"{path}, line 4"]
    path.write_text("id,x,label\na,NA,NA\na,2,NA\nb,3,u\n")
    data = read_sequences(path, Query(missing=("none",)))
    assert data.answers == ("NA", "u") and np.isnan(data.inputs[0][0, 0])
