"""What is known to be unusual, as columns and tables of windows tell it."""

import numpy as np
import polars as pl
import pytest

from unrolled.errors import ConfigError, DataError
from unrolled.tasks.config import from_options
from unrolled.tasks.detect.config import DetectConfig, DetectData
from unrolled.tasks.detect.truth import Known
from unrolled.tasks.forecast.data import read
from unrolled.tasks.sources import Sources

HOURS = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 1, 1, 9), "1h", eager=True)


@pytest.fixture
def series(tmp_path):
    """Two files of ten hours each."""
    paths = []
    for k, name in enumerate(("cpu", "disk")):
        paths.append(tmp_path / f"{name}.csv")
        y = np.arange(10.0) * (k + 1)
        pl.DataFrame({"time": HOURS, "y": y, "odd": (y == 4).astype(int)}).write_csv(paths[-1])
    return paths


def read_truth(source, tmp_path, windows=None, **options):
    if windows is not None:
        (tmp_path / "known.csv").write_text(windows)
        options["windows"] = tmp_path / "known.csv"
    data = DetectData(target="y", **{name: str(value) for name, value in options.items()})
    file = read(source, data)
    marks = Known.of(Sources(source), data, file).truths
    return marks if marks is None else [np.flatnonzero(mark).tolist() for mark in marks]


def test_windows_of_files_in_folders(series, tmp_path):
    windows = """file,begins,ends
hosts/cpu.csv,2024-01-01 02:00:00,2024-01-01 03:30:00
hosts/cpu.csv,2024-01-01 07:30:00,2024-01-01 08:00:00
disk,2023-12-31 00:00:00,2024-01-01 00:59:00
other.csv,2024-01-01 05:00:00,2024-01-01 06:00:00
"""
    assert read_truth(series, tmp_path, windows) == [[2, 3, 8], [0]]
    assert read_truth(series[1], tmp_path, windows) == [[0]]


def test_windows_of_one_series_need_no_name(series, tmp_path):
    windows = "start;end\n2024-01-01T04:00;2024-01-01T04:00\n"
    assert read_truth(series[0], tmp_path, windows) == [[4]]
    with pytest.raises(DataError, match="wanted a column 'series' that tells which of 2 series"):
        read_truth(series, tmp_path, windows)


def test_windows_of_steps_without_a_clock(tmp_path):
    frame = pl.DataFrame({"id": ["a"] * 6 + ["b"] * 6, "t": [*range(6)] * 2, "y": np.arange(12.0)})
    assert read_truth(frame, tmp_path, "id,from,to\nb,2,3\na,5,9\n", id="id", time="t") == [[5], [2, 3]]
    with pytest.raises(DataError, match="wanted times as the series have them, such as 0, got 2024-01-01"):
        read_truth(frame, tmp_path, "id,from,to\nb,2024-01-01,2024-01-02\n", id="id", time="t")


def test_windows_and_series_with_offsets(tmp_path):
    times = [f"2024-03-01T{h:02}:00:00+02:00" for h in range(8)]
    frame = pl.DataFrame({"time": times, "y": np.arange(8.0)})
    utc = "begins,ends\n2024-03-01T01:00:00Z,2024-03-01T02:00:00Z\n"
    local = "begins,ends\n2024-03-01 03:00:00,2024-03-01 04:00:00\n"
    assert read_truth(frame, tmp_path, utc) == read_truth(frame, tmp_path, local) == [[3, 4]]


def test_a_column_of_ones(series, tmp_path):
    assert read_truth(series, tmp_path, truth="odd") == [[4], [2]]
    plain = pl.read_csv(series[0]).drop("odd")
    assert read_truth(plain, tmp_path, truth="odd") is None, (
        "data without the column are judged without truth"
    )
    assert read_truth(series, tmp_path) is None
    with pytest.raises(
        DataError, match="series 'cpu': wanted 1 where a step is unusual and 0 elsewhere, got 2"
    ):
        read_truth(series, tmp_path, truth="y")


def test_a_column_with_gaps_and_covariates_ahead():
    """It stands at the steps of the series, whatever rows lack."""
    t = np.array([0, 1, 2, 4, 5, 6, 7])
    odd = [0, 1, None, 0, 1, 0, 0]
    frame = pl.DataFrame({"t": t, "y": [1.0, 2, 3, 4, 5, None, None], "f": t * 1.0, "odd": odd})
    data = DetectData(target="y", time="t", future="f", gaps="forward", truth="odd")
    file = read(frame, data)
    [mark] = Known.of(Sources(frame), data, file).truths
    assert len(mark) == len(file.series[0].target) == 6 and np.flatnonzero(mark).tolist() == [1, 5]


def test_what_is_no_table_of_windows_is_refused(series, tmp_path):
    with pytest.raises(
        DataError, match="wanted columns such as 'file', 'begins' and 'ends', got 'file', 'when'"
    ):
        read_truth(series, tmp_path, "file,when\ncpu,2024-01-01\n")
    with pytest.raises(ConfigError, match="wanted truth or windows, got both"):
        from_options(DetectConfig, {"truth": "odd", "windows": "known.csv"})
    with pytest.raises(ConfigError, match="alarms are told by the scores of the validation part"):
        from_options(DetectConfig, {"validation": 0})
