"""Words and numbers that stand where there is no number: read as missing, told, or asked about."""

import numpy as np
import polars as pl
import pytest

from tests.files.refusing import refused
from unrolled.files.cells import NO_NUMBER, is_no_number
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences
from unrolled.files.series import read_series
from unrolled.files.table import open_table

CELLS = ["1", "n/a", "-", "2.5", "n/a", "3"]
NAN = np.nan


def long(path, cells, labels="xyxyxy"):
    rows = [f"{k // 2},{cell},{labels[k // 2]}" for k, cell in enumerate(cells)]
    path.write_text("\n".join(["id,v,label", *rows]) + "\n")
    return path


@pytest.mark.parametrize("read", ["matrix", "block"])
def test_usual_words_are_missing_and_counted(read):
    table = open_table(pl.DataFrame({"a": CELLS, "b": ["1", "", "NA", "NaN", "null", "2"]}))
    matrix = getattr(table, read)(["a", "b"])
    np.testing.assert_array_equal(matrix.values[:, 0], [1, NAN, NAN, 2.5, NAN, 3])
    np.testing.assert_array_equal(matrix.values[:, 1], [1, NAN, NAN, NAN, NAN, 2])
    assert matrix.notes == ("missing values: 'n/a' in 2 cells, '-' in 1 cell",)


@pytest.mark.parametrize("word", NO_NUMBER)
def test_each_usual_word_in_any_case(word):
    assert np.isnan(open_table(pl.DataFrame({"a": ["1", word.upper(), "2"]})).numbers("a")[1])
    assert is_no_number(word.title()) and not is_no_number("0")


@pytest.mark.parametrize("label", ["n/a", "-", "?", "none"])
def test_in_a_column_of_classes_these_words_are_classes(tmp_path, label):
    path = long(tmp_path / "a.csv", CELLS, [label, "y", label])
    assert read_sequences(path).answers == (label, "y", label)
    assert "wanted the sequence's answer, got" in refused(path, missing=(label,))


@pytest.mark.parametrize("gap", ["-999", "-999.0", "-9.99e2"])
def test_a_number_that_is_named_is_missing(tmp_path, gap):
    path = long(tmp_path / "a.csv", ["1", gap, "2", gap, "3", "-99"], ["NA", "y", "z"])
    assert "got 'NA'" in refused(path, missing=("-999",))  # numbers say nothing of classes
    path = long(tmp_path / "a.csv", ["1", gap, "2", gap, "3", "-99"])
    data = read_sequences(path, Query(missing=("-999",)))
    np.testing.assert_array_equal([one[:, 0] for one in data.inputs], [[1, NAN], [2, NAN], [3, -99]])
    assert f"missing values: '{gap}' in 2 cells" in data.notes
    frame = pl.DataFrame({"a": [1, -999, 3]})
    assert np.isnan(open_table(frame, missing=("-999",)).numbers("a")[1])


def test_a_number_that_may_mark_a_gap_is_told_and_left(tmp_path):
    path = long(tmp_path / "a.csv", ["1", "-999", "2", "-999", "3", "4"])
    data = read_sequences(path)
    assert data.inputs[0][1, 0] == -999
    assert data.notes[-1] == (
        "column 'v': -999 in 2 cells is far from all others (1 to 4), and read as a value; if it says that "
        "there is none, say missing='-999'"
    )


@pytest.mark.parametrize(
    "cells",
    [
        ["1", "-999", "2", "3"],  # once
        ["-990", "-999", "-999", "-1010"],  # among others
        ["9000", "9999", "9999", "12000"],
        ["-50", "999", "999", "1100"],
        ["-999", "-999"],  # nothing else
    ],
)
def test_no_note_where_a_number_may_well_be_a_value(cells):
    assert open_table(pl.DataFrame({"a": cells})).matrix(["a"]).notes == ()


def test_a_refusal_proposes_to_name_the_word(tmp_path):
    path = long(tmp_path / "a.csv", ["1", "off", "2", "2", "3", "4"])
    assert refused(path) == (
        f"{path}, line 3, column 'v': wanted a finite number with a decimal point, got 'off'; correct the "
        "cell, or say that it stands for no value (missing='off')"
    )
    assert np.isnan(read_sequences(path, Query(missing=("off",))).inputs[0][1, 0])


def test_series_with_words_and_numbers_for_gaps(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(
        "time,y\n" + "".join(f"{k},{cell}\n" for k, cell in enumerate(["1", "n/a", "3", "-999", "off", "6"]))
    )
    file = read_series(path, Query(gaps=True, missing=("-999", "off")))
    np.testing.assert_array_equal(file.series[0].target[:, 0], [1, NAN, 3, NAN, NAN, 6])


def test_a_line_of_a_stream_is_read_the_same():
    for value in ("-999", "-999.0", -999, -999.0, "off", "OFF", "-", None):
        assert is_no_number(value, ("-999", "off"))
    for value in ("999", 0, "0", "on", True):
        assert not is_no_number(value, ("-999", "off"))
