"""The same series from long and wide tables, and what is wrong with wide ones."""

import numpy as np
import polars as pl
import pytest

from unrolled.errors import ConfigError, DataError
from unrolled.files.query import Query
from unrolled.files.series import read_series

DAYS = ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]
NORTH, SOUTH = [1.0, 2.0, 3.0, 4.0], [None, 20.0, 30.0, None]


@pytest.fixture
def write(tmp_path):
    def write(text: str):
        path = tmp_path / "wide.csv"
        path.write_text(text)
        return path

    return write


def content(file):
    return [(s.name, [str(t)[:10] for t in s.times], s.target[:, 0].tolist()) for s in file.series]


def long(**columns):
    frame = pl.DataFrame(
        {"id": ["north"] * 4 + ["south"] * 2, "date": DAYS + DAYS[1:3], "value": [1.0, 2, 3, 4, 20, 30]}
    )
    return read_series(frame, Query(id="id", targets=("value",)))


def test_a_column_a_series_and_a_row_a_series_are_the_series_of_a_long_table(tmp_path):
    columns = pl.DataFrame({"date": DAYS, "north": NORTH, "south": SOUTH})
    rows = pl.DataFrame(
        {"name": ["north", "south"]} | {day: [NORTH[i], SOUTH[i]] for i, day in enumerate(DAYS)}
    )
    for wide, frame in (("columns", columns), ("rows", rows)):
        frame.write_csv(tmp_path / "wide.csv")
        frame.write_parquet(tmp_path / "wide.parquet")
        for source in (frame, tmp_path / "wide.csv", tmp_path / "wide.parquet"):
            file = read_series(source, Query(wide=wide))
            assert content(file) == content(long()), (wide, source)
            assert (file.targets, file.step, file.precision) == (("value",), long().step, "day")
    assert read_series(columns, Query(wide="columns")).notes == (
        "time: column 'date'",
        "series: a column each, 'north', 'south'",
    )
    assert read_series(rows, Query(wide="rows")).notes == (
        "series: a row each, named by column 'name'",
        "time: the names of the columns '2024-01-01' to '2024-01-04'",
    )


def test_columns_that_are_named_or_have_other_roles():
    frame = pl.DataFrame(
        {
            "date": DAYS,
            "note": ["a"] * 4,
            "north": NORTH,
            "warm": [5.0, 6, 7, 8],
            "south": SOUTH,
            "sale": [0, 1, 0, 1],
        }
    )
    file = read_series(frame, Query(wide="columns", past=("warm",), future=("sale",)))
    assert [s.name for s in file.series] == ["north", "south"]
    south = file.series[1]
    assert south.target[:, 0].tolist() == [20, 30] and south.past[:, 0].tolist() == [6, 7]
    assert south.future[:, 0].tolist() == [1, 0, 1]  # the row behind its last value is a step to predict
    named = read_series(frame, Query(wide="columns", targets=("south", "warm")))
    assert [s.name for s in named.series] == ["south", "warm"] and named.targets == ("value",)


def test_the_layout_of_the_m4_competition(write):
    """No times, the names in the first column, a series ends where the cells are empty."""
    path = write('"V1","V2","V3","V4","V5"\n"H1","605","586","586","559"\n"H2","1","2.5",,\n')
    file = read_series(path, Query(wide="rows"))
    assert file.time is None and file.step.unit == "number"
    assert content(file) == [("H1", ["0", "1", "2", "3"], [605, 586, 586, 559]), ("H2", ["0", "1"], [1, 2.5])]
    counted = read_series(path, Query(wide="rows", time="rows", targets=("load",)))
    assert content(counted) == content(file) and counted.targets == ("load",)


def test_years_as_columns_and_texts_beside_them():
    frame = pl.DataFrame(
        {
            "Country": ["A", "B"],
            "Code": ["a", "b"],
            "1960": [1.0, 2.0],
            "1961": [3.0, 4.0],
            "1962": [None, None],
        }
    )
    file = read_series(frame, Query(wide="rows"))
    assert content(file) == [("A", ["1960", "1961"], [1, 3]), ("B", ["1960", "1961"], [2, 4])]
    assert file.notes[-1] == "not read: 'Code', which hold no numbers"
    assert [s.name for s in read_series(frame, Query(wide="rows", id="Code")).series] == ["a", "b"]


def test_a_gap_is_named_by_its_column(write):
    path = write("date,a,b\n2024-01-01,1,1\n2024-01-02,2,\n2024-01-03,3,3\n")
    with pytest.raises(DataError, match="from 2024-01-02 on, line 3, column 'b' in series 'b'; complete"):
        read_series(path, Query(wide="columns"))
    path = write("id,2024-01-01,2024-01-02,2024-01-03\na,1,,3\n")
    with pytest.raises(DataError, match="from 2024-01-02 on, column '2024-01-02' in series 'a'; complete"):
        read_series(path, Query(wide="rows"))
    file = read_series(path, Query(wide="rows", gaps=True))
    np.testing.assert_array_equal(file.series[0].target[:, 0], [1, np.nan, 3])


@pytest.mark.parametrize(
    "text, options, message",
    [
        (
            "id,2024-01-01,2024-01-02,2024-01-03,2024-01-03 05:00\na,1,2,3,4\n",
            {"wide": "rows"},
            ", column '2024-01-03 05:00': 2024-01-03 05:00:00 comes 5 hours after column '2024-01-03', where",
        ),
        (
            "id,2024-01-01,2024-02-30,2024-03-01\na,1,2,3\n",
            {"wide": "rows"},
            ", column '2024-02-30': wanted a time such as 2024-01-31 or 2024-01-31 12:30, got '2024-02-30'",
        ),
        (
            "id,s1,s2\na,1,2\nb,1,x\nc,1,2\n",
            {"wide": "rows"},
            ", line 3, column 's2': wanted a finite number",
        ),
        (
            "id,s1,s2\na,1,2\na,1,3\n",
            {"wide": "rows"},
            ", line 3, column 'id': the series 'a' stands in a row before; write each in one row",
        ),
        ("id,s1,s2\na,1,2\n,1,3\n", {"wide": "rows"}, ", line 3, column 'id': wanted the name of a series"),
        ("id,s1,s2\na,1,2\nb,,\n", {"wide": "rows"}, ": 0 values in column 'value' in series 'b'; wanted 2"),
        ("id,s1\na,1\n", {"wide": "rows"}, ", column 's1': the only row in series 'a'"),
        (
            "s1,s2\n1,2\n",
            {"wide": "rows"},
            ": no column holds names of series, all are numbers; name it with id",
        ),
        ("id,kind\na,b\n", {"wide": "rows"}, ": no column of numbers beside 'id'; wanted one for each step"),
        (
            "t,a,b\n2024-01-01,1,\n2024-01-02,2,\n",
            {"wide": "columns", "targets": ("a", "b")},
            ": 0 values in column 'b'",
        ),
        (
            "V1,V2,V3,V4,V5,V6,V7,V8,V9\nH1,1,2,3,4,5,6,7,8\n",
            {},
            " with target, or read every row as a series with these steps (wide='rows')",
        ),
        (
            "date,a,b\n2024-01-01,1,2\n",
            {},
            "name one or more of 'a', 'b' with target, or read each as a series (wide='columns')",
        ),
    ],
)
def test_what_is_wrong_with_a_wide_table(write, text, options, message):
    path = write(text)
    with pytest.raises(DataError) as error:
        read_series(path, Query(**options))
    assert str(error.value).startswith(str(path)) and message in str(error.value)


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"wide": "columns", "id": "a"},
            "id='a': with wide='columns' the names of series are those of columns",
        ),
        (
            {"wide": "rows", "past": ("a",)},
            "wide='rows': a table with a row for each series has no covariates",
        ),
        (
            {"wide": "rows", "targets": ("a", "b")},
            "all columns are steps of one target, got 'a', 'b'; name one",
        ),
        (
            {"wide": "rows", "time": "date"},
            "time='date': with wide='rows' the columns are the times; leave it out",
        ),
    ],
)
def test_options_that_a_layout_does_not_have(options, message):
    frame = pl.DataFrame({"date": DAYS, "a": NORTH, "b": NORTH})
    with pytest.raises(ConfigError) as error:
        read_series(frame, Query(**options))
    assert message in str(error.value)
