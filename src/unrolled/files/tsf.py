"""Files of the Monash archive of series to forecast -> a table: a row a series, its times and values lists.

    # a comment
    @attribute series_name string        further attributes are columns of words and numbers
    @attribute start_timestamp date      1979-01-31 12-30-00
    @frequency half_hourly               from one value to the next
    @data
    T1:1979-01-31 12-30-00:0.5,?,2       the attributes, then the values; ? is missing

The name of a series is in the column `series`; without a start or a frequency there are no times.

Source   Godahewa et al. 2021, arXiv:2105.06643, "tsf file format"
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.left_out import below_header
from unrolled.files.limits import require_few
from unrolled.files.messages import counted, listed, shown
from unrolled.files.opening import clean_text
from unrolled.files.steps import Step, parse_step

NAME, START, ID, TIME, VALUE = "series_name", "start_timestamp", "series", "time", "value"
_STEPS = {
    "yearly": "1year",
    "quarterly": "1quarter",
    "monthly": "1month",
    "weekly": "1w",
    "daily": "1d",
    "hourly": "1h",
    "half_hourly": "30min",
    "minutely": "1min",
}
_START = re.compile(r"(\d{4}-\d\d-\d\d)(?:[ T](\d\d)[-:](\d\d)[-:](\d\d))?", re.ASCII)


def read_tsf(
    path: str, data: bytes, wrong: dict[str, str] | None = None
) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """The rows, and the line (from 1) of each. Where `wrong` is given, rows that are none are left out, and
    stand there by their places with the reasons; else DataError for the first."""
    lines = clean_text(path, data, "a .tsf file in UTF-8", "a header and series", wrong).decode().split("\n")
    names, step, begin = _header(path, lines)
    rows, numbers = below_header(
        path, lines, begin, "#", "series", lambda line: _row(line, names, step), wrong
    )
    values = sum(len(row[VALUE]) for row in rows)
    require_few(path, f"{counted(len(rows), 'series')} of {values:,} values", 2 * values, sequences=len(rows))
    kinds = {name: pl.List(pl.String) if name in (TIME, VALUE) else pl.String for name in rows[0]}
    return pl.DataFrame(rows, schema=kinds), np.array(numbers, np.int64)


def _header(path: str, lines: Sequence[str]) -> tuple[list[str], Step | None, int]:
    """The attributes, the step, and the index of the line below @data."""
    names, step = list[str](), None
    for number, line in enumerate(lines, 1):
        word, *words = line.split() or ["#"]
        if word.startswith("#"):
            continue
        if word.lower() == "@data":
            return names, step, number
        if word.lower() == "@attribute" and len(words) == 2:
            names.append(ID if words[0] == NAME else words[0])
        elif word.lower() == "@frequency" and len(words) == 1:
            step = _step(words[0])
        elif word[0] != "@" or word.lower() == "@attribute":
            raise DataError(
                f"{path}, line {number}: wanted a line that begins with @ above @data, such as @attribute "
                f"{NAME} string, got {shown(line)}; complete the header"
            )
    raise DataError(f"{path}: no line @data; wanted one between the header and the series")


def _step(frequency: str) -> Step | None:
    """None for one that is not known."""
    try:
        return parse_step(_STEPS.get(frequency.lower(), frequency.lower().replace("_", " ")))
    except ValueError:
        return None


def _row(line: str, names: Sequence[str], step: Step | None) -> dict[str, Any]:
    """ValueError where it is none."""
    *attributes, values = line.split(":")
    if len(attributes) != len(names):
        raise ValueError(
            f"wanted {counted(len(names), 'attribute')} ({listed(names)}) before the values, each with a "
            f"colon behind it, got {len(attributes)}"
        )
    cells = [cell.strip() for cell in values.split(",")]
    row: dict[str, Any] = dict(zip(names, attributes, strict=True))
    start = row.pop(START, None)
    if start is not None and step is not None:
        row[TIME] = _times(start, step, len(cells))
    row[VALUE] = [None if cell == "?" else cell for cell in cells]
    return row


def _times(start: str, step: Step, count: int) -> list[str]:
    match = _START.fullmatch(start.strip())
    try:
        if match is None:
            raise ValueError
        first = np.datetime64(f"{match[1]}T{match[2] or '00'}:{match[3] or '00'}:{match[4] or '00'}", "us")
    except ValueError:
        raise ValueError(f"wanted a start such as 1979-01-31 12-30-00, got {shown(start)}") from None
    if step.unit == "month":  # of months and years the day says nothing, and differs between series
        first = first.astype("datetime64[M]").astype("datetime64[us]")
    begin = np.array([first])
    times = np.concatenate([begin, step.extend(begin, count - 1)])
    return list(map(str, np.datetime_as_string(times, "s")))
