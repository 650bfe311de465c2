"""What stands in columns of numbers where there is none: usual words, and those that a user names, which may
be numbers, such as -999. A note says how often they come, and which numbers look as if they stood for none.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from polars import selectors

from unrolled.files.cells import MISSING, NO_NUMBER
from unrolled.files.messages import counted, option, shown
from unrolled.files.number_columns import one_below_the_other
from unrolled.files.numerals import number

MOST_WORDS = 5  # that a note tells
# Numbers that instruments and programs write for no value; one that comes once may be any value.
SENTINELS = np.array([sign * value for value in (999.0, 9999.0, 99999.0, 999999.0) for sign in (-1, 1)])
LEAST = 2
MOST_COLUMNS = 3


def without(frame: pl.DataFrame, named: Sequence[str]) -> pl.DataFrame:
    """With null in place of the words that are named, in columns of texts and of numbers."""
    if not named:
        return frame
    numbers = _numbers(named)
    return frame.with_columns(
        pl.when(_is_named(named)).then(None).otherwise(selectors.string()).name.keep(),
        pl.when(selectors.numeric().cast(pl.Float64).is_in(numbers))
        .then(None)
        .otherwise(selectors.numeric())
        .name.keep(),
    )


def words_note(frame: pl.DataFrame, named: Sequence[str]) -> list[str]:
    """How often the words stand there that are no number, but for those that files of any program have."""
    words = (*(word for word in NO_NUMBER if word not in MISSING), *named)
    columns, numbers = frame.get_columns(), _numbers(named)
    texts = one_below_the_other([one for one in columns if one.dtype == pl.String]).str.strip_chars()
    numeric = [one.cast(pl.Float64) for one in columns if numbers and one.dtype.is_numeric()]
    values = one_below_the_other(numeric) if numeric else pl.Series(dtype=pl.Float64)
    several = [
        texts.to_frame("cell").filter(_is_named(words))["cell"],
        values.filter(values.is_in(numbers)).cast(pl.String),
    ]
    counts = pl.concat(several).value_counts(sort=True).rows()
    if not counts:
        return []
    often = ", ".join(f"{shown(word)} in {counted(count, 'cell')}" for word, count in counts[:MOST_WORDS])
    others = f" and {len(counts) - MOST_WORDS} words more" if len(counts) > MOST_WORDS else ""
    return [f"missing values: {often}{others}"]


def sentinel_notes(columns: Sequence[str], values: NDArray[np.float64]) -> list[str]:
    """values (rows, columns): the numbers that come again and lie far from all others of their column."""
    large = np.abs(values) >= np.abs(SENTINELS).min()
    odd = np.zeros_like(large)
    odd[large] = np.isin(values[large], SENTINELS)
    notes = []
    for k in np.flatnonzero(odd.any(0)).tolist():
        column = values[:, k]
        others = column[~odd[:, k] & ~np.isnan(column)]
        for value in np.unique(column[odd[:, k]]):
            count = int((column == value).sum())
            if count >= LEAST and len(others) and _is_far(value, others.min(), others.max()):
                notes.append(
                    f"column {shown(columns[k])}: {value:g} in {counted(count, 'cell')} is far from all "
                    f"others ({others.min():g} to {others.max():g}), and read as a value; if it says that "
                    f"there is none, say {option('missing', f'{value:g}')}"
                )
    more = len(notes) - MOST_COLUMNS
    return notes[:MOST_COLUMNS] + ([f"{counted(more, 'more column')} with such numbers"] if more > 0 else [])


def _is_far(value: float, least: float, most: float) -> bool:
    """Further from the others than these from each other, or alone below 0."""
    away = max(least - value, value - most)
    return away > most - least or value < 0 <= least


def _is_named(words: Sequence[str]) -> pl.Expr:
    cells = selectors.string().str.strip_chars()
    named = cells.str.to_lowercase().is_in([word.lower() for word in words])
    numbers = _numbers(words)
    return named | cells.cast(pl.Float64, strict=False).is_in(numbers) if numbers else named


def _numbers(words: Sequence[str]) -> list[float]:
    return [value for word in words if (value := number(word)) is not None]
