"""metrics.jsonl, the history of a training: one JSON object a line; training/history.py says of what."""

import json
from collections.abc import Sequence
from pathlib import Path

from unrolled.errors import RunError
from unrolled.files import json_text, typed

Row = dict[str, str | int | float | None]


def lines_of(rows: Sequence[Row]) -> bytes:
    """One JSON object a line."""
    return "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows).encode()


def rows_of(path: Path, lines: bytes) -> list[Row]:
    """The rows of the content of `path`. RunError where a line is none."""
    rows: list[Row] = []
    for number, line in enumerate(lines.splitlines(), start=1):
        try:
            rows.append(json_text.parse(line))
            typed.require_type(rows[-1], Row)
        except ValueError:
            raise RunError(f"{path}, line {number}: wanted a JSON object, got {line[:40]!r}") from None
    return rows
