"""Several labels in one cell."""

import json
from dataclasses import replace

import polars as pl
import pytest

from tests.files.refusing import refused
from unrolled.errors import DataError
from unrolled.files.label_sets import as_text, labels_in, sign_in
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences

SETS = Query(multi_label=True)


@pytest.mark.parametrize(
    "cell, labels",
    [
        ("pop|rock", {"pop", "rock"}),
        (" pop | rock|pop||", {"pop", "rock"}),
        ("", set()),
        ("[]", set()),
        ("pop, rock", {"pop, rock"}),
        ('["pop", "a|b", "it\'s"]', {"pop", "a|b", "it's"}),
        ("[3, 5]", {"3", "5"}),
        ("['pop', 'hip, hop', \"it's\", 'a\\'b']", {"pop", "hip, hop", "it's", "a'b"}),
        ('["pop", null, " "]', {"pop"}),
    ],
)
def test_labels_of_a_cell(cell, labels):
    assert labels_in(cell, "|") == labels


@pytest.mark.parametrize("cell", ["[pop]", '["a", ["b"]]', "['a' 'b']", '["a"'])
def test_what_is_no_list_is_refused(cell):
    if cell.endswith("]"):
        with pytest.raises(DataError, match="wanted a list of labels"):
            labels_in(cell, "|")
    else:
        assert labels_in(cell, "|") == {cell}


def test_a_list_is_written_and_read_to_the_same_labels():
    names = ["a|b", "ä, ö", '"q"', "[x]", "'"]
    assert labels_in(as_text(names), "|") == set(names)


@pytest.mark.parametrize(
    "cells, sign",
    [(["a", "b,c|d"], "|"), (["a;b,c"], ";"), (["a,b"], ","), (["a", ""], None), (["[1,2]"], None)],
)
def test_the_sign_that_divides_labels_is_found(cells, sign):
    assert sign_in(cells) == sign


def test_lists_in_cells_of_frames_and_json_lines(tmp_path):
    frame = pl.DataFrame({"text": ["a b", "c", "d"], "labels": [["x", "y"], [], None]})
    data = read_sequences(frame, SETS)
    assert data.answers == ('["x", "y"]', "[]", "") and data.inputs == ("a b", "c", "d")
    frame.write_parquet(tmp_path / "t.parquet")
    assert read_sequences(tmp_path / "t.parquet", SETS).answers == data.answers
    path = tmp_path / "series.jsonl"
    rows = [{"v": [1, 2, 3], "tags": [4, 5]}, {"v": [1.5], "tags": []}]
    path.write_text("\n".join(map(json.dumps, rows)))
    data = read_sequences(path, SETS)
    assert data.answers == ('["4", "5"]', "[]") and [len(x) for x in data.inputs] == [3, 1]
    assert data.features == ("v",)
    path.write_text("\n".join(json.dumps({"v": row["v"], "mine": row["tags"]}) for row in rows))
    assert read_sequences(path, Query(multi_label=True, target="mine")).answers[0] == '["4", "5"]'


def test_cells_of_text_may_be_empty(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,labels\none,a|b\ntwo,\nthree,  \n")
    assert read_sequences(path, SETS).answers == ("a|b", "", "")
    path.write_text("id,v,labels\np,1,a|b\np,2,a|b\nq,3,\n")
    assert read_sequences(path, SETS).answers == ("a|b", "")
    path.write_text("text,labels\none,a|b\ntwo,NA\n")
    assert "line 3, column 'labels': wanted labels, or an empty cell, got 'NA'" in refused(
        path, multi_label=True
    )
    assert read_sequences(path, Query(multi_label=True, missing=("?",))).answers == ("a|b", "NA")
    assert read_sequences(path, Query(multi_label=True, answers=False)).answers is None


def test_lists_where_one_answer_is_wanted_name_the_remedy(tmp_path):
    frame = pl.DataFrame({"text": ["a b", "c"], "label": [["x", "y"], ["x"]]})
    with pytest.raises(DataError, match=r"wanted one answer in each cell, got lists; .*\(multi_label\)"):
        read_sequences(frame, Query(multi_label=False))
    frame = pl.DataFrame({"v": [[1.0, 2.0], [3.0]], "label": [["x", "x"], ["y"]]})
    assert read_sequences(frame, Query(multi_label=False)).answers == ("x", "y"), "an answer for each step"
    frame = pl.DataFrame({"y": [[1.0, 2.0], [3.0]], "kind": ["u", "v"]})
    assert read_sequences(frame, Query(multi_label=False)).answers == ("u", "v")


def test_several_labels_of_fasttext_and_before_a_tab(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("none here\n__label__a __label__b two words\n__label__c three\n")
    data = read_sequences(path, SETS)
    assert data.answers == ("[]", '["a", "b"]', '["c"]')
    assert data.inputs == ("none here", "two words", "three")
    path.write_text("a|b\tone text\n\tno label\nc\tthree\n")
    data = read_sequences(path, SETS)
    assert data.answers == ("a|b", "", "c") and data.inputs[1] == "no label"


def test_columns_of_0_and_1_are_labels(tmp_path):
    query = Query(target="comedy,war", multi_label=True)
    path = tmp_path / "films.csv"
    path.write_text("text,comedy,year,war\na b,1,1,0\nc,True,2,1\nd,0,3,0\n")
    data = read_sequences(path, query)
    assert [labels_in(cell, ",") for cell in data.truth] == [{"comedy"}, {"comedy", "war"}, set()]
    path.write_text("text,comedy,war\na b,1,2\n")
    with pytest.raises(
        DataError, match=r"line 2, column 'war': wanted 1 where the label is right .* got '?2"
    ):
        read_sequences(path, query)
    path.write_text("text,comedy,war\na b,1,\n")
    with pytest.raises(DataError, match="line 2, column 'war': wanted 1 where the label is right"):
        read_sequences(path, query)
    path.write_text("text\na b\n")
    assert read_sequences(path, replace(query, answers=False)).inputs == ("a b",)
