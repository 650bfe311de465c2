"""Sequences in .ts files, the format of the UCR and UEA archives.

    # a comment, as is a line that begins with %
    @problemName Waves                    @timeStamps false     @missing true     @univariate false
    @dimensions 2                         @equalLength true     @seriesLength 3   @classLabel true calm storm
    @data                                 each of these begins a line of its own
    0.5,?,1:2,2.5,1e1:storm               a case a line: dimensions, then the answer; ? or NaN is missing

A case with D dimensions of T values -> (T, D). With @timeStamps true a value is written (time,value), times
rise and are the same in all dimensions. @targetLabel true: answers are numbers. What the header says of
lengths, dimensions, missing values and labels is checked, case by case.

Source   aeon and sktime, "ts file format" 1.0; archives: Dau et al. 2019, arXiv:1810.07758; Bagnall et al.
         2018, arXiv:1811.00075; Tan et al. 2020, arXiv:2006.10996
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.examples import Sequences
from unrolled.files.left_out import or_skip_wrong
from unrolled.files.messages import counted, listed, nearest, shown
from unrolled.files.opening import clean_text, read_text
from unrolled.files.query import Query

_PAIRS = re.compile(r"\s*\(([^(),]*),([^(),]*)\)\s*(?:,(?=\s*\()|$)")
_COLON = r":(?![^()]*\))"
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_COMMENTS = ("#", "%")
_DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?", re.ASCII)

Values = NDArray[np.float64]


@dataclass
class _Header:
    """What the lines above @data say; None where they say nothing."""

    problemname: str | None = None
    timestamps: bool | None = None
    missing: bool | None = None
    univariate: bool | None = None
    equallength: bool | None = None
    dimensions: int | None = None
    serieslength: int | None = None
    classlabel: tuple[str, ...] | None = None  # () for false
    targetlabel: bool | None = None

    @property
    def has_answers(self) -> bool:
        return bool(self.classlabel or self.targetlabel)


def read_ts(path: Path, query: Query) -> Sequences:
    """The cases of a file. DataError with the line for whatever is wrong, or is not as the header says."""
    query.only("a .ts file")
    data = clean_text(
        str(path),
        read_text(path, "a .ts file", query.encoding),
        "a .ts file in UTF-8",
        "a header and cases",
    )
    lines = data.decode().split("\n")
    header, begin, notes = _read_header(str(path), lines)
    if query.answers and not header.has_answers:
        raise DataError(f"{path}: its cases have no answer; wanted @classLabel true or @targetLabel true")
    numbers = [n for n, line in enumerate(lines[begin:], begin + 1) if not _says_nothing(line)]
    if not numbers:
        raise DataError(f"{path}: no case below @data; wanted at least one")
    inputs: list[Values] = []
    answers: list[str | None] = []
    all_places, places = [f"{path}, line {number}" for number in numbers], list[str]()
    wrong: dict[str, str] = {}
    for number, place in zip(numbers, all_places, strict=True):
        # With timestamps, what stands in brackets may hold colons too.
        dimensions = re.split(_COLON if header.timestamps else ":", lines[number - 1])
        try:
            last = dimensions.pop().strip() if header.has_answers else ""
            answer = _answer(place, last, header, query) if header.has_answers else None
            case = _case(place, dimensions, header)
            first = (places[0], inputs[0]) if inputs else (place, case)
            _check_alike(*first, place, case, header)
        except DataError as error:
            if not query.skip_wrong:
                raise DataError(f"{error}{or_skip_wrong(query.skip_wrong)}") from None
            wrong[place] = str(error).removeprefix(f"{place}: ").removeprefix(f"{place}, ")
            continue
        inputs.append(case)
        answers.append(answer)
        places.append(place)
    if not inputs:
        raise DataError(f"{path}: no case can be used; the first: {next(iter(wrong.values()))}")
    complete = tuple(answer for answer in answers if answer is not None)
    features = tuple(f"dimension{number}" for number in range(1, inputs[0].shape[1] + 1))
    names = tuple(str(number) for number in range(1, len(inputs) + 1))
    is_complete = len(complete) == len(inputs)
    return Sequences(
        tuple(inputs),
        features,
        complete if is_complete else None,
        names,
        tuple(places),
        notes,
        named=False,
        left_out=wrong,
    )


def _read_header(path: str, lines: list[str]) -> tuple[_Header, int, tuple[str, ...]]:
    """The header, the index of the line below @data, and notes."""
    header, notes = _Header(), list[str]()
    for number, line in enumerate(lines, 1):
        place = f"{path}, line {number}"
        if _says_nothing(line):
            continue
        written, *words = line.split()
        if written[0] != "@":
            raise DataError(
                f"{place}: wanted a line that begins with @, or @data, above the cases, got {shown(line)}; "
                "complete the header"
            )
        name = written[1:].lower()
        name = "dimensions" if name == "dimension" else name
        if name == "data":
            _check_header(path, header)
            return header, number, tuple(notes)
        if name not in _FIELDS:
            notes.append(f"header: {shown(written)} has no known meaning")
        else:
            wanted, parse = _FIELDS[name]
            value, before = parse(words), getattr(header, name)
            if value is None:
                raise DataError(
                    f"{place}: wanted {written} {wanted}, got {shown(' '.join(words))}; correct it"
                )
            if before not in (None, value) and name != "problemname":  # which nothing follows from
                raise DataError(f"{place}: {written} stands there twice, with other values; keep one")
            setattr(header, name, value)
    raise DataError(f"{path}: no line @data; wanted one between the header and the cases")


def _says_nothing(line: str) -> bool:
    """Whether it is empty, or a comment."""
    return not line.strip() or line.startswith(_COMMENTS)


def _boolean(words: list[str]) -> bool | None:
    return {"true": True, "false": False}.get(words[0].lower()) if len(words) == 1 else None


def _count(words: list[str]) -> int | None:
    return int(words[0]) if len(words) == 1 and re.fullmatch("[0-9]{1,18}", words[0]) else None


def _labels(words: list[str]) -> tuple[str, ...] | None:
    if _boolean(words) is False:
        return ()
    return tuple(words[1:]) if len(words) > 1 and _boolean(words[:1]) else None


# What follows a name of the header, and how it is read; None for what cannot be.
_FIELDS: dict[str, tuple[str, Callable[[list[str]], object]]] = {
    "problemname": ("and a name", " ".join),
    "timestamps": ("true or false", _boolean),
    "missing": ("true or false", _boolean),
    "univariate": ("true or false", _boolean),
    "equallength": ("true or false", _boolean),
    "dimensions": ("and a whole number", _count),
    "serieslength": ("and a whole number", _count),
    "classlabel": ("false, or true and the labels", _labels),
    "targetlabel": ("true or false", _boolean),
}


def _check_header(path: str, header: _Header) -> None:
    if header.classlabel and header.targetlabel:
        raise DataError(f"{path}: the header has both @classLabel true and @targetLabel true; keep one")
    if header.univariate and header.dimensions not in (None, 1):
        raise DataError(
            f"{path}: the header says @univariate true and @dimensions {header.dimensions}; correct one"
        )


def _case(place: str, dimensions: list[str], header: _Header) -> Values:
    """(T, D), T and D ≥ 1, as the header says."""
    wanted = 1 if header.univariate else header.dimensions
    if len(dimensions) != (wanted or len(dimensions)) or not dimensions:
        raise DataError(
            f"{place}: {counted(len(dimensions), 'dimension')}, where the header says {wanted or 'more'}; "
            "correct the case or the header"
        )
    columns: list[Values] = []
    shared: Values | None = None
    for number, dimension in enumerate(dimensions, 1):
        here = f"{place}, dimension {number}"
        if not dimension.strip():
            raise DataError(f"{here}: no values; wanted one at least, complete the case or delete it")
        times, cells = _timed(here, dimension) if header.timestamps else (None, dimension.split(","))
        values = _values(here, cells)
        if header.missing is False and np.isnan(values).any():
            raise DataError(f"{here}: a value is missing, where the header says @missing false; correct one")
        if columns and len(values) != len(columns[0]):
            raise DataError(
                f"{here}: {counted(len(values), 'value')}, where dimension 1 has {len(columns[0])}; wanted "
                "as many in each dimension, mark missing ones with ?"
            )
        if shared is not None and times is not None and (times != shared).any():
            raise DataError(f"{here}: other times than in dimension 1; wanted the same in all dimensions")
        shared = times
        columns.append(values)
    return np.column_stack(columns)


def _timed(here: str, dimension: str) -> tuple[Values, list[str]]:
    """Times, which rise, and values of "(time,value),(time,value)"."""
    pairs, at = [], 0
    while at < len(dimension):
        match = _PAIRS.match(dimension, at)
        if match is None:
            raise DataError(
                f"{here}: wanted (time,value) pairs as @timeStamps true says, got {shown(dimension[at:])}; "
                "correct one"
            )
        pairs.append(match.groups())
        at = match.end()
    stamps = [stamp.strip() for stamp, _ in pairs]
    times = _times(stamps)
    if times is None:
        raise DataError(
            f"{here}: wanted times such as 2024-01-31 12:30 or numbers, got {shown(stamps[0])}; correct them"
        )
    wrong = np.flatnonzero(np.diff(times) <= 0)
    if len(wrong):
        raise DataError(
            f"{here}: time {shown(stamps[wrong[0] + 1])} does not come after {shown(stamps[wrong[0]])}; "
            "put the values in order, each time once"
        )
    return times, [cell for _, cell in pairs]


def _times(stamps: list[str]) -> Values | None:
    """(T,) numbers, or dates as microseconds; None for what is neither."""
    if all(_NUMBER.fullmatch(stamp) for stamp in stamps):
        times = np.array(stamps, np.float64)
        return times if np.isfinite(times).all() else None
    if not all(_DATE.fullmatch(stamp) for stamp in stamps):
        return None
    try:
        return np.array(stamps, "datetime64[us]").astype(np.float64)
    except ValueError:
        return None


def _values(here: str, cells: list[str]) -> Values:
    """(T,) NaN where a value is missing."""
    try:
        values = np.array([float(cell) if cell != "?" else math.nan for cell in cells])
        if np.isfinite(values).all() and all(map(str.isascii, cells)) and "_" not in "".join(cells):
            return values
    except ValueError:
        pass
    for number, cell in enumerate(cells, 1):
        if cell.strip().lower() not in ("?", "nan") and not _finite(cell):
            raise DataError(
                f"{here}: value {number} of {len(cells)}: wanted a finite number with a decimal point, or ? "
                f"where it is missing, got {shown(cell)}; correct it"
            )
    return np.array([float(cell) if _finite(cell) else math.nan for cell in cells])


def _finite(cell: str) -> bool:
    return bool(_NUMBER.fullmatch(cell.strip())) and math.isfinite(float(cell))


def _answer(place: str, cell: str, header: _Header, query: Query) -> str | None:
    """The answer of a case; None where it is ? and none is required."""
    if cell == "?" and not query.answers:
        return None
    if header.classlabel and cell not in header.classlabel:
        raise DataError(
            f"{place}: label {shown(cell)} is not one of the header's ({listed(header.classlabel)})"
            f"{nearest(cell, header.classlabel)}; correct one of the two"
        )
    if header.targetlabel and not _finite(cell):
        raise DataError(f"{place}: wanted a number after the last colon, got {shown(cell)}; correct the case")
    return cell


def _check_alike(first_place: str, first: Values, place: str, case: Values, header: _Header) -> None:
    if case.shape[1] != first.shape[1]:
        raise DataError(
            f"{place}: {counted(case.shape[1], 'dimension')}, where {first_place} has {first.shape[1]}; "
            "wanted as many in all cases, correct the case"
        )
    length = header.serieslength if header.equallength is not False else None
    if length and len(case) != length:
        raise DataError(
            f"{place}: {counted(len(case), 'step')}, where the header says @seriesLength {length}; correct "
            "one"
        )
    if header.equallength and len(case) != len(first):
        raise DataError(
            f"{place}: {counted(len(case), 'step')}, where {first_place} has {len(first)}; correct the case, "
            "or write @equalLength false"
        )
