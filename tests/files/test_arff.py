"""Weka's ARFF as a table: series in columns and in quoted texts, words; wrong headers and rows."""

import numpy as np
import pytest

from tests.files.refusing import refused
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences
from unrolled.files.series import read_series
from unrolled.files.table import open_table

WIDE = "".join(f"@attribute att{k} numeric\n" for k in range(8))
RELATIONAL = """% waves
@RELATION 'waves'
@attribute wave relational
  @attribute t0 numeric
  @attribute t1 numeric
@end wave
@attribute 'is it' {calm, 'a storm'}
@data
'0.5,?\\n-1e1,2',calm
"1,2\\n3,4", 'a storm'
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.arff"


def test_a_column_a_step(path):
    rows = "1,2,3,4,5,6,7,8,yes\n% between\n8,?,6,5,4,3,2,1,no\n"
    path.write_text(f"@relation r\n{WIDE}@attribute target {{yes,no}}\n\n@DATA\n{rows}")
    data = read_sequences(path)
    np.testing.assert_array_equal(data.inputs[0][:, 0], range(1, 9))
    np.testing.assert_array_equal(data.inputs[1][:, 0], [8, np.nan, 6, 5, 4, 3, 2, 1])
    assert data.answers == ("yes", "no") and data.places[1] == f"{path}, line 15"


def test_series_in_texts(path):
    path.write_text(RELATIONAL)
    data = read_sequences(path, Query(target="is it"))
    np.testing.assert_array_equal(data.inputs[0], [[0.5, -10], [np.nan, 2]])
    np.testing.assert_array_equal(data.inputs[1], [[1, 3], [2, 4]])
    assert data.answers == ("calm", "a storm") and data.features == ("wave1", "wave2")


def test_other_tables_too(path):
    path.write_text("@attribute time numeric\n@attribute 'y, z' real\n@data\n1,5\n2,6\n3,7\n")
    assert read_series(path, Query()).series[0].target[:, 0].tolist() == [5, 6, 7]
    path.write_text('@attribute a string\n@attribute b string\n@data\n\'it\\\'s, "so"\',"?"\n ?, x y \n')
    assert open_table(path).frame.rows() == [('it\'s, "so"', None), (None, "x y")]


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        ("@data", "@date", ", line 8: wanted @attribute, a name and a type, or @data above the rows"),
        ("@data\n", "", ", line 8: wanted @attribute"),
        ("'is it' {", "wave {", ", line 7: a second attribute 'wave'; rename one"),
        (",calm", ",calm,2", ", line 9: wanted 2 values as in the header, got 3; correct the row"),
        (",calm", "'x,calm", ", line 9: a quote out of place in"),
        ("1,2\\n3,4", "1,2", ", line 10: 1 dimension of 'wave', where line 9 has 2"),
        ('"1,2', '{0 1}\n"1,2', ", line 10: a sparse row, which is not read"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(path, old, new, complaint):
    path.write_text(RELATIONAL.replace(old, new, 1))
    assert refused(path, target="is it").startswith(f"{path}{complaint}")


def test_headers_without_rows_or_columns(path):
    path.write_text("@attribute a real\n@data\n% none\n")
    assert refused(path) == f"{path}: no row below @data; wanted at least one"
    path.write_text("@data\n1\n")
    assert refused(path) == f"{path}, line 1: no @attribute above; wanted one for each column"
    path.write_text("@attribute a real\n")
    assert refused(path) == f"{path}: no line @data; wanted one between the header and the rows"


def test_wrong_rows_are_left_out(path):
    path.write_text(RELATIONAL.replace(",calm", ",calm\n1,2,3"))
    assert "or leave such rows out" in refused(path, target="is it", skip_wrong=False)
    data = read_sequences(path, Query(target="is it", skip_wrong=True))
    assert len(data) == 2 and data.left_out == {f"{path}, line 10": "wanted 2 values as in the header, got 3"}


def test_a_long_series_is_no_limit(path):
    """Longer than the fields that Python's reader of CSV takes."""
    wave = ",".join(["1.25"] * 40_000)
    path.write_text(
        f"@attribute w relational\n@attribute t real\n@end w\n@attribute label {{a}}\n@data\n'{wave}',a\n"
    )
    assert read_sequences(path).inputs[0].shape == (40_000, 1)
