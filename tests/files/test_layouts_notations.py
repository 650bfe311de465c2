"""Wide tables, bins and series that are left out, in files that are not written as a computer does."""

import gzip

import numpy as np
import polars as pl
import pytest

from unrolled.errors import DataError
from unrolled.files.query import Query
from unrolled.files.series import read_series
from unrolled.files.steps import parse_step

NEWEST = "the newest rows stand first; they are read in the order of time"


@pytest.fixture
def write(tmp_path):
    def write(text: str, name: str = "table.csv"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return path

    return write


def content(file):
    return {s.name: ([str(t)[:16] for t in s.times], s.target[:, 0].tolist()) for s in file.series}


DAYS = ["2024-01-30T00:00", "2024-01-31T00:00", "2024-02-01T00:00"]


def test_names_of_columns_are_dates_in_any_format_and_order(write):
    text = "id;01.02.2024;31.01.2024;30.01.2024\nnorth;1.003,5;1.002,5;1.001,5\nsouth;;12,25;11,25\n"
    file = read_series(write(text), Query(wide="rows"))
    assert content(file) == {"north": (DAYS, [1001.5, 1002.5, 1003.5]), "south": (DAYS[:2], [11.25, 12.25])}
    assert (file.date_format, file.decimal, NEWEST in file.notes) == ("day-first", "comma", True)
    month_first = "id,1/30/24,1/31/24,2/1/24\nnorth,1,2,3\n"
    assert content(read_series(write(month_first), Query(wide="rows"))) == {"north": (DAYS, [1, 2, 3])}
    compact = read_series(
        write("id,t30012024,t31012024,t01022024\nnorth,1,2,3\n"), Query(wide="rows", date_format="t%d%m%Y")
    )
    assert content(compact) == {"north": (DAYS, [1, 2, 3])}


def test_a_wrong_time_is_named_as_its_column_is(write):
    text = "id,30.01.2024,31.01.2024,32.01.2024,01.02.2024\na,1,2,3,4\n"
    with pytest.raises(DataError, match=r"column '32\.01\.2024': wanted a date that exists, day first"):
        read_series(write(text), Query(wide="rows"))
    text = "id,29.01.2024,30.01.2024,31.01.2024,31.01.2024 05:00\na,1,2,3,4\n"
    with pytest.raises(DataError, match=r"column '31\.01\.2024 05:00': .* comes 5 hours after"):
        read_series(write(text), Query(wide="rows"))


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_column_a_series_with_times_in_parts_and_prices_that_are_known_beyond(write, newest_first):
    """The last two rows in time are steps to predict, wherever they stand; nothing is known before a series
    begins."""
    rows = ["2024,1,30,1,5,7", "2024,1,31,2,6,8", "2024,2,1,3,7,9", "2024,2,2,,,10", "2024,2,3,,,11"]
    rows[0] = "2024,1,30,1,,7"
    text = "\n".join(["year,month,day,north,south,price", *(rows[::-1] if newest_first else rows)])
    file = read_series(write(text), Query(wide="columns", future=("price",)))
    assert content(file) == {
        name: ([*days, "2024-02-02T00:00", "2024-02-03T00:00"], values)
        for name, days, values in (("north", DAYS, [1, 2, 3]), ("south", DAYS[1:], [6, 7]))
    }
    np.testing.assert_array_equal(file.series[1].future[:, 0], [8, 9, 10, 11])
    assert file.time == "year,month,day" and (NEWEST in file.notes) == newest_first


def test_rows_of_one_bin_stand_in_the_order_of_time_where_the_newest_come_first(write):
    """Two rows of one minute: the upper is the later one."""
    text = "time,y\n31.01.2024 01:30,5\n31.01.2024 01:10,4\n31.01.2024 00:20,3\n31.01.2024 00:20,2\n"
    last, first = (
        read_series(write(text), Query(resample=parse_step("1h"), aggregate=which))
        for which in ("last", "first")
    )
    assert content(last)["table"][1] == [3, 5] and content(first)["table"][1] == [2, 4]
    assert (last.date_format, NEWEST in last.notes) == ("day-first", True)
    mixed = "time,y\n2024-01-31 01:30,5\n2024-01-31 00:20,3\n2024-01-31 00:20,2\n2024-01-31 01:50,4\n"
    file = read_series(write(mixed), Query(resample=parse_step("1h"), aggregate="last"))
    assert content(file)["table"][1] == [2, 4] and NEWEST not in file.notes


def test_series_that_are_left_out_of_a_packed_file_with_dates_and_commas(write):
    days = ["01.02.2024", "31.01.2024", "30.01.2024"]
    text = "\n".join(
        [
            "id;date;y",
            *(f"a;{day};{i},5" for i, day in enumerate(days)),
            f"b;{days[0]};1,5",
            f"c;{days[0]};2,5",
        ]
    )
    file = read_series(write(text, "panel.csv.gz"), Query(id="id", targets=("y",), skip=True))
    assert content(file) == {"a": (DAYS, [2.5, 1.5, 0.5])} and set(file.left_out) == {"b", "c"}
    alone = read_series(write("date,y\n2024-01-31,1\n2024-02-01,2\n", "one.csv.gz"), Query(targets=("y",)))
    assert [s.name for s in alone.series] == ["one"]


def test_of_many_columns_a_few_tell_how_numbers_are_read():
    frame = pl.DataFrame({"date": ["2024-01-01", "2024-01-02"]} | {f"s{n}": ["1,5", "2,5"] for n in range(9)})
    notes = read_series(frame, Query(wide="columns")).notes
    assert sum("is read as 1.5" in note for note in notes) == 5
    assert notes[-1] == "4 more columns of numbers written so"
