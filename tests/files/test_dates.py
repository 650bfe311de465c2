"""One date in every way of writing it."""

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.errors import ConfigError
from unrolled.files.dates import iso, require_format


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("31 Jan 2020", "2020-01-31"),
        ("31-jan-20", "2020-01-31"),
        ("Jan 31, 2020", "2020-01-31"),
        ("JANUARY 31 2020", "2020-01-31"),
        ("Fri, 31 January 2020", "2020-01-31"),
        ("2020-Sept-3", "2020-09-03"),
        ("31Jan2020", "2020-01-31"),
        ("Jan-20", "2020-01"),
        ("Jan-30", "1930-01"),
        ("Jan-29", "2029-01"),
        ("January 1949", "1949-01"),
        ("1960Jan", "1960-01"),
        ("05/2020", "2020-05"),
        ("2020M03", "2020-03"),
        ("2020-Q1", "2020-01"),
        ("2020Q4", "2020-10"),
        ("Q2 2020", "2020-04"),
        ("3Q2020", "2020-07"),
        ("Q3-99", "1999-07"),
        ("2020W05", "2020-01-27"),
        ("2020-W53-7", "2021-01-03"),
        ("2020.12.31", "2020-12-31"),
        ("Jan 5 2020 3:30 PM", "2020-01-05 15:30"),
        ("Jan 5 2020, 12 am", "2020-01-05 00:00"),
        ("5 Jan 2020 12:00:01.5 p.m.", "2020-01-05 12:00:01.5"),
        ("5 Jan 2020T7:05Z", "2020-01-05 07:05Z"),
        ("5 Jan 2020 7.05.30", "2020-01-05 07:05:30"),
        ("5 Jan 2020 17:05 +0530", "2020-01-05 17:05 +0530"),
    ],
)
def test_dates_that_can_be_read_in_one_way(text, wanted):
    assert iso(text) == wanted


@pytest.mark.parametrize(
    "text, day_first, month_first, year_first",
    [
        ("3/4/2020", "2020-04-03", "2020-03-04", None),
        ("31.12.2020", "2020-12-31", None, None),
        ("12-31-2020 7:05", None, "2020-12-31 07:05", None),
        ("03.04.05", "2005-04-03", "2005-03-04", "2003-04-05"),
    ],
)
def test_three_numbers_need_an_order(text, day_first, month_first, year_first):
    assert iso(text) is None
    readings = [iso(text, order) for order in ("day-first", "month-first", "year-first")]
    assert readings == [day_first, month_first, year_first]


@pytest.mark.parametrize(
    "text",
    [
        *("", "12.5", "1.2020", "2020", "20200131", "7", "12:30", "today", "Jan", "May", "Q1", "W05", "M4"),
        *("31 Foo 2020", "31 Feb 2020", "2020-Q5", "2020W54", "2020W00", "2020M13", "13/2020", "Jan 0, 2020"),
        *("1/2/3/2020", "1-2/2020", "1.234.567", "1 2 2020", "Jan 5 2020 13 PM", "Jan 5 2020 24:30", "a-1-2"),
    ],
)
def test_what_is_no_date(text):
    assert all(iso(text, order) is None for order in (None, "day-first", "month-first", "year-first"))


@pytest.mark.parametrize(
    "text, date_format, wanted",
    [
        ("310120", "%d%m%y", "2020-01-31"),
        ("01/45", "%m/%y", "1945-01"),
        ("2020/31/01", "%Y/%d/%m", "2020-01-31"),
        ("2020 032", "%Y %j", "2020-02-01"),
        ("1/2/2020 3 PM", "%d/%m/%Y %I %p", "2020-02-01 15:00:00"),
        ("1/2/2020 3 +0100", "%d/%m/%Y %H %z", "2020-02-01 03:00:00+01:00"),
        ("2020-01-31", "%d.%m.%Y", None),
    ],
)
def test_a_format_is_that_of_strptime(text, date_format, wanted):
    require_format(date_format)
    assert iso(text, date_format) == wanted


@pytest.mark.parametrize("date_format", ["", "dayfirst", "DD.MM.YYYY", "%d.%m.%Q", "%d %"])
def test_what_is_no_format_is_a_configuration_error(date_format):
    with pytest.raises(ConfigError, match="wanted day-first, month-first, year-first or a format such as"):
        require_format(date_format)


FORMS = {
    "%d/%m/%Y": "day-first",
    "%d.%m.%y": "day-first",
    "%m-%d-%Y": "month-first",
    "%y/%m/%d": "year-first",
    "%Y.%m.%d": None,
    "%d %B %Y": None,
    "%a %b %d, %Y": None,
    "%A, %d-%b-%y": None,
    "%G-W%V-%u": None,
}


@given(st.dates(datetime.date(1930, 1, 1), datetime.date(2029, 12, 31)), st.sampled_from(list(FORMS)))
def test_every_day_that_python_writes_is_read(day, date_format):
    assert iso(day.strftime(date_format), FORMS[date_format]) == day.isoformat()


@given(st.times(), st.sampled_from(["%H:%M:%S.%f", "%I:%M:%S.%f %p", "%I:%M:%S.%f%p"]))
def test_every_clock_that_python_writes_is_read(clock, clock_format):
    text = iso(f"31 Jan 2020 {clock.strftime(clock_format)}")
    assert datetime.datetime.fromisoformat(text) == datetime.datetime.combine(
        datetime.date(2020, 1, 31), clock
    )
