"""What stands in the cells of tables of text, for readers with and without a table library."""

import re
from collections.abc import Sequence
from typing import Any

from unrolled.files import numerals
from unrolled.files.messages import option

SEPARATORS = ",;\t"
MISSING = ("", "na", "nan", "null")  # in any case
NO_NUMBER = (*MISSING, "n/a", "#n/a", "<na>", "none", "missing", "-", "--", "?", ".")  # where numbers stand


def is_missing(value: Any) -> bool:
    """None, or a text for a cell without a value."""
    return value is None or (isinstance(value, str) and value.strip().lower() in MISSING)


def beside_usual(words: Sequence[str]) -> tuple[str, ...]:
    """Of words that say that there is no number those that are not usual."""
    return tuple(word for word in words if word.lower() not in NO_NUMBER)


def is_no_number(value: Any, named: Sequence[str] = ()) -> bool:
    """Whether a cell of a column of numbers says that there is none: by a usual word, or by one that is
    named, which may be a number."""
    if is_missing(value):
        return True
    if isinstance(value, str) and value.strip().lower() in (*NO_NUMBER, *map(str.lower, named)):
        return True
    if not named or isinstance(value, list):
        return False
    number = numerals.number(value) if isinstance(value, str) else value
    return number is not None and number in [numerals.number(word) for word in named]


def or_missing(cell: Any, otherwise: str = "") -> str:
    """A further remedy for a cell in place of a number, which may say that there is none, as a word may."""
    word = cell.strip() if isinstance(cell, str) else ""
    if re.fullmatch(r"[^\W\d]\D{0,19}", word) and numerals.number(word) is None:
        return f", or say that it stands for no value ({option('missing', word)})"
    return otherwise


def allow_gaps() -> str:
    """The remedy for a value that is missing in a series."""
    return f"train with {option('gaps', 'forward')}, zero or mask"
