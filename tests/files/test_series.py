"""From a file to regular series: what is found, what is filled; every wrong input with its whole message."""

import gzip

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unrolled.errors import ConfigError, DataError
from unrolled.files import zones
from unrolled.files.query import Query
from unrolled.files.series import read_series
from unrolled.files.steps import Step

BERLIN = "Europe/Berlin"
HOUR, DAY = 3600 * 10**6, 86400 * 10**6


@pytest.fixture
def write(tmp_path):
    def write(text: str):
        path = tmp_path / "sales.csv"
        path.write_text(text)
        return path

    return write


def hours(n, start="2024-01-01"):
    return [
        str(t).replace("T", " ") for t in np.datetime64(start, "s") + np.arange(n) * np.timedelta64(1, "h")
    ]


def test_one_series_with_everything_found(write):
    file = read_series(
        write("when,Date,sales\nx,2024-01-01,1\ny,2024-01-02,2.5\nz,2024-01-03,4\n"), Query(targets=())
    )
    assert (file.targets, file.past, file.future, file.time) == (("sales",), (), (), "Date")
    assert file.step == Step(DAY, "microsecond")
    assert file.notes == ("time: column 'Date'", "target: column 'sales'")
    (series,) = file.series
    assert series.name == "sales"
    np.testing.assert_array_equal(
        series.times, np.array(["2024-01-01", "2024-01-02", "2024-01-03"], "M8[us]")
    )
    np.testing.assert_array_equal(series.target, [[1], [2.5], [4]])
    assert series.target.dtype == np.float64
    assert series.past.shape == (3, 0) and series.future.shape == (3, 0)


def test_a_frame_and_a_parquet_file_are_read_as_a_csv_is(tmp_path):
    frame = pl.DataFrame({"year": [1700, 1701, 1702], "sunspots": [5, 11, 16]})
    frame.write_csv(tmp_path / "s.csv")
    frame.write_parquet(tmp_path / "s.parquet")
    for source in (tmp_path / "s.csv", str(tmp_path / "s.parquet"), frame):
        file = read_series(source, Query(targets=("sunspots",)))
        assert file.step == Step(1, "number") and file.time == "year"
        np.testing.assert_array_equal(file.series[0].times, [1700, 1701, 1702])
        np.testing.assert_array_equal(file.series[0].target, [[5], [11], [16]])


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_packed_file_is_read_as_the_same_unpacked(tmp_path, ending):
    frame = pl.DataFrame({"year": [1700, 1701, 1702], "sunspots": [5, 11, 16]})
    getattr(frame, f"write_{ending}")(tmp_path / "plain")
    (tmp_path / f"s.{ending}.gz").write_bytes(gzip.compress((tmp_path / "plain").read_bytes()))
    file = read_series(tmp_path / f"s.{ending}.gz", Query())
    assert file.series[0].name == "s" and file.series[0].target[:, 0].tolist() == [5, 11, 16]
    with pytest.raises(DataError, match=r"s.csv.gz, line 3, column 'sunspots': .* got 'x'"):
        (tmp_path / "s.csv.gz").write_bytes(gzip.compress(b"year,sunspots\n1,2\n2,x\n"))
        read_series(tmp_path / "s.csv.gz", Query())


def test_columns_keep_the_order_in_which_they_are_named(write):
    path = write("t,a,b,c,d,date\n0,1,2,3,4,2024-01\n1,5,6,7,8,2024-02\n")
    file = read_series(path, Query(targets=("c", "a"), past=("d",), future=("t", "b")))
    series = file.series[0]
    np.testing.assert_array_equal(series.target, [[3, 1], [7, 5]])
    np.testing.assert_array_equal(series.past, [[4], [8]])
    np.testing.assert_array_equal(series.future, [[0, 2], [1, 6]])
    assert file.step.name == "1 month"


def test_series_of_unequal_length_come_apart_wherever_their_rows_stand(write):
    path = write(
        "shop,date,sales\n"
        "b,2024-01-02,1\na,2024-01-01,10\nb,2024-01-03,2\nb,2024-01-04,3\na,2024-01-02,20\nNA,2024-01-02,7\nNA,2024-01-03,8\n"
    )
    file = read_series(path, Query(targets=("sales",), id="shop"))
    assert [s.name for s in file.series] == ["b", "a", "NA"]
    assert [s.target[:, 0].tolist() for s in file.series] == [[1, 2, 3], [10, 20], [7, 8]]
    assert str(file.series[1].times[1]).startswith("2024-01-02")


def test_the_name_of_a_series_may_be_a_number():
    frame = pl.DataFrame({"shop": [2, 1, 2, 1], "y": [1.0, 2.0, 3.0, 4.0]})
    file = read_series(frame, Query(targets=("y",), id="shop"))
    assert [(s.name, s.target[:, 0].tolist()) for s in file.series] == [("2", [1, 3]), ("1", [2, 4])]


def test_without_times_the_rows_are_the_steps_and_a_note_says_so(write):
    for text, options in (("y\n3\n1\n", {}), ("date,y\n2024-01-07,3\n2024-01-01,1\n", {"time": "rows"})):
        file = read_series(write(text), Query(targets=("y",), **options))
        assert file.time is None and file.step == Step(1, "number")
        assert file.notes == ("time: none, the rows of a series are its steps 0, 1, 2 …",)
        assert file.series[0].times.tolist() == [0, 1]


def test_a_column_called_rows_can_still_be_the_time(write):
    file = read_series(write("rows,y\n5,3\n6,1\n"), Query(targets=("y",), time="rows"))
    assert file.time == "rows" and file.series[0].times.tolist() == [5, 6]


@pytest.mark.parametrize(
    "text, found",
    [
        (
            "a,time,Timestamp\n1,2024-01-01,2024-01-02\n1,2024-01-02,2024-01-03\n",
            "Timestamp",
        ),  # the better name
        ("a,month,year\n1,1,2024\n1,1,2025\n", "year,month"),
        ("a,year,day\n1,2024,5\n1,2025,6\n", "year"),
        ("a,month,year,date\n1,1,2024,7\n1,1,2025,8\n", "date"),
        ("a,b,month\n1,5,2024-03\n1,6,2024-04\n", "month"),
        ("a,b,month\n1,5,11\n1,6,12\n", None),
        ("a,time\n1,12.5\n1,13.5\n", None),
        (
            "a,when,then\n1,2024-01-01,2024-01-02\n1,2024-01-02,2024-01-03\n",
            "when",
        ),  # no usual name: the first
        ("a,b\n1,5\n1,6\n", None),
    ],
)
def test_which_column_is_the_time(write, text, found):
    assert read_series(write(text), Query(targets=("a",))).time == found


@pytest.mark.parametrize("zone", [None, BERLIN])
def test_newest_rows_may_stand_first(write, zone):
    """Through an hour that comes twice where clocks are set back, which only a zone tells."""
    local, _, utc = berlin("2026-10-24T12:00" if zone else "2026-05-24T12:00", 30)
    text = "id,date,y\n" + "".join(
        f"{name},{str(t)[:16]},{n}\n" for n, t in reversed(list(enumerate(local))) for name in "ab"
    )
    file = read_series(write(text), Query(targets=("y",), id="id", zone=zone))
    assert [series.name for series in file.series] == ["a", "b"]
    for series in file.series:
        np.testing.assert_array_equal(series.times, utc if zone else local)
        assert series.target[:, 0].tolist() == list(range(30))
    assert "the newest rows stand first; they are read in the order of time" in file.notes


def test_an_unsorted_table_is_no_table_of_newest_rows_first(write):
    path = write("date,y\n2024-01-04,1\n2024-01-03,2\n2024-01-01,3\n2024-01-02,4\n")
    with pytest.raises(
        DataError, match=r"line 4, column .date.: 2024-01-01 comes after 2024-01-02 of line 5"
    ):
        read_series(path, Query(targets=("y",)))


def test_months_from_their_end_and_quarters_and_years(write):
    ends = "date,y\n2023-12-31,1\n2024-01-31,2\n2024-02-29,3\n2024-03-31,4\n"
    assert read_series(write(ends), Query(targets=("y",))).step == Step(1, "month", month_end=True)
    quarters = "date,y\n2023-01,1\n2023-04,2\n2023-10,3\n2024-01,4\n"
    file = read_series(write(quarters), Query(targets=("y",), gaps=True))
    assert file.step.name == "3 months"
    np.testing.assert_array_equal(file.series[0].target[:, 0], [1, 2, np.nan, 3, 4])
    assert str(file.series[0].times[2]).startswith("2023-07-01")
    years = "date,y\n2020-02-28,1\n2021-02-28,2\n"
    assert read_series(write(years), Query(targets=("y",))).step.name == "1 year"


def test_days_without_week_ends_are_business_days_and_a_holiday_is_a_gap(write):
    text = "date,y\n2024-04-30,1\n2024-05-02,2\n2024-05-03,3\n2024-05-06,4\n"
    with pytest.raises(
        DataError, match=r"1 gap with 1 missing step of 1 business day, .* from 2024-05-01 on, after line 2"
    ):
        read_series(write(text), Query(targets=("y",)))
    file = read_series(write(text), Query(targets=("y",), gaps=True))
    assert file.step == Step(1, "weekday") and file.step.name == "1 business day"
    np.testing.assert_array_equal(file.series[0].target[:, 0], [1, np.nan, 2, 3, 4])


@pytest.mark.parametrize(
    "dates, wanted, step",
    [
        (["2024-05-06", "2024-05-07", "2024-05-08"], Step(1, "weekday"), Step(1, "weekday")),
        (["2024-05-03", "2024-05-06", "2024-05-07"], Step(DAY, "microsecond"), Step(DAY, "microsecond")),
        (["2024-05-10", "2024-05-11"], Step(1, "weekday"), Step(DAY, "microsecond")),  # a Saturday
        (["2024-01-01", "2024-02-01"], Step(1, "weekday"), Step(1, "month")),  # no two are one apart
        (["2024-01-01", "2024-02-01"], Step(1, "number"), Step(1, "month")),
        (["2024-01-01", "2024-01-02"], Step(DAY, "microsecond", local=True), Step(DAY, "microsecond")),
    ],
)
def test_a_step_that_is_asked_for_is_taken_where_times_can_have_it(dates, wanted, step):
    frame = pl.DataFrame({"date": dates, "y": np.arange(float(len(dates)))})
    assert read_series(frame, Query(targets=("y",), step=wanted, gaps=True)).step == step


def berlin(begin, n, minutes=60):
    """Local times of so many steps, their offsets in seconds, and the same times in UTC."""
    utc = np.datetime64(begin, "us") + np.arange(n) * np.timedelta64(minutes, "m")
    offsets = zones.offsets(BERLIN, utc)
    return zones.shifted(utc, offsets), offsets, utc


def rows(local, offsets=None):
    texts = [str(t)[:16] for t in local]
    if offsets is not None:
        texts = [text + zones.suffix(offset) for text, offset in zip(texts, offsets.tolist(), strict=True)]
    return "date,y\n" + "".join(f"{text},{n}\n" for n, text in enumerate(texts))


@pytest.mark.parametrize("begin", ["2026-10-24T12:00", "2026-03-28T12:00"])
@pytest.mark.parametrize("form", ["naive", "offsets", "offsets in a zone", "parquet", "other zone", "UTC"])
def test_hours_through_a_change_of_clocks(write, tmp_path, begin, form):
    """Their steps are hours whatever clocks did, and what clocks show is known of each."""
    local, offsets, utc = berlin(begin, 30)
    path, zone = write(rows(local, offsets if "offsets" in form else None)), BERLIN
    if form in ("parquet", "other zone"):
        times = pl.Series(utc).dt.replace_time_zone("UTC")
        place = BERLIN if form == "parquet" else "Asia/Tokyo"
        path = tmp_path / "sales.parquet"
        pl.DataFrame({"date": times.dt.convert_time_zone(place), "y": range(30)}).write_parquet(path)
    elif form == "UTC":
        path = write(rows(utc, np.zeros(30, np.int64)))
    named = None if form in ("offsets", "parquet") else BERLIN
    file = read_series(path, Query(targets=("y",), zone=named))
    assert file.step == Step(HOUR, "microsecond") and file.zone == (
        zones.OFFSETS if form == "offsets" else zone
    )
    series = file.series[0]
    np.testing.assert_array_equal(series.times, utc)
    np.testing.assert_array_equal(series.offsets, offsets)
    np.testing.assert_array_equal(file.local(series), local)


@pytest.mark.parametrize("zone", [None, BERLIN])
def test_days_of_the_local_calendar_are_regular_though_one_has_25_hours(write, zone):
    days = np.datetime64("2026-10-20", "us") + np.arange(12) * np.timedelta64(1, "D")
    offsets, _ = zones.local_offsets(BERLIN, days)
    file = read_series(write(rows(days, offsets)), Query(targets=("y",), zone=zone))
    assert file.step == Step(DAY, "microsecond", local=True)
    np.testing.assert_array_equal(file.series[0].times, days)
    np.testing.assert_array_equal(file.series[0].offsets, offsets)
    months = np.arange("2025-01", "2026-06", 1, "datetime64[M]").astype("datetime64[us]")
    file = read_series(
        write(rows(months, zones.local_offsets(BERLIN, months)[0])), Query(targets=("y",), zone=zone)
    )
    assert file.step == Step(1, "month", local=True)


def test_days_of_utc_told_in_local_time_are_regular_too(write):
    utc = np.datetime64("2026-10-20", "us") + np.arange(12) * np.timedelta64(1, "D")
    offsets = zones.offsets(BERLIN, utc)
    file = read_series(write(rows(zones.shifted(utc, offsets), offsets)), Query(targets=("y",)))
    assert file.step == Step(DAY, "microsecond") and file.series[0].times.tolist() == utc.tolist()


def test_a_gap_in_local_time_is_named_in_local_time(write):
    local, offsets, _ = berlin("2026-10-24T12:00", 30)
    kept = np.delete(np.arange(30), [13, 14])
    with pytest.raises(DataError, match=r"2 missing steps of 1 hour, .* from 2026-10-25 03:00:00\+02:00 on"):
        read_series(write(rows(local[kept], offsets[kept])), Query(targets=("y",)))
    file = read_series(write(rows(local[kept], offsets[kept])), Query(targets=("y",), gaps=True))
    assert file.series[0].offsets[12:16].tolist() == [7200, 7200, 7200, 3600]  # those before the gap go on
    file = read_series(write(rows(local[kept], offsets[kept])), Query(targets=("y",), gaps=True, zone=BERLIN))
    assert file.series[0].offsets[12:16].tolist() == [7200, 3600, 3600, 3600]


def test_an_hour_that_comes_twice_names_the_zone_as_the_remedy(write):
    local, _, _ = berlin("2026-10-24T12:00", 30)
    with pytest.raises(
        DataError, match=r"02:00:00 stands there again.*\(zone='Europe/Berlin'\) if clocks were"
    ):
        read_series(write(rows(local)), Query(targets=("y",)))
    local, _, _ = berlin("2026-10-24T12:00", 60, 30)
    with pytest.raises(
        DataError, match=r"02:00:00 comes after 2026-10-25 02:30:00 of line 27; .*if clocks were"
    ):
        read_series(write(rows(local)), Query(targets=("y",)))


@pytest.mark.parametrize(
    "day, hour, minutes, named",
    [(29, 2, 15, True), (29, 1, 60, True), (28, 2, 15, False), (29, 12, 15, False), (29, 2, 20, True)],
)
def test_an_hour_that_clocks_skip_names_the_zone_as_the_remedy(write, day, hour, minutes, named):
    """Any other hour, or one of another day, is a gap like others."""
    times = np.arange(np.datetime64("2026-03-27"), np.datetime64("2026-04-01"), np.timedelta64(minutes, "m"))
    skipped = np.datetime64(f"2026-03-{day}T{hour:02}:00")
    times = times[(times < skipped) | (times >= skipped + np.timedelta64(60, "m"))]
    path = write("t,y\n" + "".join(f"{str(t).replace('T', ' ')},1\n" for t in times))
    with pytest.raises(DataError) as error:
        read_series(path, Query())
    remedy = "or name the zone (zone='Europe/Berlin') if clocks were set forward on 2026-03-29"
    assert (remedy in str(error.value)) == named
    if named and hour == 2:  # the remedy does what it says
        assert not any("gaps" in note for note in read_series(path, Query(zone="Europe/Berlin")).notes)


def test_an_hour_that_does_not_come_in_a_zone_is_refused(write):
    text = "date,y\n2026-03-29 00:30,1\n2026-03-29 01:30,2\n2026-03-29 02:30,3\n"
    with pytest.raises(
        DataError, match="line 4, column 'date': no clock of Europe/Berlin shows 2026-03-29 02:30"
    ):
        read_series(write(text), Query(targets=("y",), zone=BERLIN))
    with pytest.raises(ConfigError, match="no time zone 'Berlin'"):
        read_series(write(text), Query(targets=("y",), zone="Berlin"))


# Gaps: hours 2, 3, 4 have no row, hour 7 has no target, hour 9 no covariate.
GAPPY = "date,y,x\n" + "".join(
    f"{time},{'' if h == 7 else h * h},{'NA' if h == 9 else 100 - h}\n"
    for h, time in enumerate(hours(12))
    if h not in (2, 3, 4)
)


def test_gaps_are_refused_with_their_number_and_the_place_of_the_longest(write):
    path = write(GAPPY)
    with pytest.raises(DataError) as error:
        read_series(path, Query(targets=("y",), past=("x",)))
    assert str(error.value) == (
        f"{path}: 3 gaps with 5 missing steps of 1 hour, the longest, 3 steps, from 2024-01-01 02:00:00 on, "
        "after line 3; complete the file, or train with gaps='forward', zero or mask"
    )


def test_gaps_that_are_allowed_hold_nothing_and_are_noted(write):
    file = read_series(write(GAPPY), Query(targets=("y",), past=("x",), gaps=True))
    series, none = file.series[0], np.nan
    y = [0, 1, none, none, none, 25, 36, none, 64, 81, 100, 121]
    x = [100, 99, none, none, none, 95, 94, 93, 92, none, 90, 89]
    np.testing.assert_array_equal(series.target[:, 0], y)
    np.testing.assert_array_equal(series.past[:, 0], x)
    np.testing.assert_array_equal(series.times, np.array(hours(12), "M8[us]"))
    assert file.notes == (
        "time: column 'date'",
        "gaps: 3 gaps with 5 missing steps of 1 hour, the longest, 3 steps, from 2024-01-01 02:00:00 on, "
        "after line 3; what is missing is no outcome: no loss and no figure counts it",
    )


def test_a_gap_of_cells_names_the_column_and_the_series(write):
    path = write("shop,date,y,x\na,2024-01-01,1,1\na,2024-01-02,,1\na,2024-01-03,null,1\na,2024-01-04,1,1\n")
    with pytest.raises(DataError) as error:
        read_series(path, Query(targets=("y",), past=("x",), id="shop"))
    assert str(error.value) == (
        f"{path}: 1 gap with 2 missing steps of 1 day, the longest, 2 steps, from 2024-01-02 on, line 3, "
        "column 'y' in series 'a'; complete the file, or train with gaps='forward', zero or mask"
    )


@pytest.mark.parametrize("text", ["NA,1,2", "0,1,"])
def test_a_series_may_begin_and_end_with_a_gap(write, text):
    rows = "".join(f"2024-01-0{day},{cell}\n" for day, cell in enumerate(text.split(","), 1))
    file = read_series(write("date,y\n" + rows), Query(targets=("y",), gaps=True))
    wanted = [float(cell) if cell.isdigit() else np.nan for cell in text.split(",")]
    np.testing.assert_array_equal(file.series[0].target[:, 0], wanted)


TAIL = "date,y,promo,x\n2024-01-01,1,0,5\n2024-01-02,2,1,6\n2024-01-03,,1,\n2024-01-04,,0,\n"


def test_rows_past_the_last_target_are_steps_to_predict_where_future_covariates_stand(write):
    series = read_series(write(TAIL), Query(targets=("y",), past=("x",), future=("promo",))).series[0]
    assert series.target[:, 0].tolist() == [1, 2] and series.past[:, 0].tolist() == [5, 6]
    assert series.future[:, 0].tolist() == [0, 1, 1, 0]
    assert len(series.times) == 4


def test_without_future_covariates_a_tail_without_targets_is_a_gap(write):
    with pytest.raises(
        DataError, match="1 gap with 2 missing steps of 1 day, the longest, 2 steps, from 2024-01-03"
    ):
        read_series(write(TAIL), Query(targets=("y",)))


def test_a_future_covariate_may_not_be_missing_in_the_tail(write):
    path = write(TAIL.replace("2024-01-03,,1", "2024-01-03,,"))
    with pytest.raises(DataError) as error:
        read_series(path, Query(targets=("y",), future=("promo",)))
    assert str(error.value) == (
        f"{path}: 1 gap with 1 missing step of 1 day, the longest, 1 step, from 2024-01-03 on, line 4, "
        "column 'promo'; complete the file, or train with gaps='forward', zero or mask"
    )
    series = read_series(path, Query(targets=("y",), future=("promo",), gaps=True)).series[0]
    np.testing.assert_array_equal(series.future[:, 0], [0, 1, np.nan, 0])
    assert len(series.target) == 2


WRONG_TIMES = {
    "twice": (
        "date,y\n2024-01-01,1\n2024-01-02,2\n2024-01-02,3\n2024-01-03,4\n2024-01-03,5\n",
        ", line 4, column 'date': 2024-01-02 stands there again, as in line 3 (1 more such row); "
        "keep one row for each time, or the mean of those in one step (resample='1d'), or name the column "
        "that tells several series apart with id",
    ),
    "going back": (
        "date,y\n2024-01-01,1\n2024-01-03,2\n2024-01-02,3\n",
        ", line 4, column 'date': 2024-01-02 comes after 2024-01-03 of line 3; "
        "sort the rows by time, or name the column that tells several series apart with id",
    ),
    "irregular": (
        "date,y\n2024-01-01 00:00,1\n2024-01-01 01:00,2\n2024-01-01 02:00,3\n"
        "2024-01-01 02:10,4\n2024-01-01 04:20,4\n",
        ", line 5, column 'date': 2024-01-01 02:10:00 comes 10 minutes after line 4, where the step is "
        "1 hour (1 more such row); "
        "correct the times, take the mean of those in one step (resample='1h'), or count rows (time='rows')",
    ),
    "far ahead": (
        "date,y\n2024-01-01,1\n2024-01-02,2\n9024-01-03,3\n",
        ", line 4, column 'date': 9024-01-03 comes 2,556,698 steps of 1 day after line 3; "
        "correct the time, or cut the series there",
    ),
    "one row": (
        "date,y\n2024-01-01,1\n",
        ", line 2: the only row; wanted 2 or more, add rows",
    ),
    "no time": (
        "date,y\n2024-01-01,1\n2024-01-32,2\n",
        ", line 3, column 'date': wanted a time such as 2024-01-31 or 2024-01-31 12:30, got '2024-01-32'; "
        "write a time that exists, year first, or delete the row if it is none of a series",
    ),
    "a day or a month": (
        "date,y\n2024-01-01,1\n01.02.2024,2\n",
        ", line 3, column 'date': '01.02.2024' could be 2024-02-01 (day-first) or 2024-01-02 (month-first), "
        "and no row tells; name one with date_format='day-first'",
    ),
    "no day": (
        "date,y\n30.01.2024,1\n31.02.2024,2\n",
        ", line 3, column 'date': wanted a date that exists, day first, got '31.02.2024'; correct it, or "
        "name another date_format",
    ),
    "two orders": (
        "date,y\n30.01.2024,1\n01.31.2024,2\n",
        ", column 'date': '30.01.2024' in line 2 is a date day first alone, '01.31.2024' in line 3 is a date "
        "month first alone; write all dates in one order",
    ),
    "one value": (
        "date,y\n2024-01-01,1\n2024-01-02,\n",
        ": 1 value in column 'y'; wanted 2 or more, add rows",
    ),
    "no number": (
        "date,y\n2024-01-01,1\n2024-01-02,abc\n",
        ", line 3, column 'y': wanted a finite number with a decimal point, got 'abc'; "
        "correct the cell, or say that it stands for no value (missing='abc')",
    ),
}


@pytest.mark.parametrize("text, message", WRONG_TIMES.values(), ids=WRONG_TIMES.keys())
def test_wrong_rows_are_named_with_their_lines(write, text, message):
    path = write(text)
    with pytest.raises(DataError) as error:
        read_series(path, Query(targets=("y",)))
    assert str(error.value) == f"{path}{message}"


WRONG_SERIES = {
    "twice": (
        "id,date,y\na,2024-01-01,1\nb,2024-01-01,1\na,2024-01-02,2\nb,2024-01-01,2\n",
        ", line 5, column 'date': 2024-01-01 stands there again, as in line 3 in series 'b'; "
        "keep one row for each time, or the mean of those in one step (resample='1d'), or leave such series "
        "out (skip_series)",
    ),
    "going back": (
        "id,date,y\na,2024-01-02,1\nb,2024-01-01,1\na,2024-01-01,2\nb,2024-01-02,2\n",
        ", line 4, column 'date': 2024-01-01 comes after 2024-01-02 of line 2 in series 'a'; "
        "sort the rows by time, or leave such series out (skip_series)",
    ),
    "two steps": (
        "id,date,y\n"
        + "".join(f"hourly,{time},1\n" for time in hours(6))
        + "".join(f"daily,2024-01-0{day},1\n" for day in range(1, 6)),
        ": series 'hourly' goes by 1 hour, series 'daily' by 1 day; "
        "put series of different steps into different files, or leave such series out (skip_series)",
    ),
    "one row": (
        "id,date,y\na,2024-01-01,1\na,2024-01-02,1\nb,2024-01-01,1\n",
        ", line 4: the only row in series 'b'; wanted 2 or more, add rows, or leave such "
        "series out (skip_series)",
    ),
    "no value": (
        "id,date,y\na,2024-01-01,1\na,2024-01-02,1\nb,2024-01-01,\nb,2024-01-02,\n",
        ": 0 values in column 'y' in series 'b'; wanted 2 or more, add rows, or leave such "
        "series out (skip_series)",
    ),
    "no name": (
        "id,date,y\na,2024-01-01,1\n,2024-01-02,1\n",
        ", line 3, column 'id': wanted the name of a series, got nothing; name the series of every row",
    ),
}


@pytest.mark.parametrize("text, message", WRONG_SERIES.values(), ids=WRONG_SERIES.keys())
def test_wrong_rows_of_several_series_are_named_with_their_lines(write, text, message):
    path = write(text)
    with pytest.raises(DataError) as error:
        read_series(path, Query(targets=("y",), id="id"))
    assert str(error.value) == f"{path}{message}"


def test_a_series_too_short_to_show_its_step_takes_the_others(write):
    text = (
        "id,date,y\n" + "".join(f"a,{t},1\n" for t in hours(6)) + "".join(f"b,{t},2\n" for t in hours(5)[::4])
    )
    file = read_series(write(text), Query(targets=("y",), id="id", gaps=True))
    assert file.step.name == "1 hour" and len(file.series[1].target) == 5


def test_columns_of_the_wrong_type_are_refused():
    frame = pl.DataFrame({"id": [[1], [1]], "y": [1.0, 2.0]})
    with pytest.raises(DataError) as error:
        read_series(frame, Query(targets=("y",), id="id"))
    assert (
        str(error.value)
        == "the table, column 'id': wanted series' names, got List(Int64) values; name another"
    )


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"targets": ("sale",)},
            ": no column 'sale' (did you mean 'sales'?); the columns are 'date', 'sales', 'costs'",
        ),
        (
            {"targets": ("sales",), "time": "dates"},
            ": no column 'dates' (did you mean 'date'?); the columns are 'date', 'sales', 'costs'",
        ),
        (
            {"targets": ("sales",), "id": "shop"},
            ": no column 'shop'; the columns are 'date', 'sales', 'costs'",
        ),
        (
            {"targets": ("sales",), "past": ("cost",)},
            ": no column 'cost' (did you mean 'costs'?); the columns are 'date', 'sales', 'costs'",
        ),
        (
            {"targets": ()},
            ": wanted a target; name one or more of 'sales', 'costs' with target, or read each as a series "
            "(wide='columns')",
        ),
    ],
)
def test_missing_columns_are_named(write, options, message):
    path = write("date,sales,costs\n2024-01-01,1,2\n2024-01-02,3,4\n")
    with pytest.raises(DataError) as error:
        read_series(path, Query(**options))
    assert str(error.value) == f"{path}{message}"


def test_no_column_of_numbers_is_an_error_and_a_lone_column_is_the_target_whatever_it_holds(write):
    path = write("date,a,b\n2024-01-01,x,y\n2024-01-02,3,z\n")
    with pytest.raises(DataError) as error:
        read_series(path, Query(targets=()))
    assert str(error.value) == (
        f"{path}: no column of numbers is left to be the target; the columns are 'date', 'a', 'b'; "
        "name it with target to see what is wrong with its cells"
    )
    with pytest.raises(DataError, match="line 2, column 'a': wanted a finite number"):
        read_series(write("date,a\n2024-01-01,x\n2024-01-02,3\n"), Query(targets=()))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"targets": ("y", "y")}, "column 'y' is named as target and again as target; name it once"),
        (
            {"targets": ("y",), "past": ("y",)},
            "column 'y' is named as target and again as past covariate; name it once",
        ),
        (
            {"targets": ("y",), "past": ("x",), "future": ("x",)},
            "column 'x' is named as past covariate and again as future covariate; name it once",
        ),
        ({"targets": ("y",), "id": "y"}, "column 'y' is named as id and again as target; name it once"),
        ({"targets": ("y",), "time": "y"}, "column 'y' is named as time and again as target; name it once"),
        (
            {"targets": ("y",), "time": "t", "id": "t"},
            "column 't' is named as time and again as id; name it once",
        ),
    ],
)
def test_impossible_requests_are_configuration_errors(options, message):
    with pytest.raises(ConfigError) as error:
        read_series(pl.DataFrame({"t": [1, 2], "y": [1.0, 2.0], "x": [1.0, 2.0]}), Query(**options))
    assert str(error.value) == message


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_random_series_with_holes_come_back_on_the_grid(data):
    """Rows of up to 3 series, interleaved at random, some left out: each stands at its step."""
    step = data.draw(st.integers(1, 5_000_000))
    truth, rows = {}, []
    for name in "abc"[: data.draw(st.integers(1, 3))]:
        kept = sorted(
            data.draw(st.sets(st.integers(1, 12), max_size=8)) | set(range(13, 23))
        )  # most steps are single
        values = data.draw(st.lists(st.floats(-1e300, 1e300), min_size=len(kept), max_size=len(kept)))
        truth[name] = dict(zip(kept, values, strict=True))
        rows.append([(name, 7 + step * k, value) for k, value in truth[name].items()])
    mixed = []
    while any(rows):
        series = data.draw(st.sampled_from([r for r in rows if r]))
        mixed.append(series.pop(0))
    frame = pl.DataFrame(mixed, schema=["id", "t", "y"], orient="row")
    file = read_series(frame, Query(targets=("y",), time="t", id="id", gaps=True))
    assert file.step == Step(step, "number")
    assert {s.name for s in file.series} == set(truth)
    for series in file.series:
        first = min(truth[series.name])
        wanted = [truth[series.name].get(k, np.nan) for k in range(first, 23)]
        np.testing.assert_array_equal(series.target[:, 0], wanted)
        assert series.times.tolist() == [7 + step * k for k in range(first, 23)]


def test_a_time_column_that_cannot_be_read_is_named_in_a_note():
    days = [f"day {day}" for day in range(10, 20)]
    file = read_series(
        pl.DataFrame({"Time": days, "y": [float(n) for n in range(10)]}), Query(targets=("y",))
    )
    assert any("column 'Time' holds no times that can be read, such as 'day 10'" in n for n in file.notes)


@pytest.mark.parametrize(
    "header", ["2024-01-01,1.5", "2024-01-01T00:00:00;10,03", "1,2,3", "-1e5\t2024-01", "31.12.2020;1.5"]
)
def test_a_file_without_a_header_is_refused(tmp_path, header):
    path = tmp_path / "in.csv"
    path.write_text(f"{header}\n" * 3)
    with pytest.raises(DataError, match=r"in\.csv, line 1: wanted names, got values .*add a header line"):
        read_series(path, Query(targets=()))


def test_an_id_that_is_not_read_is_told():
    frame = pl.DataFrame({"id": ["a", "b"] * 5, "step": range(10), "y": np.arange(10.0) ** 2})
    file = read_series(frame, Query(targets=("y",)))
    assert len(file.series) == 1
    assert file.notes[-1] == (
        "column 'id' is not read, all rows are one series; if it tells several apart, name it: id='id'"
    )
    for other in (frame.with_columns(id=pl.lit("a")), frame.with_columns(id=pl.int_range(10))):
        assert not any("'id'" in note for note in read_series(other, Query(targets=("y",))).notes)
    assert len(read_series(frame, Query(targets=("y",), id="id")).series) == 2
