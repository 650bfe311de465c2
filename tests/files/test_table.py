"""Opening by content and name, and numbers out of cells."""

import gzip

import numpy as np
import polars as pl
import pytest

from unrolled.errors import DataError
from unrolled.files.table import Table, is_numeric, open_table


def refused(call, *arguments) -> str:
    with pytest.raises(DataError) as error:
        call(*arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sales.csv"


def test_a_csv_is_text_and_parquet_keeps_its_types(tmp_path):
    (tmp_path / "a.csv").write_text("n,s\n1,x\n")
    assert open_table(tmp_path / "a.csv").frame.equals(pl.DataFrame({"n": ["1"], "s": ["x"]}))
    frame = pl.DataFrame({"n": [1], "s": ["x"]})
    frame.write_parquet(tmp_path / "a.parquet")
    assert open_table(str(tmp_path / "a.parquet")).frame.equals(frame)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_comments_above_the_header_are_not_read(path, mark):
    """As stations and instruments write them; a quote in them opens nothing, and lines keep their numbers."""
    path.write_text(f'{mark}# Station: "Muddy; Creek\r\n# m3/s\n#\ndate;flow\n2024-01-01;2,5\n2024-01-02;x\n')
    table = open_table(path)
    assert table.frame.columns == ["date", "flow"] and table.frame.height == 2
    assert table.notes == ("not read: 3 lines of comments above the header",)
    assert refused(table.numbers, "flow").startswith(f"{path}, line 6, column 'flow'")


@pytest.mark.parametrize(
    "text, columns",
    [
        ("#,name\n1,x\n", ["#", "name"]),
        ("# made by hand\n# date,y\n1,2\n", ["# date", "y"]),
        ("#y\n1\n", None),
        ("y\n#1\n", ["y"]),
    ],
)
def test_a_header_that_begins_with_a_hash_is_one_where_it_has_the_fields_of_the_rows(path, text, columns):
    path.write_text(text)
    if columns is None:
        assert "the file has a header and no rows" in refused(open_table, path)
    else:
        assert open_table(path).frame.columns == columns


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("form", ["csv", "parquet", "frame"])
def test_numbers_of_rows_in_a_column_without_a_name_are_not_read(tmp_path, form, first):
    """As other tools write the index of a table."""
    frame = pl.DataFrame({"": range(first, first + 12), "n": range(12), "s": ["x"] * 12})
    source = frame if form == "frame" else tmp_path / f"a.{form}"
    if form != "frame":
        getattr(frame, f"write_{form}")(source)
    table = open_table(source)
    assert table.frame.columns == ["n", "s"] and table.numbers("n").tolist() == list(range(12))
    note = f"not read: the first column, which has no name and numbers the rows from {first}"
    assert table.notes == (note,)
    assert open_table(frame.drop("")).notes == ()


TIMES = ["1821\n1822", "1969-01-01\n1969-02-01", "2024-01-31 12:00\n2024-01-31 13:00"]


@pytest.mark.parametrize("cells", TIMES)
def test_times_in_a_column_without_a_name_are_called_so(path, cells):
    """As pandas writes a series whose index is its times."""
    path.write_text(",n\n" + "".join(f"{cell},5\n" for cell in cells.split("\n")))
    table = open_table(path)
    assert table.frame["time"].to_list() == cells.split("\n") and table.frame.columns == ["time", "n"]
    assert table.notes == ("the first column has no name, and holds times: it is called time",)
    path.write_text(",Time\n" + "".join(f"{cell},5\n" for cell in cells.split("\n")))
    assert "column 1 of 2 has no name" in refused(open_table, path)


OTHERS = ["0\n", "a\nb", "0\n0", "0.5\n1.5", "3\n2", "1821\n1822\n1824"]


@pytest.mark.parametrize("cells", OTHERS)
def test_another_column_without_a_name_is_refused(path, cells):
    path.write_text(",n\n" + "".join(f"{cell},5\n" for cell in cells.split("\n")))
    wanted = (
        "column 1 of 2 has no name, and neither numbers the rows from 0 or 1 nor holds times; give it one"
    )
    assert refused(open_table, path) == f"{path}: {wanted}"
    path.write_text('""\n0\n1\n')
    assert "column 1 of 1 has no name" in refused(open_table, path)


def test_parquet_is_known_by_its_content_and_csv_by_the_lack_of_it(tmp_path):
    frame = pl.DataFrame({"n": [1]})
    frame.write_parquet(tmp_path / "a.data")
    assert open_table(tmp_path / "a.data").frame.equals(frame)
    (tmp_path / "b.csv").write_text("PAR1,PAR2\n1,2\n")
    assert open_table(tmp_path / "b.csv").frame.columns == ["PAR1", "PAR2"]


def test_a_missing_file_is_told_from_its_neighbours(path):
    path.write_text("a\n1\n")
    assert refused(open_table, path.with_name("sale.csv")) == (
        f"{path.parent}/sale.csv: there is no such file (did you mean 'sales.csv'?); "
        "name a CSV or Parquet file"
    )
    assert (
        refused(open_table, path.parent / "no" / "x.csv")
        == f"{path.parent}/no/x.csv: there is no such file; name a CSV or Parquet file"
    )


def test_a_folder_is_refused(path):
    assert refused(open_table, path.parent) == (
        f"{path.parent}: is a folder; wanted a CSV or Parquet file, name one in it"
    )


def test_an_unreadable_file_is_refused(path, monkeypatch):
    def denied(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", denied)
    assert (
        refused(open_table, path)
        == f"{path}: cannot be read: Permission denied; check the file and its rights"
    )


@pytest.mark.parametrize(
    "data, kind, remedy",
    [
        (
            gzip.compress(gzip.compress(b"a,b\n1,2\n", mtime=0), mtime=0),
            "is compressed with gzip",
            "unpack it first",
        ),
        (b"\x28\xb5\x2f\xfd\x00", "is compressed with zstd", "unpack it first"),
        (b"\xfd7zXZ\x00", "is compressed with xz", "unpack it first"),
        (b"PK\x03\x04\x14\x00", "is a zip archive or an Excel sheet", "unpack it, or save the sheet as CSV"),
        (b"ARROW1\x00\x00", "is an Arrow file", "save it as Parquet"),
    ],
)
def test_files_that_are_often_taken_for_tables_are_named(path, data, kind, remedy):
    path.write_bytes(data)
    assert refused(open_table, path) == f"{path}: the file {kind}; wanted CSV in UTF-8, or Parquet; {remedy}"


def test_another_binary_file_is_refused_at_its_first_nul(path):
    path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
    assert refused(open_table, path) == (
        f"{path}, line 3: a NUL byte, which text does not hold; wanted CSV in UTF-8, or Parquet; "
        "is this another kind of file?"
    )


def test_a_table_without_rows_is_refused(tmp_path):
    pl.DataFrame({"a": pl.Series([], dtype=pl.Float64)}).write_parquet(tmp_path / "a.parquet")
    said = "the table has no rows; wanted at least one"
    assert refused(open_table, tmp_path / "a.parquet") == f"{tmp_path}/a.parquet: {said}"
    assert refused(open_table, pl.DataFrame()) == f"the table: {said}"


def test_numbers_in_every_way_of_writing_them():
    cells = ["1", "-2.5", "+3", " 4 ", "5e2", ".5", "6.", "", None, "NA", "na", "NaN", "nan", "null", "NULL"]
    table = Table("sales.csv", pl.DataFrame({"a": cells}), None)
    wanted = [1, -2.5, 3, 4, 500, 0.5, 6] + [np.nan] * 8
    np.testing.assert_array_equal(table.numbers("a"), wanted)


@pytest.mark.parametrize(
    "values, wanted",
    [
        (pl.Series([1, None, 3]), [1, np.nan, 3]),
        (pl.Series([1.5, float("nan"), None]), [1.5, np.nan, np.nan]),
        (pl.Series([True, False, None]), [1, 0, np.nan]),
        (pl.Series([None, None]), [np.nan, np.nan]),
        (pl.Series(["1.25", "2"]).cast(pl.Decimal(10, 2)), [1.25, 2]),
    ],
)
def test_numbers_of_every_type(values, wanted):
    np.testing.assert_array_equal(Table("t", pl.DataFrame({"a": values}), None).numbers("a"), wanted)


@pytest.mark.parametrize("cell", ["abc", "1 00", "0x10", "1_000", "--1", "inf", "-Infinity", "1e999", "true"])
def test_a_cell_that_is_no_number_is_named_with_its_line(path, cell):
    path.write_text(f'date,sales\n2020,1\n\n2021,NA\n2022,"{cell}"\n2023,4\n')
    table = open_table(path)
    remedy = "leave it empty if the value is missing"
    remedy = "say that it stands for no value (missing='abc')" if cell == "abc" else remedy
    assert refused(table.numbers, "sales") == (
        f"{path}, line 5, column 'sales': wanted a finite number with a decimal point, got '{cell}'; "
        f"correct the cell, or {remedy}"
    )
    assert not is_numeric(table.frame["sales"])


def test_the_first_of_several_wrong_cells_is_named_and_the_others_counted(path):
    path.write_text("sales\n1\nx\n3\ny\nz\n")
    assert refused(open_table(path).numbers, "sales") == (
        f"{path}, line 3, column 'sales': wanted a finite number with a decimal point, got 'x' "
        "(2 more such cells); correct the cell, or say that it stands for no value (missing='x')"
    )


def test_a_row_of_a_frame_is_counted_from_one():
    frame = pl.DataFrame({"sales": [1.0, float("inf"), 3.0]})
    assert refused(open_table(frame).numbers, "sales") == (
        "the table, row 2 of 3, column 'sales': wanted a finite number with a decimal point, got inf; "
        "correct the cell, or leave it empty if the value is missing"
    )


def test_a_long_cell_with_line_breaks_is_shown_on_one_line_and_cut(path):
    path.write_text(f'sales\n"{"x" * 30}\n{"y" * 1000}"\n')
    assert refused(open_table(path).numbers, "sales") == (
        f"{path}, line 2, column 'sales': wanted a finite number with a decimal point, got "
        f"'{'x' * 30}\\nyyyyy…'; correct the cell, or leave it empty if the value is missing"
    )


def test_a_column_of_another_type_is_refused():
    table = open_table(pl.DataFrame({"sales": [[1], [2]]}))
    assert (
        refused(table.numbers, "sales")
        == "the table, column 'sales': wanted numbers, got List(Int64) values; name another"
    )


@pytest.mark.parametrize(
    "asked, hint",
    [("sale", " (did you mean 'Sales'?)"), ("SALES", " (did you mean 'Sales'?)"), ("price", "")],
)
def test_a_missing_column_is_told_from_those_that_are_there(asked, hint):
    table = open_table(pl.DataFrame({"date": [1], "Sales": [2]}))
    assert refused(table.numbers, asked) == (
        f"the table: no column '{asked}'{hint}; the columns are 'date', 'Sales'"
    )


def test_many_columns_are_not_all_listed():
    table = open_table(pl.DataFrame({f"c{k}": [1] for k in range(40)}))
    assert refused(table.require, "x").endswith("'c10', 'c11' and 28 more")


def test_decimal_commas_and_points_are_not_mixed(path):
    path.write_text("day;sales\n2024-01-01;10,03\n2024-01-02;1.5\n2024-01-03;2,5\n")
    assert refused(open_table(path).numbers, "sales") == (
        f"{path}, line 3, column 'sales': wanted a finite number with a decimal comma, got '1.5'; "
        "correct the cell, or leave it empty if the value is missing"
    )
