"""Columns of numbers as people write them -> float64.

Which mark comes before the decimals is told by the column as a whole: by numbers that can be read in one way
alone (1,234.5 or 1,25), else by the other columns of the table; where neither tells, it is the point.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars import selectors

from unrolled.files.cells import MISSING, NO_NUMBER
from unrolled.files.numerals import DIGITS, MARKS, NUMERAL, PLAIN, TRUTHS, number

Values = NDArray[np.float64]
Counts = NDArray[Any]

_SAMPLE = 1000
_OTHER = {"point": "comma", "comma": "point"}


@dataclass(frozen=True)
class Numbers:
    """values (rows,) float64, null or NaN where a cell is missing, and which cells are `wrong`. Of cells that
    are not written as a computer does the first `row`, their decimal mark where they have one, whether it is
    `assumed`, since nothing tells it, and the sign for percents or a currency."""

    values: pl.Series
    wrong: pl.Series
    row: int | None = None
    decimal: str | None = None
    assumed: bool = False
    unit: str | None = None


def read_numbers(cells: pl.Series, decimal: str | None = None) -> Numbers:
    """`decimal`: the mark, a key of MARKS, of a column that does not tell it; None where that is open too."""
    cells, values, wrong = _as_computers_write(cells)
    if cells.dtype != pl.String:
        return Numbers(values, wrong, 0 if cells.dtype == pl.Boolean else None)
    truths = _truths(cells.filter(wrong))
    if 2 * truths.count() > len(truths) and values.fill_nan(None).drop_nulls().is_in([0.0, 1.0]).all():
        values = pl.select(pl.coalesce(values, _truths(cells))).to_series()
        return Numbers(values, wrong & values.is_null(), int(wrong.arg_max() or 0))
    some = cells.filter(wrong).head(_SAMPLE)
    thousands = decimal == "comma" and cells.str.contains(".", literal=True).any()
    if thousands or _are_numerals(some).any():
        return _written(cells, values, decimal)
    return Numbers(values, wrong)


def _as_computers_write(cells: pl.Series) -> tuple[pl.Series, pl.Series, pl.Series]:
    """The cells without blanks at their ends, those that are numbers as a computer writes them, else null,
    and which of these are neither finite numbers nor missing."""
    if cells.dtype == pl.String:
        cells = cells.str.strip_chars()
    values = cells.cast(pl.Float64, strict=False)
    wrong = (values.is_null() & ~is_missing(cells, NO_NUMBER)) | values.is_infinite().fill_null(False)
    return cells, values, wrong


def is_missing(cells: pl.Series, words: Sequence[str] = MISSING) -> pl.Series:
    """Which cells hold nothing, or one of the words for it, in any case."""
    empty = cells.is_null()
    if cells.dtype != pl.String:
        return empty
    return empty | cells.str.to_lowercase().is_in(["", *(word.lower() for word in words)])


def one_below_the_other(columns: Sequence[pl.Series]) -> pl.Series:
    """(columns · rows,) the cells of columns of one type, so that one operation works on all."""
    return pl.concat(columns) if columns else pl.Series(dtype=pl.String)


def plain_columns(frame: pl.DataFrame, decimal: str | None) -> dict[str, Values]:
    """(rows,) of columns whose cells are all missing, NaN, or finite numbers as a computer writes them."""
    plain: dict[str, Values] = {}
    texts, numbers = frame.select(pl.col(pl.String)), frame.select(selectors.numeric())
    for several in (texts, numbers.cast(pl.Float64)):
        cells, values, wrong = _as_computers_write(one_below_the_other(several.get_columns()))
        if decimal == "comma" and cells.dtype == pl.String:  # between thousands a point may stand
            wrong |= cells.str.contains(".", literal=True).fill_null(False)
        shape = several.width, frame.height
        rows = values.fill_null(np.nan).to_numpy().reshape(shape)
        is_plain = np.asarray(~wrong.to_numpy().reshape(shape).any(1))
        plain |= {name: rows[k] for k, name in enumerate(several.columns) if is_plain[k]}
    return plain


def numeric_columns(frame: pl.DataFrame) -> tuple[frozenset[str], frozenset[str]]:
    """The columns more than half of whose cells that are not missing are numbers: the others are then errors.
    Of long ones a sample of the rows decides, unless all of them are missing. And these with those that have
    no cell but missing ones."""
    numeric = {name for name, kind in frame.schema.items() if kind.is_numeric()}
    others = frame.select(~(selectors.numeric() | selectors.string()))
    blank = {name for name in others.columns if others[name].null_count() == frame.height}
    texts = frame.select(pl.col(pl.String))
    for some in (texts.gather_every(max(1, frame.height // _SAMPLE)), texts):
        if not texts.width:
            break
        some = some.select(texts.columns)
        there, numbers = _counts(some)
        numeric |= {name for k, name in enumerate(texts.columns) if 2 * numbers[k] > there[k]}
        texts = texts.select([name for k, name in enumerate(texts.columns) if not there[k]])
    return frozenset(numeric), frozenset(numeric | blank | set(texts.columns))


def _counts(texts: pl.DataFrame) -> tuple[Counts, Counts]:
    """(columns,) how many cells are not missing, and how many of these are numbers, in some way of writing
    them."""
    cells, shape = one_below_the_other(texts.get_columns()).str.strip_chars(), (texts.width, texts.height)
    there = (~is_missing(cells, NO_NUMBER)).to_numpy()
    numbers = cells.cast(pl.Float64, strict=False).is_not_null().to_numpy() & there
    open = there & ~numbers
    if open.any():
        numbers[open] = _are_numerals(cells.filter(pl.Series(open))).fill_null(False).to_numpy()
    return there.reshape(shape).sum(1), numbers.reshape(shape).sum(1)


def told_decimal(frame: pl.DataFrame) -> str | None:
    """The decimal mark that columns of text tell, where they tell one alone, from samples of them."""
    texts = frame.select(pl.col(pl.String))
    some = texts.gather_every(max(1, texts.height // _SAMPLE))
    cells, shape = one_below_the_other(some.get_columns()), (some.width, some.height)
    if not cells.str.contains(",", literal=True).any():
        return None
    cells = _typed(cells)
    forms = _forms(_digits(cells))
    numerals = (forms["point"] | forms["comma"]).to_numpy().reshape(shape).sum(1)
    often = 2 * numerals > (~is_missing(cells, NO_NUMBER)).to_numpy().reshape(shape).sum(1)
    marks = {mark for mark in MARKS if _are_alone(forms, mark).to_numpy().reshape(shape)[often].any()}
    return marks.pop() if len(marks) == 1 else None


def _written(cells: pl.Series, values: pl.Series, decimal: str | None) -> Numbers:
    typed = _typed(cells)
    bare = _forms(typed)
    rest = typed.filter(~(bare["point"] | bare["comma"]))  # with signs, which few columns have
    telling = {mark: _alone(bare, mark) + count for mark, count in _telling(_digits(rest)).items()}
    open = telling["point"] == telling["comma"]
    mark = (decimal or "point") if open else max(telling, key=lambda one: telling[one])
    read = _numbers(typed, bare[mark], mark)
    units = _units(rest)
    unit = next(iter(units.filter(units != "").head(1)), None)
    wrong = read.is_null() | read.is_infinite()
    if unit is not None:
        wrong |= _unlike(_units(typed).fill_null(""), unit, read)
    there = ~is_missing(cells, NO_NUMBER)
    odd = there & (values.is_null() | (values != read)).fill_null(False)
    commas = odd & typed.str.contains(",", literal=True)
    marked = commas | (odd & typed.str.contains(".", literal=True))
    return Numbers(
        read,
        there & wrong.fill_null(True),
        int(odd.arg_max() or 0) if odd.any() else None,
        mark if marked.any() else None,
        open and decimal is None and bool(commas.any()),
        unit,
    )


def _numbers(typed: pl.Series, simple: pl.Series, mark: str) -> pl.Series:
    """(rows,) null for what is no number with this decimal mark. The `simple` ones, of digits alone, are read
    at once."""
    digits = typed.str.replace_all(f"[ '{MARKS[_OTHER[mark]]}]", "").str.replace(",", ".", literal=True)
    others = {text: number(text, mark) for text in typed.filter(~simple).drop_nulls().unique()}
    return pl.select(
        pl.when(simple)
        .then(digits.cast(pl.Float64, strict=False))
        .otherwise(typed.replace_strict(others, default=None, return_dtype=pl.Float64))
    ).to_series()


def _unlike(units: pl.Series, unit: str, values: pl.Series) -> pl.Series:
    """Which units are not the one of the column; a bare number may be money, and a bare 0 no percents."""
    bare = (units == "") & ((values == 0) | (unit != "%"))
    return (units != unit) & ~bare


def _units(typed: pl.Series) -> pl.Series:
    """(rows,) the sign for percents or a currency, "" where there is none, null for what is no number."""
    parts = typed.str.extract_groups(NUMERAL).struct.unnest()
    return pl.select(
        pl.when(parts["digits"].is_not_null()).then(
            parts["before"].fill_null("") + parts["after"].fill_null("")
        )
    ).to_series()


def _telling(digits: pl.Series) -> dict[str, int]:
    """By decimal mark how many numbers can be read with it alone."""
    forms = _forms(digits)
    return {mark: _alone(forms, mark) for mark in MARKS}


def _forms(digits: pl.Series) -> dict[str, pl.Series]:
    """By decimal mark which can be read with it."""
    return {mark: digits.str.contains(DIGITS[mark]).fill_null(False) for mark in MARKS}


def _alone(forms: dict[str, pl.Series], mark: str) -> int:
    return int(_are_alone(forms, mark).sum())


def _are_alone(forms: dict[str, pl.Series], mark: str) -> pl.Series:
    return forms[mark] & ~forms[_OTHER[mark]]


def _are_numerals(cells: pl.Series) -> pl.Series:
    digits = _digits(_typed(cells))
    return digits.str.contains(DIGITS["point"]) | digits.str.contains(DIGITS["comma"])


def _digits(typed: pl.Series) -> pl.Series:
    return typed.str.extract_groups(NUMERAL).struct.field("digits")


def _typed(cells: pl.Series) -> pl.Series:
    return cells.str.strip_chars().str.replace_many(list(PLAIN), list(PLAIN.values()))


def _truths(cells: pl.Series) -> pl.Series:
    return cells.str.to_lowercase().replace_strict(TRUTHS, default=None, return_dtype=pl.Float64)
