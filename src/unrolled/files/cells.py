"""What stands in the cells of tables of text, for readers with and without a table library."""

from typing import Any

from unrolled.files.messages import option

SEPARATORS = ",;\t"
MISSING = ("", "na", "nan", "null")  # in any case


def is_missing(value: Any) -> bool:
    """None, or a text for a cell without a value."""
    return value is None or (isinstance(value, str) and value.strip().lower() in MISSING)


def allow_gaps() -> str:
    """The remedy for a value that is missing in a series."""
    return f"train with {option('gaps', 'forward')}, zero or mask"
