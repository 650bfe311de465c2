"""Readers of sequences with a tag at every step: what they read, and how they refuse the rest."""

import numpy as np
import polars as pl
import pytest

from unrolled.errors import ConfigError, DataError
from unrolled.files.query import Query
from unrolled.files.tagged import Layout
from unrolled.files.tagging import read_tagged

CONLLU = """# sent_id = first
# text = Vámonos al mar
1-2	Vámonos	_	_	_	_	_	_	_	_
1	Vamos	ir	VERB	V	Mood=Imp	0	root	_	_
2	nos	nosotros	PRON	P	_	1	obj	_	_
2.1	gone	go	VERB	_	_	_	_	1:x	_
3	al mar	mar	NOUN	N	_	1	obl	_	_

1	Sí	sí	INTJ	I	_	0	root	_	_
"""
CONLL = """-DOCSTART- -X- O

# one comment of five words
EU NNP B-ORG
rejects VBZ O

\t
# # O
"""


def written(folder, name, text):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(source, column=None, **named):
    return read_tagged(source, Query(column=column, **named))


@pytest.mark.parametrize("name", ["a.conllu", "a.txt"])
def test_conllu_reads_words_alone_and_any_column(tmp_path, name):
    path = written(tmp_path, name, CONLLU)
    data = read(path)
    assert data.inputs == (("Vamos", "nos", "al mar"), ("Sí",))
    assert data.answers == (("VERB", "PRON", "NOUN"), ("INTJ",))
    assert data.names == ("first", "2")
    assert data.places == (f"{path}, line 4", f"{path}, line 9")
    assert read(path, "feats").answers == (("Mood=Imp", "_", "_"), ("_",))
    assert read(path, "deprel").answers == (("root", "obj", "obl"), ("root",))


def test_conllu_without_annotation_is_for_predicting(tmp_path):
    path = written(tmp_path, "a.conllu", CONLLU.replace("INTJ", "_"))
    assert read(path, answers=False).answers is None
    with pytest.raises(DataError, match=r"line 9: wanted a value of upos, got '_'"):
        read(path)


def test_conll_columns_comments_and_documents(tmp_path):
    data = read(written(tmp_path, "a.conll", CONLL))
    assert data.inputs == (("EU", "rejects"), ("#",))
    assert data.answers == (("B-ORG", "O"), ("O",))
    assert read(tmp_path / "a.conll", "2").answers == (("NNP", "VBZ"), ("#",))
    assert read(tmp_path / "a.conll", "-2").answers == (("NNP", "VBZ"), ("#",))
    tabs = read(written(tmp_path, "b.txt", "New York\tB-LOC\r\nwins\tO\r\n"))
    assert tabs.inputs == (("New York", "wins"),) and tabs.answers == (("B-LOC", "O"),)
    assert read(written(tmp_path, "c.txt", "one\ntwo\n"), answers=False).answers is None


def test_a_long_table_of_words_in_the_order_of_time(tmp_path):
    path = written(tmp_path, "a.csv", "id,step,word,tag\ns,2,null,B\nr,1,x,C\ns,1,w,A\n")
    data = read(path)
    assert data.inputs == (("w", "null"), ("x",)) and data.answers == (("A", "B"), ("C",))
    assert data.names == ("s", "r") and data.places[0] == f"{path}, line 4"


def test_a_long_table_of_numbers_keeps_what_is_missing():
    frame = pl.DataFrame(
        {"id": ["a", "b", "a"], "u": [1, 2, 3], "v": [4.5, None, 5.0], "phase": ["p", "q", "q"]}
    )
    data = read(frame, target="phase")
    assert data.features == ("u", "v") and data.answers == (("p", "q"), ("q",))
    np.testing.assert_array_equal(data.inputs[0], [[1, 4.5], [3, 5.0]])
    np.testing.assert_array_equal(data.inputs[1], [[2, np.nan]])
    assert read(frame.drop("phase"), answers=False).answers is None


def test_several_files_keep_names_apart(tmp_path):
    one, other = (written(tmp_path, name, CONLLU) for name in ("a.conllu", "b.conllu"))
    data = read([one, other])
    assert len(data) == 4 and len(set(data.names)) == 4 and data.places[3] == f"{other}, line 9"
    assert data.checksum() != read(one).checksum() == read(written(tmp_path, "c.conllu", CONLLU)).checksum()
    part = data.select([3, 0])
    assert part.inputs == (("Sí",), ("Vamos", "nos", "al mar")) and part.lengths == [1, 3]


LINE = "\t".join(["1", "a", "a", "NOUN", "N", "_", "0", "root", "_", "_"])
REFUSED = [
    ("a.conllu", "", "empty"),
    ("a.conllu", "# only\n", "line 1: a sentence without words"),
    ("a.conllu", f"{LINE}\n# late\n", "line 2: a comment between"),
    ("a.conllu", f"{LINE}\n{LINE}\n", "line 2: id 1 after 1 word of the sentence; wanted 2"),
    ("a.conllu", LINE.replace("\t_\t0", "\t\t0"), "line 1: the field feats is empty"),
    ("a.conllu", LINE.rpartition("\t")[0], "line 1: wanted 10 fields with a tab between, got 9"),
    ("a.conllu", "x" + LINE, "line 1: wanted an id such as 3, 3-4 or 5.1, got 'x1'"),
    ("a.conllu", f"1-3{LINE[1:]}\n{LINE}\n", "line 2: a multi-word token reaches to word 3"),
    ("a.conllu", f"{LINE}\n2-1{LINE[1:]}\n", "line 2: id 2-1"),
    ("a.conllu", f"{LINE}\n\n3.1{LINE[1:]}\n", "line 3: id 3.1 after 0 words"),
    ("a.conll", "a X\nb\n", "line 2: wanted 2 columns as in the lines before, got 1"),
    ("a.conll", "a\nb\n", "the lines hold one column"),
    ("a.conll", "# a\n\n-DOCSTART- -X-\n", "no line holds a word"),
    ("a.conll", b"a X\n\xff Y\n", "line 2: byte 0xff"),
    ("a.conll", b"a X\nb\0 Y\n", "line 2: a NUL byte"),
    ("a.conll", b"a X\rb Y\n", "line 1: a carriage return"),
    ("a.conll", b"a X\n\xed\xa0\x80 Y\n", "line 2: byte 0xed"),
    ("a.csv", "id,word,tag\n1,a,X\n1,,Y\n", "line 3, column 'word': wanted a word, got nothing"),
    ("a.csv", "id,word,tag\n1,a,X\n1,b,\n", "line 3, column 'tag': wanted the tag of a step, got nothing"),
    ("a.csv", "word,tag\na,X\nb,Y\n", "wanted a column that tells which rows are one sequence"),
    ("a.csv", "id,x,tag\n1,2,X\n1,y,Y\n1,3,Y\n", "line 3, column 'x': wanted a finite number"),
    ("a.txt", b"PAR1\0", "the Parquet file is cut off"),
]


@pytest.mark.parametrize("name, text, message", REFUSED)
def test_wrong_files_are_refused_with_their_place(tmp_path, name, text, message):
    path = written(tmp_path, name, text)
    with pytest.raises(DataError) as refused:
        read(path)
    said = str(refused.value)
    assert message in said and str(path) in said and "\n" not in said


@pytest.mark.parametrize(
    "name, column, named, message",
    [
        ("a.conllu", "pos", {}, "did you mean 'xpos'"),
        ("a.conll", "upos", {}, "3 columns without names"),
        ("a.conll", "4", {}, "wanted 2 to 3"),
        ("a.conll", "1", {}, "column 1 is the word"),
        ("a.conll", None, {"target": "tag"}, "target names a column of a table"),
        ("a.conll", None, {"features": ("x",)}, "features names a column of a table"),
        ("a.csv", "upos", {}, "belongs to CoNLL files"),
        ("a.csv", None, {"text": "word", "features": ("id",)}, "a step is a word or numbers"),
    ],
)
def test_options_of_another_format_are_refused(tmp_path, name, column, named, message):
    texts = {"a.conllu": CONLLU, "a.conll": CONLL, "a.csv": "id,word,tag\n1,a,X\n"}
    with pytest.raises(ConfigError, match=message):
        read(written(tmp_path, name, texts[name]), column, **named)


def test_words_and_numbers_do_not_mix(tmp_path):
    words = written(tmp_path, "a.csv", "id,word,tag\n1,a,X\n")
    numbers = written(tmp_path, "b.csv", "id,x,tag\n1,2,X\n")
    with pytest.raises(DataError, match="wanted files of one kind"):
        read([words, numbers])
    with pytest.raises(DataError, match="no files were named"):
        read([])


TABS, BLANKS = Layout(2, True), Layout(2, False)


def to_tag(path, layout):
    return read_tagged(path, Query(answers=False, layout=layout))


def test_the_layout_is_that_of_the_lines(tmp_path):
    assert read(written(tmp_path, "a.txt", CONLL)).layout == Layout(3, False)
    assert read(written(tmp_path, "b.txt", "a\tB\n")).layout == TABS
    assert read(written(tmp_path, "c.conllu", CONLLU)).layout == Layout(10, True)


@pytest.mark.parametrize("layout", [TABS, BLANKS, Layout(10, True), None])
def test_lines_of_sentences_are_sentences_and_no_word_is_lost(tmp_path, layout):
    text = "Anna Lee reads .\n\n  Rain\n# 1 of them\nIt rains today\n"
    path = written(tmp_path, "a.txt", text)
    data = to_tag(path, layout)
    assert data.inputs == (
        ("Anna", "Lee", "reads", "."),
        ("Rain",),
        ("#", "1", "of", "them"),
        ("It", "rains", "today"),
    )
    assert data.answers is None and data.places[3] == f"{path}, line 5"
    assert data.notes[0].startswith(f"{path}: each line is read as a sentence, its words between blanks")
    assert ("columns of the training files" in data.notes[0]) == (layout is not None)


def test_two_words_a_line_are_columns_only_where_training_had_blanks(tmp_path):
    path = written(tmp_path, "a.txt", "Anna Lee\nJoe Doe\n")
    assert to_tag(path, TABS).inputs == (("Anna", "Lee"), ("Joe", "Doe"))
    data = to_tag(path, BLANKS)
    assert data.inputs == (("Anna", "Joe"),)
    said = "its lines are read as the 2 columns of the training files, the first is the word"
    assert data.notes == (f"{path}: {said}",)


@pytest.mark.parametrize("layout", [TABS, BLANKS, None])
def test_words_alone_are_words(tmp_path, layout):
    data = to_tag(written(tmp_path, "a.txt", "# a comment here\nAnna\nreads\n\nRain\n"), layout)
    assert data.inputs == (("Anna", "reads"), ("Rain",)) and data.notes == ()


def test_the_columns_of_training_are_read_and_others_refused(tmp_path):
    two = written(tmp_path, "two.txt", "Anna\tB-PER\nreads\tO\n\nRain\tO\n")
    assert to_tag(two, TABS).inputs == to_tag(two, BLANKS).inputs == (("Anna", "reads"), ("Rain",))
    assert to_tag(two, TABS).notes == () and to_tag(two, TABS).answers is None
    for layout in (Layout(3, True), Layout(10, True), None):
        with pytest.raises(DataError) as error:
            to_tag(two, layout)
        said = str(error.value)
        assert said.startswith(f"{two}, line 1: wanted ") and "got 2 columns; give" in said
        assert ("columns of the training files" in said) == (layout is not None)
    ragged = written(tmp_path, "ragged.txt", "Anna\tB-PER\nreads\nRain\tO\n")
    with pytest.raises(
        DataError, match=r"ragged.txt, line 2: wanted 2 columns as in the lines before, got 1"
    ):
        to_tag(ragged, TABS)
    three = written(tmp_path, "three.txt", "Anna\tN\tB-PER\n")
    with pytest.raises(DataError, match=r"line 1: 3 columns here, 2 columns in .*wanted files of one kind"):
        read([two, three])
    assert to_tag([two, written(tmp_path, "s.txt", "It rains\n")], TABS).inputs[2:] == (("It", "rains"),)


def test_parquet_is_known_by_its_content(tmp_path):
    frame = pl.DataFrame({"id": ["a", "a", "b"], "word": ["un", "chat", "non"], "tag": ["D", "N", "I"]})
    for name in ("a.parquet", "a.data"):
        frame.write_parquet(tmp_path / name)
        assert read(tmp_path / name).inputs == read(frame).inputs == (("un", "chat"), ("non",))


def test_sentences_with_wrong_lines_are_left_out(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text("EU B-ORG\nrejects O\n\nRome B-LOC x\nfell O\n\n\nParis B-LOC\n")
    with pytest.raises(DataError, match=r"line 4: wanted 2 columns .*, or put .*; or leave such rows out"):
        read_tagged(path, Query(skip_wrong=False))
    data = read_tagged(path, Query(skip_wrong=True))
    assert data.inputs == (("EU", "rejects"), ("Paris",)) and data.answers == (("B-ORG", "O"), ("B-LOC",))
    assert data.left_out == {f"{path}, line 4": "wanted 2 columns as in the lines before, got 3"}
    untagged = read_tagged(path, Query(answers=False, layout=Layout(2, False), skip_wrong=True))
    assert untagged.inputs == data.inputs and untagged.left_out == data.left_out
    with pytest.raises(DataError, match=r"line 4: wanted 2 columns .*; or leave such rows out"):
        read_tagged(path, Query(answers=False, layout=Layout(2, False), skip_wrong=False))


def test_a_sentence_that_is_named_once_goes_on_in_the_rows_below(tmp_path):
    table = "Sentence #,Word,POS,Tag\nSentence: 1,Ann,P,B\n,sings,V,O\n,.,.,O\nSentence: 2,Bob,P,B\n"
    data = read(written(tmp_path, "a.csv", table))
    assert data.inputs == (("Ann", "sings", "."), ("Bob",)) and data.names == ("Sentence: 1", "Sentence: 2")
    assert data.answers == (("B", "O", "O"), ("B",))
    assert "column 'Sentence #': rows without a name belong to the sequence above" in data.notes
    with pytest.raises(DataError, match="line 4, column 'Sentence #': wanted the name of a sequence"):
        read(written(tmp_path, "b.csv", table.replace("\n,sings", "\nSentence: 1,sings")))


def test_conll_may_be_called_tsv(tmp_path):
    text = "Ann\tB-PER\r\nsings\tO\r\n\r\nwell\tO\r\n"
    data = read(written(tmp_path, "a.tsv", text))
    assert data.inputs == (("Ann", "sings"), ("well",)) and data.answers == (("B-PER", "O"), ("O",))
    table = written(tmp_path, "b.tsv", "id\tword\ttag\n1\tAnn\tB\n\n1\tsings\tO\n")
    assert read(table).inputs == (("Ann", "sings"),)
    with pytest.raises(DataError, match="wanted a column that tells which rows are one sequence"):
        read(written(tmp_path, "c.tsv", text.replace("\r\n\r\n", "\r\n")))
