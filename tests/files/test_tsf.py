"""The Monash archive's files: names, times and values of series; headers and rows that are wrong."""

import numpy as np
import pytest

from unrolled.errors import DataError
from unrolled.files.query import Query
from unrolled.files.series import read_series

SOUND = """# three series
@relation test
@attribute series_name string
@attribute state string
@attribute start_timestamp date
@frequency half_hourly
@horizon 4
@missing true
@equallength false
@data
T1:VIC:1979-01-31 23-30-00:0.5,?,2
T2:NSW:1980-02-29 00-00-00:1e1,20,30,40
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.tsf"


def test_series_have_their_names_times_and_values(path):
    path.write_text(SOUND)
    file = read_series(path, Query(static=("state",), gaps=True))
    assert [one.name for one in file.series] == ["T1", "T2"] and file.targets == ("value",)
    np.testing.assert_array_equal(file.series[0].target[:, 0], [0.5, np.nan, 2])
    assert str(file.series[0].times[-1]) == "1979-02-01T00:30:00.000000" and file.step.name == "30 minutes"
    assert len(file.series[1].times) == 4


@pytest.mark.parametrize(
    "frequency, name",
    [("yearly", "1 year"), ("10_minutes", "10 minutes"), ("weekly", "1 week"), ("4_seconds", "4 seconds")],
)
def test_frequencies(path, frequency, name):
    path.write_text(SOUND.replace("half_hourly", frequency))
    file = read_series(path, Query(gaps=True))
    assert file.step.name == name and len(file.series[1].times) == 4


@pytest.mark.parametrize("old, new", [("@attribute start_timestamp date\n", ""), ("half_hourly", "lunar")])
def test_without_times_values_are_counted(path, old, new):
    text = SOUND.replace(old, new)
    if not new:
        text = text.replace(":1979-01-31 23-30-00", "").replace(":1980-02-29 00-00-00", "")
    path.write_text(text)
    assert read_series(path, Query(gaps=True)).series[1].times.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "old, new, complaint",
    [
        (
            "T1:",
            "",
            ", line 11: wanted 3 attributes ('series', 'state', 'start_timestamp') before the values",
        ),
        ("02-29", "02-30", ", line 12: wanted a start such as 1979-01-31 12-30-00, got '1980-02-30"),
        ("@data", "data", ", line 10: wanted a line that begins with @ above @data"),
        ("@data\n", "", ", line 10: wanted a line that begins with @ above @data"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(path, old, new, complaint):
    path.write_text(SOUND.replace(old, new, 1))
    with pytest.raises(DataError) as error:
        read_series(path, Query(gaps=True))
    assert complaint.split(",")[1] in str(error.value) and "\n" not in str(error.value)
    assert complaint.partition(": ")[2] in str(error.value)


def test_nothing_below_the_header(path):
    path.write_text(SOUND[: SOUND.index("T1")])
    with pytest.raises(DataError, match="no series below @data"):
        read_series(path, Query())


def test_wrong_rows_are_left_out(path):
    path.write_text(SOUND.replace("T1:VIC:", "T1:"))
    file = read_series(path, Query(skip_wrong=True))
    assert [one.name for one in file.series] == ["T2"] and len(file.wrong_rows) == 1
