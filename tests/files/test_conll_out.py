"""Tags in CoNLL files: where the input has such lines they stay as they are, but for the tag."""

import pytest

from unrolled.errors import ConfigError, DataError
from unrolled.files.conll_out import CONLL, CONLLU, Column, written
from unrolled.files.tagged import Layout

NER = Column(None, Layout(3, False))
UPOS = Column(None, Layout(10, True))
ALONE = Column("tag", None)

WORDS = (("Anna", "reads"), ("Rain",))
TAGS = (("B-PER", "O"), ("X",))

COLUMNS = "-DOCSTART- -X- O\n\n# comment\nAnna  NN   O\nreads VB I-X\n\n \nRain NN  O\n"
TREEBANK = (
    "# sent_id = a\n1-2\tAnnareads\t_\t_\t_\t_\t_\t_\t_\t_\n1\tAnna\tanna\tX\t_\t_\t_\t_\t_\tSpaceAfter=No\n"
    "2\treads\t_\t_\t_\t_\t_\t_\t_\t_\n2.1\tit\t_\tPRON\t_\t_\t_\t_\t_\t_\n\n\n1\tRain\t_\t_\t_\t_\t_\t_\t_\tTag=O\n\n"
)


def answered(path, text, column, ending=CONLL):
    path.write_text(text)
    return written(path, WORDS, TAGS, column, ending)


def test_the_column_of_tags_is_replaced_and_all_else_stays(tmp_path):
    text = answered(tmp_path / "in.txt", COLUMNS, NER)
    assert text == COLUMNS.replace("NN   O", "NN   B-PER").replace("I-X", "O").replace("NN  O", "NN  X")
    second = NER._replace(name="2")
    text = answered(tmp_path / "in.txt", COLUMNS, second)
    assert text == COLUMNS.replace("NN   O", "B-PER   O").replace("VB", "O").replace("NN  O", "X  O")
    tabs = "Anna\tN N\tO \t\nreads\tV\tO\n\nRain\tN\tO\n"
    text = answered(tmp_path / "in.txt", tabs, Column("-1", Layout(3, True)))
    assert text == "Anna\tN N\tB-PER\t\nreads\tV\tO\n\nRain\tN\tX\n"


def test_words_alone_get_a_column_and_sentences_get_lines(tmp_path):
    text = answered(tmp_path / "in.txt", "# one\nAnna\nreads\n\n\nRain\n", NER)
    assert text == "# one\nAnna\tB-PER\nreads\tO\n\n\nRain\tX\n"
    wanted = "Anna\tB-PER\nreads\tO\n\nRain\tX\n\n"
    assert answered(tmp_path / "in.txt", "Anna reads\n\nRain\n", NER) == wanted
    assert answered(tmp_path / "in.csv", "id,word\n1,Anna\n1,reads\n2,Rain\n", ALONE) == wanted
    objects = '{"id": 1, "word": "Anna"}\n{"id": 1, "word": "reads"}\n{"id": 2, "word": "Rain"}\n'
    for name in ("in.jsonl", "in.json", "in.ndjson"):
        assert answered(tmp_path / name, objects, ALONE) == wanted
    assert written(None, WORDS, TAGS, ALONE, CONLL) == wanted


def test_sentences_that_are_left_out_stay_as_they_stand(tmp_path):
    text = "Anna NN O\nreads VB O\n\nIt PRP O\nfell VBD\n\nRain NN O\n"
    path = tmp_path / "in.txt"
    path.write_text(text)
    wanted = text.replace("Anna NN O", "Anna NN B-PER").replace("Rain NN O", "Rain NN X")
    assert written(path, WORDS, TAGS, NER, CONLL, skip_wrong=True) == wanted
    with pytest.raises(DataError, match=r"in.txt, line 5: wanted 3 columns"):
        written(path, WORDS, TAGS, NER, CONLL)


def test_of_a_treebank_one_field_of_each_word_changes(tmp_path):
    for name, ending in (("in.conllu", CONLLU), ("in.txt", CONLL)):
        text = answered(tmp_path / name, TREEBANK, UPOS, ending)
        wanted = TREEBANK.replace("anna\tX", "anna\tB-PER").replace("\treads\t_\t_", "\treads\t_\tO")
        assert text == wanted.replace("Rain\t_\t_", "Rain\t_\tX")
    text = answered(tmp_path / "in.conllu", TREEBANK, UPOS._replace(name="xpos"), CONLLU)
    assert "anna\tX\tB-PER\t_" in text


def test_tags_that_are_no_field_stand_in_misc(tmp_path):
    lines = answered(tmp_path / "in.conllu", TREEBANK, NER, CONLLU).splitlines()
    assert [line.split("\t")[-1] for line in lines if line[:1].isdigit()] == [
        "_",
        "SpaceAfter=No|Tag=B-PER",
        "Tag=O",
        "_",
        "Tag=X",
    ]
    rest = "\t_" * 7
    wanted = f"1\tAnna{rest}\tTag=B-PER\n2\treads{rest}\tTag=O\n\n1\tRain{rest}\tTag=X\n\n"
    for text, column in ((COLUMNS, NER), ("Anna reads\nRain\n", ALONE)):
        assert answered(tmp_path / "in.txt", text, column, CONLLU) == wanted
    upos = answered(tmp_path / "in.txt", "Anna reads\nRain\n", UPOS, CONLLU)
    assert upos.startswith("1\tAnna\t_\tB-PER\t_")


def test_what_columns_do_not_take_is_refused(tmp_path):
    with pytest.raises(DataError, match="the tag 'a b' holds a blank"):
        written(None, WORDS, (("a b", "O"), ("O",)), ALONE, CONLL)
    with pytest.raises(DataError, match=r"the word 'a..b' holds a tab or the end of a line"):
        written(None, (("a\tb",),), (("O",),), ALONE, CONLL)
    with pytest.raises(ConfigError, match="holds words, and these are numbers"):
        written(None, [[1.0, 2.0]], (("O", "O"),), ALONE, CONLL)
