"""A row a series: the UCR archive's files, and tables as people have them."""

import gzip

import numpy as np
import polars as pl
import pytest

from tests.files.refusing import refused
from unrolled.errors import ConfigError
from unrolled.files import number_columns, table
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences

STEPS = [[0.5, -1, 2, 3, 4, 5, 6, 7], [8, 7, 6, 5, 4, 3], [1, 2, None, 4, 5, 6, 7, 1e-3]]
LABELS = ("1", "-1", "1")


def row(steps, separator="\t", gap="NaN", mark="."):
    cells = [gap if value is None else str(value).replace(".", mark) for value in steps]
    return separator.join(cells + [gap] * (8 - len(cells)))


def check(data, answers=LABELS):
    assert data.features == ("value",) and data.answers == answers
    for got, wanted in zip(data.inputs, STEPS, strict=True):
        np.testing.assert_array_equal(got, np.array(wanted, np.float64)[:, None])


@pytest.mark.parametrize("name", ["Waves_TRAIN.tsv", "Waves_TRAIN.txt", "Waves_TRAIN.tsv.gz"])
def test_files_of_the_ucr_archive(tmp_path, name):
    path = tmp_path / name
    text = "".join(f"{label}\t{row(steps)}\n" for label, steps in zip(LABELS, STEPS, strict=True))
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    data = read_sequences(path)
    check(data)
    assert data.names == ("1", "2", "3") and data.places[1] == f"{path}, line 2"
    assert data.notes == ("series: a row each, its steps the columns '2' to '9'",)


def test_series_may_be_longer_than_what_tells_a_format(tmp_path):
    path, steps = tmp_path / "long.tsv", [f"{k}.{'0' * 999}" for k in range(90)]
    path.write_text("".join("\t".join([label, *steps]) + "\n" for label in "1212"))
    assert len(read_sequences(path).inputs[0]) == 90


def test_without_a_header_the_label_is_first_or_last(tmp_path):
    path = tmp_path / "a.csv"
    rows = [(label, row(steps, ",", "")) for label, steps in zip("aba", STEPS, strict=True)]
    path.write_text("".join(f"{steps},{label}\n" for label, steps in rows))
    assert "wanted names, got values" not in refused(path)
    check(read_sequences(path, Query(no_header=True)), ("a", "b", "a"))
    path.write_text("".join(f"{steps},{label}\n" for label, (_, steps) in zip(LABELS, rows, strict=True)))
    assert refused(path).endswith("add a header line, or say that there is none (no_header)")
    check(read_sequences(path, Query(no_header=True, target="9")))
    assert refused(path, no_header=True) == (
        f"{path}: which column holds the answers? name it: target='1' or target='9'"
    )


def test_decimal_commas_ids_and_headers(tmp_path):
    path = tmp_path / "a.csv"
    lines = [
        f"n{k};{row(steps, ';', '', ',')};{label}"
        for k, (steps, label) in enumerate(zip(STEPS, LABELS, strict=True))
    ]
    path.write_text("\n".join(["id;" + ";".join(f"t{k}" for k in range(8)) + ";label", *lines]) + "\n")
    data = read_sequences(path, Query(wide="rows"))
    check(data)
    assert data.names == ("n0", "n1", "n2")
    bare = tmp_path / "bare.csv"
    bare.write_text(
        "".join(f"{label};{row(x, ';', '', ',')}\n" for x, label in zip(STEPS, "uvu", strict=True))
    )
    check(read_sequences(bare, Query(no_header=True)), ("u", "v", "u"))
    frame = pl.DataFrame({"y": ["u", "v"]} | {f"V{k}": [float(k), 2.5] for k in range(8)})
    data = read_sequences(frame)
    assert data.answers == ("u", "v") and data.inputs[1].tolist() == [[2.5]] * 8
    texts = frame.with_columns(text=pl.Series(["one", "two"]))
    assert read_sequences(texts).is_text
    few = frame.select("y", "V0", "V1")
    assert "with wide='rows' if its columns are steps" in refused(few)
    assert read_sequences(few, Query(wide="rows")).inputs[0].tolist() == [[0.0], [1.0]]


def test_what_is_wrong_is_said_or_left_out(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("label,s0,s1\na,1,2\nb,,\nc,1,x\n,3,4\nd,5,6\n")
    said = refused(path, wide="rows", skip_wrong=False)
    assert said.startswith(
        f"{path}, line 4, column 's1': wanted a finite number with a decimal point, got 'x'"
    )
    assert said.endswith("or leave such rows out (skip_wrong)")
    data = read_sequences(path, Query(wide="rows", skip_wrong=True))
    assert data.answers == ("a", "d") and data.places == (f"{path}, line 2", f"{path}, line 6")
    assert list(data.left_out) == [f"{path}, line {n}" for n in (3, 4, 5)]
    assert data.left_out[f"{path}, line 3"] == "column 's0': no value in the whole row"
    assert "takes 'id', 'target'" in refused(path, ConfigError, wide="rows", time="s0")
    path.write_text("label,s0\na,x\nb,y\n")
    assert "no column of numbers is left" in refused(path, wide="rows")


def test_a_table_of_very_many_columns_is_read_in_one_pass(tmp_path, monkeypatch):
    """20,000 columns took minutes, one after the other: now no operation on cells is done for each."""
    calls = []
    for module, name in (
        (number_columns, "is_missing"),
        (number_columns, "read_numbers"),
        (table, "read_numbers"),
    ):
        original = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args, of=original, n=name: calls.append(n) or of(*args))
    path, values = tmp_path / "a.csv", np.random.default_rng(0).normal(size=(6, 3000)).round(3)
    rows = [",".join([f"c{n % 2}", *map(str, row)]) for n, row in enumerate(values.tolist())]
    path.write_text("\n".join(["label," + ",".join(f"t{n}" for n in range(3000)), *rows]))
    data = read_sequences(path)
    np.testing.assert_array_equal([one[:, 0] for one in data.inputs], values)
    assert len(calls) < 20


def test_steps_are_read_as_one_column(tmp_path):
    """The second column alone would have a comma between thousands; the first wrong cell of a row is named,
    and with its row all its others are left out."""
    path = tmp_path / "a.csv"
    names = ";".join(f"t{n}" for n in range(8))
    path.write_text(f"label;{names}\na;0,5;1,234;0;0;1;1;1;1\nb;1,5;2,345;0;0;1;1;1;1\nc;x;y;0;0;1;1;1;1\n")
    assert refused(path).endswith(
        "line 4, column 't0': wanted a finite number with a decimal comma, got 'x' (1 more such cell); "
        "correct the cell, or say that it stands for no value (missing='x')"
    )
    data = read_sequences(path, Query(skip_wrong=True))
    assert [one[:2, 0].tolist() for one in data.inputs] == [[0.5, 1.234], [1.5, 2.345]]
    assert list(data.left_out) == [f"{path}, line 4"]
    assert [note for note in data.notes if "read as" in note] == [
        "column 't0': '0,5' in line 2 is read as 0.5"
    ]
