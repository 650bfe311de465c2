"""Dates as people write them -> ISO 8601, year first, of one cell; of whole columns: date_columns.py.

    31/01/2020  31.1.20  01-31-2020            three numbers, whose order must be known
    31 Jan 2020  Jan 31, 2020  January-2020  Jan-20  Fri 31-Jan-20
    01/2020  2020M03                           a month
    2020-Q1  Q1 2020                           a quarter, its first month
    2020W05  2020-W05-1                        a week of ISO 8601, its Monday or the day of that number

each alone or before a clock, 7:05, 12:30:15, 12.30.15 or 3:30 PM. A year of two digits is one from 1930 to
2029.

A format is the name of an order, "day-first", or what strptime takes, "%d/%m/%Y". This module needs no
library.
"""

import re
from datetime import UTC, date, datetime, time

from unrolled.errors import ConfigError
from unrolled.files.messages import option, shown

# Of three numbers: what each is.
ORDERS = {"day-first": "dmy", "month-first": "mdy", "year-first": "ymd"}
LAST_YEAR = 2029  # of two digits

_CLOCK = r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?|[0-9]{1,2}\.[0-9]{2}\.[0-9]{2}"
_OFFSET = r"\s?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)"
PARTS = (
    r"^(?P<date>.*?)"
    rf"(?:(?:,\s*|\s+|T)(?P<clock>(?:{_CLOCK})(?:\s?[AaPp]\.?[Mm]\.?)?|[0-9]{{1,2}}\s?[AaPp][Mm])(?P<offset>{_OFFSET})?)?$"
)

_YEAR = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october"]
_YEAR += ["november", "december"]
_WEEK = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_MONTHS = {name: n for n, word in enumerate(_YEAR, 1) for name in (word, word[:3])} | {"sept": 9}
_WEEKDAYS = {name for word in _WEEK for name in (word, word[:3])}
_LETTERS = {"q": "Q", "w": "W", "m": "M"}

# What stands in a date (Y: a number of four digits, n: of one or two, b: the name of a month) and what its
# numbers are, but for "nnY" and "nnn", which need an order.
_READINGS = {
    "Ynn": "ymd",
    "Yn": "ym",
    "nY": "my",
    "nbY": "dmy",
    "nbn": "dmy",
    "bnY": "mdy",
    "bnn": "mdy",
    "Ybn": "ymd",
    "bY": "my",
    "bn": "my",
    "Yb": "ym",
    "YMn": "y.m",
    "YQn": "y.q",
    "QnY": ".qy",
    "Qnn": ".qy",
    "nQY": "q.y",
    "YWn": "y.w",
    "YWnn": "y.wd",
}
_CLOCK_12 = re.compile(r"^([0-9]{1,2})(:.*?)?\s?([AaPp])\.?[Mm]\.?$")
_CELL = re.compile(PARTS)
_TOKEN = re.compile(r"[A-Za-z]+|[0-9]+")
_BETWEEN = re.compile(r"[-/.,\s]*")
_BETWEEN_NUMBERS = ("--", "//", "..", "-", "/")  # no lone point: 1.2020 is a number


def iso(text: str, date_format: str | None = None) -> str | None:
    """A time in ISO 8601; None for what is none, or is not written so. Without a format numbers whose order
    is open are none."""
    if date_format is not None and date_format not in ORDERS:
        return by_format(text.strip(), date_format)
    match = _CELL.match(text.strip())
    if match is None:
        return None
    day = iso_date(match["date"], date_format)
    clock = "" if match["clock"] is None else iso_clock(match["clock"])
    return None if day is None or clock is None else f"{day}{clock}{match['offset'] or ''}"


def is_time(text: str) -> bool:
    """Whether it is one in some order."""
    return any(iso(text, order) is not None for order in ORDERS)


def iso_date(text: str, order: str | None = None) -> str | None:
    """ "2020-01-31", or "2020-01" where the text tells no day; the order is one of ORDERS, or not known."""
    form, numbers = _tokens(text)
    reading = ORDERS.get(order or "") if is_open(form) else _READINGS.get(form)
    if reading is None or (form == "nnY" and reading[2] != "y"):
        return None
    parts = dict(zip(reading, numbers, strict=True))
    year = parts["y"] if "Y" in form else _four_digits(parts["y"])
    try:
        if "w" in parts:
            return date.fromisocalendar(year, parts["w"], parts.get("d", 1)).isoformat()
        month = 3 * parts["q"] - 2 if "q" in parts else parts["m"]
        return date(year, month, parts.get("d", 1)).isoformat()[: 10 if "d" in parts else 7]
    except ValueError:
        return None


def is_open(form: str) -> bool:
    """Whether an order must be known to read a date of this form."""
    return form in ("nnY", "nnn")


def form_of(text: str) -> str:
    """The form of a date, a key of _READINGS or one that is open; "" for what is no date."""
    form, _ = _tokens(text)
    return form if is_open(form) or form in _READINGS else ""


def iso_clock(text: str) -> str | None:
    """ " 15:30" of "15:30" and "3:30 PM"."""
    if match := _CLOCK_12.match(text):
        hour, rest, half = int(match[1]), match[2] or ":00", match[3].lower()
        if not 1 <= hour <= 12:
            return None
        text = f"{hour % 12 + (12 if half == 'p' else 0)}{rest}"
    if ":" not in text:
        text = text.replace(".", ":")
    clock, _, fraction = text.zfill(len(text) + (text.index(":") == 1)).partition(".")
    try:
        time.fromisoformat(clock)
    except ValueError:
        return None
    return f" {clock}.{fraction}" if fraction else f" {clock}"


def by_format(text: str, date_format: str) -> str | None:
    """As strptime reads it; days and clocks that the format does not tell are left out."""
    try:
        moment = datetime.strptime(text, date_format)
    except ValueError:
        return None
    if "%y" in date_format and moment.year > LAST_YEAR:
        moment = moment.replace(year=moment.year - 100)
    directives = set(re.findall("%-?([A-Za-z])", date_format))
    if directives & set("HIMSfpXcT"):
        return moment.isoformat(" ")
    return moment.isoformat()[: 10 if directives & set("djUWuwVxcDF") else 7]


def require_format(date_format: str) -> None:
    """ConfigError for a format that is none."""
    if date_format in ORDERS:
        return
    try:
        if "%" not in date_format:
            raise ValueError("it has no % directives")
        datetime.strptime(datetime(2001, 2, 3, tzinfo=UTC).strftime(date_format), date_format)
    except ValueError as error:
        raise ConfigError(
            f"{option('date_format', date_format)}: wanted day-first, month-first, year-first or a format "
            f"such as %d/%m/%Y, got {shown(date_format)} ({error!s:.60})"
        ) from None


def _four_digits(year: int) -> int:
    return year + (LAST_YEAR // 100 * 100 if year <= LAST_YEAR % 100 else LAST_YEAR // 100 * 100 - 100)


def _tokens(text: str) -> tuple[str, list[int]]:
    """The form of a date and its numbers, 0 for a letter that is none; ("", []) for what is no date."""
    tokens = _TOKEN.findall(text)
    if tokens and tokens[0].lower() in _WEEKDAYS and len(tokens) > 3:
        tokens, text = tokens[1:], text[len(tokens[0]) :]
    between = _TOKEN.sub("", text)
    if not 2 <= len(tokens) <= 4 or not _BETWEEN.fullmatch(between):
        return "", []
    form, numbers = "", []
    for token in tokens:
        word = token.lower()
        if token.isdigit():
            form += {4: "Y", 1: "n", 2: "n"}.get(len(token), "?")
            numbers.append(int(token))
        else:
            form += "b" if word in _MONTHS else _LETTERS.get(word, "?")
            numbers.append(_MONTHS.get(word, 0))
    if "?" in form or (not form.strip("Yn") and between not in _BETWEEN_NUMBERS):
        return "", []
    return form, numbers
