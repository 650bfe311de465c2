"""Long tables: rows of a sequence anywhere, in the order of their times; one answer each."""

import io
import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.files.refusing import refused
from unrolled.errors import ConfigError
from unrolled.files.query import Query
from unrolled.files.reading import read_sequences

MIXED = """id,time,x,label,y,remark
b,3,1.5,no,-1,first
a,10,2,yes,,second
b,1,3,no,7,
a,9,NA,yes,0.5,fourth
b,2,4,no,8,fifth
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "steps.csv"


def test_rows_of_a_sequence_stand_together_by_time(path):
    path.write_text(MIXED)
    data = read_sequences(path)
    assert data.features == ("x", "y") and data.names == ("b", "a") and data.answers == ("no", "yes")
    np.testing.assert_array_equal(data.inputs[0], [[3, 7], [4, 8], [1.5, -1]])
    np.testing.assert_array_equal(data.inputs[1], [[np.nan, 0.5], [2, np.nan]])
    assert data.places == (f"{path}, line 2", f"{path}, line 3")
    assert data.notes == (
        "id: column 'id'",
        "time: column 'time'",
        "answers: column 'label'",
        "features: 'x', 'y'",
        "left out, not of numbers: 'remark'",
    )


def test_columns_may_be_named(path):
    path.write_text(MIXED)
    path.write_text(MIXED.replace("NA", "1"))
    data = read_sequences(path, Query(id="label", time="x", target="id", features=("y",)))
    assert data.features == ("y",) and data.names == ("no", "yes") and data.answers == ("b", "a")
    assert data.inputs[0].ravel().tolist() == [-1, 7, 8] and data.notes == ()


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(
            st.characters(codec="utf-8", exclude_categories=["Cc", "Zs", "Zl", "Zp", "Cn"]), min_size=1
        ).filter(lambda name: name.lower() not in ("na", "nan", "null")),
        st.lists(
            st.lists(st.floats(-1e300, 1e300) | st.none(), min_size=2, max_size=2), min_size=1, max_size=5
        ),
        min_size=1,
        max_size=5,
    ),
    st.randoms(use_true_random=False),
    st.sampled_from(["csv", "frame"]),
)
def test_whatever_is_written_comes_back(tmp_path_factory, sequences, lot, form):
    rows = [
        (name, step * 3 - 4, *values, f"answer of {len(steps)}")
        for name, steps in sequences.items()
        for step, values in enumerate(steps)
    ]
    lot.shuffle(rows)
    frame = pl.DataFrame(
        rows, schema={"who": str, "when": int, "u": float, "v": float, "what": str}, orient="row"
    )
    source = tmp_path_factory.mktemp("long") / f"a.{form}"
    if form == "csv":
        frame.write_csv(source)
    data = read_sequences(
        frame if form == "frame" else source, Query(id="who", time="when", target="what", features=("v", "u"))
    )
    assert list(data.names) == list(dict.fromkeys(row[0] for row in rows))
    for name, read, answer in zip(data.names, data.inputs, data.answers, strict=True):
        wanted = np.array([[v, u] for u, v in sequences[name]], np.float64)
        assert np.array_equal(read, wanted, equal_nan=True) and answer == f"answer of {len(wanted)}"


def test_the_order_of_mixed_rows_changes_nothing_but_the_order_of_sequences(path):
    rows = [f"{i},{t},{i * 100 + t},{'ab'[i % 2]}" for i in range(7) for t in range(i + 1)]
    read = []
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        path.write_text("\n".join(["id,t,x,label", *rows]))
        data = read_sequences(path)
        read.append(
            {n: (x.tolist(), a) for n, x, a in zip(data.names, data.inputs, data.answers, strict=True)}
        )
    assert read[0] == read[1] == read[2] and len(read[0]["6"][0]) == 7


@pytest.mark.parametrize(
    "times",
    [
        ("0.5", "-1.25", "1e3"),
        ("2024-01-02", "2024-01-01", "2024-02-01"),
        ("9007199254740993", "9007199254740992", "9007199254740994"),
        ("1700000000000000001", "1700000000000000000", "1700000000000000002"),
    ],
)
def test_times_may_be_numbers_of_any_size_or_dates(path, times):
    path.write_text("id,time,x,label\n" + "".join(f"a,{time},{n},z\n" for n, time in enumerate(times)))
    assert read_sequences(path).inputs[0].ravel().tolist() == [1, 0, 2]


@pytest.mark.parametrize("kind", [pl.UInt8, pl.UInt64, pl.Int128, pl.Float32, pl.Decimal(9, 1)])
def test_times_may_be_numbers_of_any_type(kind):
    frame = pl.DataFrame({"id": ["a"] * 3, "time": [2, 3, 1], "x": [1, 2, 3], "label": ["z"] * 3})
    data = read_sequences(frame.with_columns(pl.col("time").cast(kind)))
    assert data.inputs[0].ravel().tolist() == [3, 1, 2]


def test_without_times_rows_are_in_the_order_of_the_file(path):
    path.write_text("case,x,y\nb,3,no\na,1,yes\nb,2,no\n")
    data = read_sequences(path)
    assert data.inputs[0].ravel().tolist() == [3, 2] and data.inputs[1].tolist() == [[1]]
    assert "time: none, rows are in the order of the file" in data.notes


def test_answers_of_parquet_are_text(tmp_path):
    pl.DataFrame({"id": [1, 1, 2], "x": [1, 2, 3], "label": [0, 0, 12]}).write_parquet(tmp_path / "a.parquet")
    data = read_sequences(tmp_path / "a.parquet")
    assert data.answers == ("0", "12") and data.names == ("1", "2")
    assert data.places[1] == f"{tmp_path / 'a.parquet'}, row 3 of 3"


def test_the_only_column_of_words_is_the_answers(path):
    path.write_text("id,x,mood\na,1,glad\na,2,glad\n")
    data = read_sequences(path)
    assert data.answers == ("glad",) and "answers: column 'mood'" in data.notes


@pytest.mark.parametrize("rows", [1, 10, 5003])
def test_a_column_that_is_mostly_numbers_is_a_feature_and_what_is_none_there_an_error(path, rows):
    sparse = ["" for _ in range(3 * rows)]
    sparse[1] = "7"
    path.write_text("id,x,y,label\n" + "".join(f"{n},1,{cell},a\n" for n, cell in enumerate(sparse)))
    assert read_sequences(path).features == ("x", "y")
    sparse[2 * rows + 1 :] = ["7"] * rows
    sparse[0] = "!"
    path.write_text("id,x,y,label\n" + "".join(f"{n},1,{cell},a\n" for n, cell in enumerate(sparse)))
    assert ", line 2, column 'y': wanted a finite number" in refused(path)


@pytest.mark.parametrize("cells", [("", ""), ("yes", "")])
def test_answers_may_lack_where_none_are_data_for(path, cells):
    path.write_text("id,x,label\n" + "".join(f"{n},1,{cell}\n" for n, cell in enumerate(cells)))
    assert read_sequences(path, Query(answers=False)).answers is None
    assert "column 'label': wanted the sequence's answer, got nothing" in refused(path)
    path.write_text("id,x,remark\na,1,u\na,2,v\n")
    assert read_sequences(path, Query(answers=False)).answers is None
    path.write_text("id,x\na,1\n")
    assert read_sequences(path, Query(answers=False, target="label")).answers is None
    assert "no column 'label'" in refused(path, target="label")


WRONG = {
    "no id": (
        "x,label\n1,a\n",
        "wanted a column that tells which rows are one sequence, found none; name one of 'x'",
    ),
    "id missing": (
        "id,x,label\n1,1,a\n,2,a\n",
        ", line 3, column 'id': wanted the name of a sequence, got nothing",
    ),
    "number": ("id,x,label\n1,1,a\n1,2,a\n1,two,a\n1,3,a\n", ", line 4, column 'x': wanted a finite number"),
    "infinite": ("id,x,label\n1,1,a\n1,inf,a\n", ", line 3, column 'x': wanted a finite number"),
    "decimal marks": ("id;x;label\n1;1,5;a\n1;2.5;a\n1;3,5;a\n", "with a decimal comma, got '2.5'"),
    "no features": ("id,x,label\n1,one,a\n", "no column of numbers is left to be a feature"),
    "no answers": ("id,x,u\n1,1,2\n", "found none by a usual name; name one of 'x', 'u' with target"),
    "two answers": (
        "id,x,label\n1,1,a\n2,1,b\n1,1,b\n1,1,c\n",
        ", line 4, column 'label': 'b', but line 2 of the same sequence has 'a' (1 more such row); ",
    ),
    "answer missing": (
        "id,x,label\n1,1,a\n1,1,NA\n",
        ", line 3, column 'label': wanted the sequence's answer",
    ),
    "time twice": (
        "id,time,x,label\n1,7,1,a\n2,7,1,a\n1,8,1,a\n1,7,5,a\n",
        ", line 5, column 'time': '7' stands there again, as in line 2 of the same sequence; keep one row",
    ),
    "float time twice": ("id,time,x,label\n1,.5,1,a\n1,0.50,5,a\n", "line 3, column 'time': '0.50' stands"),
    "time missing": (
        "id,time,x,label\n1,1,1,a\n1,,5,a\n",
        ", line 3, column 'time': wanted a time, got nothing",
    ),
    "time wrong": (
        "id,time,x,label\n1,1,1,a\n1,2,5,a\n1,y,5,a\n",
        "line 4, column 'time': wanted a finite number",
    ),
    "header lacks": ("1,2,3\n4,5,6\n", ", line 1: wanted names, got values ('1' …); add a header line"),
    "ragged": ("id,x,label\n1,1\n", ", line 2: wanted 3 fields as in the header, got 2"),
    "empty": ("", "the file is empty"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_in_one_line_with_its_place(path, case):
    content, said = WRONG[case]
    path.write_text(content)
    message = refused(path)
    assert message.startswith(str(path)) and said in message


@pytest.mark.parametrize(
    "named, said",
    [
        ({"id": "x", "target": "x"}, "column 'x' is named as id and again as target; name it once"),
        ({"features": ["x", "x"]}, "column 'x' is named as feature and again as feature"),
        (
            {"id": "id", "labels": "y"},
            "labels='y': a long table takes 'id', 'time', 'target', 'group'; leave it out",
        ),
    ],
)
def test_a_column_has_one_part(path, named, said):
    path.write_text("id,x,label\n1,1,a\n")
    assert said in refused(path, ConfigError, **named)


@pytest.mark.parametrize("named", [{"id": "idd"}, {"time": "idd"}, {"target": "idd"}, {"features": ["idd"]}])
def test_a_column_that_is_not_there_is_told_from_its_neighbours(path, named):
    path.write_text("id,x,label\n1,1,a\n")
    assert "no column 'idd' (did you mean 'id'?)" in refused(path, **named)


def test_a_large_table_in_memory_is_not_copied_row_by_row():
    memory = io.StringIO("id,x,label\n" + "".join(f"{n // 2},{n},{n // 2 % 2}\n" for n in range(100_000)))
    frame = pl.read_csv(memory)
    data = read_sequences(frame)
    assert len(data) == 50_000 and data.inputs[49_999].tolist() == [[99_998], [99_999]]
    assert data.inputs[0].base is data.inputs[1].base
