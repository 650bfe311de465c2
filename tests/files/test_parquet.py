"""Parquet: sound files come back as written, damaged ones are one DataError, even where polars aborts."""

import io
import subprocess

import polars as pl
import pytest

from unrolled.errors import DataError
from unrolled.files import parquet


def written(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


FRAME = pl.DataFrame(
    {
        "date": pl.Series(["2024-01-31", "2024-02-29", None]).str.to_date(),
        "sales": [1.5, None, float("nan")],
        "count": [1, -(2**60), None],
        "shop": ["a", "", None],
        "open": [True, False, None],
    }
)


def test_a_table_comes_back_as_it_was_written():
    assert parquet.read_parquet("sales.parquet", written(FRAME)).equals(FRAME)


def test_another_kind_of_file_is_refused():
    with pytest.raises(DataError) as error:
        parquet.read_parquet("sales.parquet", b"date,sales\n")
    assert str(error.value) == (
        "sales.parquet: wanted a Parquet file, which begins with b'PAR1', got b'date'; "
        "name a file as what it is, .parquet or .csv"
    )


def test_a_file_cut_off_is_refused():
    with pytest.raises(DataError) as error:
        parquet.read_parquet("sales.parquet", written(FRAME)[:-7])
    assert str(error.value) == "sales.parquet: the Parquet file is cut off; copy or write it again"


def test_a_damaged_file_is_refused_with_the_reason_on_one_line(capfd):
    data = bytearray(written(FRAME))
    data[-8:-4] = (2**31).to_bytes(4, "little")  # the length of the metadata
    with pytest.raises(DataError) as error:
        parquet.read_parquet("sales.parquet", bytes(data))
    message = str(error.value)
    assert message.startswith("sales.parquet: damaged Parquet file (parquet: File out of specification: ")
    assert message.endswith("); copy or write it again")
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")


def test_a_file_that_ends_its_reader_is_refused(monkeypatch):
    monkeypatch.setattr(parquet, "_READER", "import os, sys\nsys.stderr.write('trace')\nos.abort()")
    with pytest.raises(DataError) as error:
        parquet.read_parquet("sales.parquet", written(FRAME))
    assert str(error.value) == (
        "sales.parquet: damaged Parquet file (its reader broke down); copy or write it again"
    )


def test_the_reader_does_not_pick_up_modules_from_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "polars.py").write_text("raise SystemExit('wrong module')")
    monkeypatch.chdir(tmp_path)
    assert parquet.read_parquet("sales.parquet", written(FRAME)).equals(FRAME)
    assert subprocess.run(["ls"], capture_output=True, text=True).stdout == "polars.py\n"


def test_a_reader_that_dies_at_once_is_a_damaged_file(monkeypatch):
    monkeypatch.setattr(parquet, "_READER", "import os; os._exit(3)")
    with pytest.raises(DataError, match="its reader broke down"):
        parquet.read_parquet("sales.parquet", parquet.MAGIC + bytes(10**7) + parquet.MAGIC)


LISTS = pl.DataFrame(
    {
        "text": ["one", "two", "three"],
        "Labels": [["a", "b"], [], None],
        "numbers": pl.Series([[3], [5, 7], []], dtype=pl.List(pl.Int32)),
        "reals": [[0.5], [], None],
    }
)


def test_lists_of_labels_are_read_where_they_are_named():
    data = written(LISTS)
    read = parquet.read_parquet("a.parquet", data, ("labels", "numbers", "reals"))
    assert read.drop("reals").equals(LISTS.drop("reals")) and read["reals"].null_count() == 3
    plain = parquet.read_parquet("a.parquet", data)
    assert plain["Labels"].null_count() == plain["numbers"].null_count() == 3


def test_lists_count_as_values_and_do_not_fill_the_memory(monkeypatch):
    long = pl.DataFrame({"text": ["x"], "labels": [["a"] * 3_000_000]})
    monkeypatch.setattr(parquet, "most_values", lambda: 1 << 20)
    monkeypatch.setattr("unrolled.files.limits._most", 1 << 20)
    with pytest.raises(DataError, match="text count as"):
        parquet.read_parquet("a.parquet", written(long), ("labels",))
    monkeypatch.setattr(parquet, "MEMORY", 1 << 26)
    with pytest.raises(DataError, match="its reader broke down"):
        parquet.read_parquet("a.parquet", written(long), ("labels",))
    assert parquet.read_parquet("a.parquet", written(FRAME), ("labels",)).equals(FRAME)
