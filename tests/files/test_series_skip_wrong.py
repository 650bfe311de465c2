"""Wrong rows of a table of series: left out or refused, and their steps are missing, never joined."""

import numpy as np
import pytest

from unrolled.errors import DataError
from unrolled.files.query import Query
from unrolled.files.series import read_series

NAN = np.nan
SKIP = {"skip_wrong": True, "gaps": True}


def read(path, text, **query):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_series(path, Query(**(SKIP | query)))


def check(file, wanted, *reasons):
    for series, values in zip(file.series, wanted, strict=True):
        np.testing.assert_array_equal(series.target[:, 0], values)
    assert list(file.wrong_rows.values()) == list(reasons)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.csv"


WRONG = {
    "a cell": (
        "3,oops",
        "column 'y': wanted a finite number with a decimal point, got 'oops', which is missing now",
    ),
    "a time": ("never,3", "column 'time': wanted a whole number as in line 2, got 'never'"),
    "no time": (",3", "column 'time': wanted YEAR"),
    "width": ("3,4,5", "wanted 2 fields as in the first row, got 3"),
    "no UTF-8": ("3,\xff", "a byte that is not UTF-8"),
}


@pytest.mark.parametrize("case", WRONG)
def test_the_step_of_a_wrong_row_is_missing(path, case):
    row, reason = WRONG[case]
    text = f"time,y\n1,10\n2,20\n{row}\n4,40\n".encode("latin-1")
    file = read(path, text)
    np.testing.assert_array_equal(file.series[0].target[:, 0], [10, 20, NAN, 40])
    ((place, why),) = file.wrong_rows.items()
    assert place == f"{path}, line 4" and (why == reason or "YEAR" in reason)
    assert file.told()[:2] == ("left out: 1 wrong row", f"left out: {place}: {why}")


@pytest.mark.parametrize("case", ["a cell", "width", "no UTF-8"])
def test_without_times_too(path, case):
    """A row that is left out would join its neighbours."""
    row = WRONG[case][0].replace("3,", "30,", 1)
    text = f"y,x\n10,1\n20,2\n{row}\n40,4\n".encode("latin-1")
    file = read(path, text, targets=("y",), past=("x",))
    wanted = 30 if case == "a cell" else NAN
    np.testing.assert_array_equal(file.series[0].target[:, 0], [10, 20, wanted, 40])
    np.testing.assert_array_equal(file.series[0].past[:, 0], [1, 2, NAN, 4])


def test_of_several_series_without_times_nobody_can_tell(path):
    for row in ("a,3,4", ",3"):
        with pytest.raises(DataError) as error:
            read(path, f"id,y\na,1\na,2\n{row}\na,4\n", id="id")
        assert f"{path}, line 4" in str(error.value) and "skip_wrong" not in str(error.value)


def test_one_cell_of_a_wide_table_costs_one_step(path):
    check(
        read(path, "time,a,b\n1,1,10\n2,x,20\n3,3,30\n", wide="columns", time="time"),
        [[1, NAN, 3], [10, 20, 30]],
        "column 'a': wanted a finite number with a decimal point, got 'x', which is missing now",
    )
    check(
        read(path, "series,1,2,3\na,1,x,3\nb,10,20,30\nc,4,5,6\n", wide="rows"),
        [[1, NAN, 3], [10, 20, 30], [4, 5, 6]],
        "column '2': wanted a finite number with a decimal point, got 'x', which is missing now",
    )


def test_several_wrong_cells_of_a_row_are_one_wrong_row(path):
    file = read(path, "time,y,z\n1,1,1\n2,x,y\n3,3,3\n4,4,4\n", targets=("y", "z"))
    (why,) = file.wrong_rows.values()
    assert "column 'y'" in why and "column 'z'" in why


def test_a_refusal_proposes_to_leave_rows_out_and_gaps_are_asked_about(path):
    with pytest.raises(DataError, match="or leave such rows out \\(skip_wrong\\)"):
        read(path, "time,y\n1,1\n2,x\n3,3\n4,4\n5,5\n", skip_wrong=False)
    with pytest.raises(DataError, match="1 gap with 1 missing step"):
        read(path, "time,y\n1,1\n2,x\n3,3\n4,4\n5,5\n", gaps=False)


def test_the_names_of_steps_are_no_rows(path):
    with pytest.raises(DataError, match="column 'then'"):
        read(path, "series,2024-01-01,2024-01-02,then\na,1,2,3\nb,1,2,3\n", wide="rows", time="time")
