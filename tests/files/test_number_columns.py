"""Columns of numbers that people wrote: what the column, and the table, tell of a comma."""

import numpy as np
import polars as pl
import pytest

from unrolled.errors import DataError
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences
from unrolled.files.series import read_series
from unrolled.files.table import open_table

VALUES = np.round(np.random.default_rng(3).lognormal(7, 3, 300), 2) * np.where(np.arange(300) % 7, 1, -1)
POINT, GERMAN, FRENCH = {}, str.maketrans(",.", ".,"), str.maketrans(",.", "\u00a0,")
WAYS = {
    "plain": (lambda v: f"{v}", POINT),
    "thousands": (lambda v: f"{v:,.2f}", POINT),
    "German": (lambda v: f"{v:,.2f}", GERMAN),
    "German without thousands": (lambda v: f"{v:.2f}", GERMAN),
    "French": (lambda v: f"{v:,.2f}", FRENCH),
    "apostrophes": (lambda v: f" {v:,.2f} ", str.maketrans(",", "'")),
    "percents": (lambda v: f"{v:.2f} %", GERMAN),
    "dollars": (lambda v: f"-${-v:,.2f}" if v < 0 else f"${v:,.2f}", POINT),
    "euros": (lambda v: f"{v:,.2f} €", GERMAN),
    "accounting": (lambda v: f"({-v:,.2f})" if v < 0 else f"{v:,.2f}", POINT),
}


ASSUMED = "; if its comma stands before decimals, say decimal='comma'"


def matrix(decimal=None, **columns):
    return open_table(pl.DataFrame(columns), decimal).matrix(list(columns))


def refused(**columns):
    with pytest.raises(DataError) as error:
        matrix(**columns)
    return str(error.value)


@pytest.mark.parametrize("way", WAYS)
def test_values_come_back_however_they_were_written(way, tmp_path):
    write, turned = WAYS[way]
    cells = [write(value).translate(turned) for value in VALUES.tolist()]
    cells[50], cells[60] = "", "NA"
    pl.DataFrame({"y": cells}).write_csv(tmp_path / "t.csv", separator=";", quote_style="always")
    file = read_series(tmp_path / "t.csv", Query(targets=("y",), gaps=True))
    wanted = VALUES.copy()
    wanted[[50, 60]] = np.nan
    np.testing.assert_array_equal(file.series[0].target[:, 0], wanted)
    assert any(note.startswith("column 'y': ") for note in file.notes) == (way != "plain")
    mark = "comma" if turned in (GERMAN, FRENCH) else "point"
    assert file.decimal == (None if way == "plain" else mark)


@pytest.mark.parametrize(
    "cells, wanted, decimal, note",
    [
        (["1,234", "12"], [1234, 12], "point", f"'1,234' in row 1 of 2 is read as 1234{ASSUMED}"),
        (["1,234", "1,234.5"], [1234, 1234.5], "point", "'1,234' in row 1 of 2 is read as 1234"),
        (["7", "1,234", "0,5"], [7, 1.234, 0.5], "comma", "'1,234' in row 2 of 3 is read as 1.234"),
        (["1.234", "1.234.567"], [1234, 1234567], "comma", "'1.234' in row 1 of 2 is read as 1234"),
        (["1.234", "1.2"], [1.234, 1.2], None, None),
        (["(5)", "5"], [-5, 5], None, "'(5)' in row 1 of 2 is read as -5"),
        (["5 %", "0", ""], [5, 0, np.nan], None, "'5 %' in row 1 of 3 is read as 5"),
        (["$5", "7"], [5, 7], None, "'$5' in row 1 of 2 is read as 5"),
        (["yes", "No", "", "yes"], [1, 0, np.nan, 1], None, "'yes' in row 1 of 4 is read as 1"),
        (["0", "true", "1"], [0, 1, 1], None, "'true' in row 2 of 3 is read as 1"),
        ([True, False, None], [1, 0, np.nan], None, "True in row 1 of 3 is read as 1"),
    ],
)  # fmt: skip
def test_a_column_as_a_whole_decides_and_a_note_tells(cells, wanted, decimal, note):
    read = matrix(x=cells)
    np.testing.assert_array_equal(read.values[:, 0], wanted)
    assert read.decimal == decimal
    assert read.notes == (() if note is None else (f"column 'x': {note}",))


def test_another_column_tells_what_a_comma_or_a_point_is():
    thousands = matrix(x=["1,234", "5,678"], y=["0.5", "1"])
    np.testing.assert_array_equal(thousands.values, [[1234, 0.5], [5678, 1]])
    assert thousands.notes == ("column 'x': '1,234' in row 1 of 2 is read as 1234",)
    decimals = matrix(x=["1,234", "5,678"], z=["1.234", "7"], y=["0,5", "1"])
    np.testing.assert_array_equal(decimals.values, [[1.234, 1234, 0.5], [5.678, 7, 1]])
    texts = open_table(pl.DataFrame({"x": ["1.234", "2"], "text": ["Hello, you", "0,5 of it"]}))
    np.testing.assert_array_equal(texts.numbers("x"), [1.234, 2])


def test_a_named_mark_decides_where_the_column_does_not():
    read = matrix("comma", x=["1,234", "5,678"], y=["1.25", "2"])
    np.testing.assert_array_equal(read.values, [[1.234, 1.25], [5.678, 2]])
    assert read.notes == ("column 'x': '1,234' in row 1 of 2 is read as 1.234",)
    np.testing.assert_array_equal(matrix("point", x=["1,234"]).values, [[1234]])


@pytest.mark.parametrize(
    "cells, wanted, got",
    [
        (["1,5", "2,25", "1.5"], "a decimal comma", "'1.5'"),
        (["1,5", "2,25", "many"], "a decimal comma", "'many'"),
        (["5 %", "6 %", "7"], "a decimal point and %", "'7'"),
        (["5 €", "6 $"], "a decimal point and €", "'6 $'"),
        (["$5", "(-6)"], "a decimal point and $", "'(-6)'"),
        (["yes", "no", "maybe"], "a decimal point", "'maybe'"),
        (["yes", "2"], "a decimal point", "'yes'"),
    ],
)
def test_cells_unlike_the_others_are_refused(cells, wanted, got):
    assert f"wanted a finite number with {wanted}, got {got}" in refused(x=cells)


def test_numbers_of_any_writing_are_found():
    """As the target of a series, and as the features of sequences."""
    table = pl.DataFrame(
        {"date": ["2020-01", "2020-02"], "remark": ["a", "b"], "sales": ["1.234,5 €", "2,5 €"]}
    )
    assert read_series(table, Query()).targets == ("sales",)
    long = pl.DataFrame({"id": ["a", "a", "b"], "x": ["1,5", "2", "3"], "label": ["u", "u", "v"]})
    data = read_sequences(long)
    assert data.features == ("x",) and data.inputs[0].tolist() == [[1.5], [2]]
    assert data.notes[-1] == "column 'x': '1,5' in row 1 of 3 is read as 1.5"
