"""What stands in the cells of tables of text, for readers with and without a table library."""

from unrolled.files.wording import option

SEPARATORS = ",;\t"
MISSING = ("", "na", "nan", "null")  # in any case


def allow_gaps() -> str:
    """The remedy for a value that is missing in a series."""
    return f"train with {option('gaps', 'forward')}, zero or mask"
