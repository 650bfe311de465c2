"""One bad series among good ones: left out with its reason, or an error that names the remedy."""

import numpy as np
import polars as pl
import pytest

from unrolled.errors import DataError
from unrolled.files.left_out import LeftOut, UnusableError, told
from unrolled.files.query import Query
from unrolled.files.series import read_series

HOURS = [f"2024-01-01 {hour:02}:00" for hour in range(12)]
GOOD = {"north": (HOURS, range(12)), "south": (HOURS[2:8], range(6))}
BAD = {
    "one row": (HOURS[:1], [1.0], "the only row in series 'bad'"),
    "irregular": (
        ["2024-01-01 00:00", "2024-01-01 01:07", "2024-01-01 02:00"],
        [1.0, 2, 3],
        "comes 67 minutes after",
    ),
    "twice": ([HOURS[0], HOURS[0], HOURS[1]], [1.0, 2, 3], "stands there again, as in"),
    "going back": ([HOURS[1], HOURS[0], HOURS[2]], [1.0, 2, 3], "comes after 2024-01-01 01:00:00"),
    "another step": (
        [f"2024-01-0{day}" for day in range(1, 9)],
        range(8),
        "goes by 1 hour, series 'bad' by 1 day",
    ),
    "far ahead": (["2024-01-01 00:00", "2024-01-01 01:00", "2424-01-01"], [1.0, 2, 3], "after"),
    "no value": (HOURS[:3], [None] * 3, "0 values in column 'y' in series 'bad'"),
    "a gap": ([HOURS[0], HOURS[1], HOURS[3]], [1.0, 2, 3], "1 gap with 1 missing step of 1 hour"),
}


def table(series):
    parts = [
        pl.DataFrame({"id": [name] * len(times), "time": times, "y": pl.Series(list(y), dtype=pl.Float64)})
        for name, (times, y, *_) in series.items()
    ]
    return pl.concat(parts)


def read(frame, **query):
    return read_series(frame, Query(**({"targets": ("y",), "id": "id"} | query)))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_one_bad_series_never_blocks_the_others(bad, first):
    series = {"bad": bad} | GOOD if first else GOOD | {"bad": bad}
    with pytest.raises(DataError) as error:
        read(table(series))
    assert bad[2] in str(error.value) and str(error.value).endswith("or leave such series out (skip_series)")
    file, alone = read(table(series), skip=True), read(table(GOOD))
    assert [s.name for s in file.series] == ["north", "south"] and file.step == alone.step
    for one, other in zip(file.series, alone.series, strict=True):
        np.testing.assert_array_equal(one.times, other.times)
        np.testing.assert_array_equal(one.target, other.target)
    assert list(file.left_out) == ["bad"] and bad[2] in file.left_out["bad"]
    assert "; " not in file.left_out["bad"]  # what to do is of no use here
    assert file.several and not alone.left_out


def test_months_are_not_days_for_one_series_that_is_off():
    """The step is that of most, not of all together."""
    months = [f"{2020 + month // 12}-{month % 12 + 1:02}-01" for month in range(24)]
    series = {"off": (["2020-01-01", "2020-02-07", "2020-03-01", "2020-04-01"], range(4))}
    series |= {name: (months, range(24)) for name in "ab"}
    file = read(table(series), skip=True)
    assert file.step.name == "1 month" and file.left_out == {
        "off": "the table: the times in series 'off' are not all of one step of 1 month, as those of others"
    }


def test_a_resampled_series_that_leaps_is_left_out_too():
    from unrolled.files.steps import parse_step

    file = read(table(GOOD | {"bad": BAD["far ahead"]}), skip=True, resample=parse_step("1h"))
    assert list(file.left_out) == ["bad"]


def test_where_none_is_left_or_there_is_but_one_it_is_an_error():
    with pytest.raises(
        DataError, match=r"none of 2 series can be used; the first: .*the only row in series 'a'"
    ):
        read(table({"a": BAD["one row"], "b": BAD["no value"]}), skip=True)
    with pytest.raises(DataError, match=r"comes 67 minutes after .*; correct the times"):
        read(table({"a": BAD["irregular"]}), skip=True)


def test_what_is_told():
    assert told({}, 5) == ()
    assert told({"a": "too short"}, 5) == ("left out: 1 of 6 series", "left out: 'a': too short")
    lines = told({f"s{n}": "too short" for n in range(22)}, 5)
    assert len(lines) == 22 and lines[-1] == "left out too: 's20', 's21'"


def test_other_errors_than_those_of_a_series_are_raised():
    def use(name):
        raise DataError("there is no such file")

    with pytest.raises(DataError, match=r"there is no such file$"):
        LeftOut(True, True).each(["a"], use, UnusableError)
