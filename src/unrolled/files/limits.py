"""How much the data of a file may come to (of a saved model: models/saved.py): a small file can declare more
than the memory holds, so sizes are checked here before memory is taken.

    value      a number, or 8 bytes of text or of a picture
    sequence   counts as 64 values more: its name, its place and an array of its own
    column     counts as 4,096 values more: its name, its type and a buffer of its own
"""

from unrolled.errors import ConfigError, DataError

MOST_VALUES = 1 << 28  # 2 GiB of float64
SEQUENCE, COLUMN = 64, 4096
VALUE_BYTES = 8

_most = MOST_VALUES


def set_most_values(most: int) -> None:
    """The limit for all that this process reads from now on. ConfigError for less than 1."""
    if most < 1:
        raise ConfigError(f"option 'most_values': wanted 1 or more, got {most}")
    global _most
    _most = most


def most_values() -> int:
    """The limit."""
    return _most


def require_few(name: str, what: str, values: int, sequences: int = 0, columns: int = 0) -> None:
    """DataError where `what` (sizes in words) in the file `name` comes to more than the limit."""
    cost = values + SEQUENCE * sequences + COLUMN * columns
    if cost > _most:
        enough = 1 << (cost - 1).bit_length()
        raise DataError(
            f"{name}: {what} count as {cost:,} values; at most {_most:,} are read, so that a damaged file "
            f"does not fill the memory; raise the limit by --most-values {enough} (Python: "
            f"unrolled.set_most_values({enough})), or give a smaller file"
        )
