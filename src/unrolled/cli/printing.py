"""How results appear: tables and sentences for people on standard output, JSON for machines."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.console import note, say
from unrolled.errors import ConfigError
from unrolled.files.wording import cut, either, visible

if TYPE_CHECKING:
    import polars as pl

ROWS_SHOWN = 12
LONGEST = 400  # characters of a cell that are shown


def as_json(value: Any) -> None:
    """One JSON document."""
    print(json.dumps(value, indent=2, allow_nan=False, default=str))


def table(rows: Sequence[Mapping[str, Any]], title: str | None = None) -> None:
    """Rows with the same keys; numbers stand right, in four digits. The last column may take more lines."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if title is not None:
        say(title)
    drawn = Table(box=None, header_style="bold", pad_edge=False)
    *_, last = rows[0]
    for key in rows[0]:
        number = isinstance(rows[0][key], int | float)
        drawn.add_column(Text(visible(key)), justify="right" if number else "left", no_wrap=key != last)
    for row in rows:
        drawn.add_row(*(Text(cut(_shown(value), LONGEST)) for value in row.values()))
    Console(width=None if sys.stdout.isatty() else 200, highlight=False).print(drawn)


def evaluation(found: Any, title: str) -> None:
    """An evaluation as every task gives it: a table of rows, then its verdict in words."""
    columns = dict.fromkeys(key for row in found.table() for key in row)
    rows = [{key: row.get(key, "") for key in columns} for row in found.table()]
    table(rows, title)
    say(*found.verdict)


def frame(data: "pl.DataFrame", out: Path | None, json: bool) -> None:
    """Predictions: into a file whose ending tells the format, or all as JSON, or the first on the screen."""
    if out is not None:
        write_frame(data, out)
        note(f"wrote {len(data)} rows to {out}")
    if json:
        as_json(_times_as_text(data).to_dicts())
    elif out is None:
        lists = _lists(data)
        table(data.drop(lists).head(ROWS_SHOWN).to_dicts())
        if lists:
            note(f"not shown: {', '.join(lists)}; -o FILE and --json have them")
        if len(data) > ROWS_SHOWN:
            note(f"… {len(data) - ROWS_SHOWN} rows more; -o FILE writes all of them")


def text(made: str, out: Path | None, json: bool) -> None:
    """Text into a file as it is, as JSON {"text": …}, or on the screen, its control characters visible."""
    from unrolled.files import atomic

    if out is not None:
        atomic.write_text(out, made)
        note(f"wrote {len(made)} characters to {out}")
    if json:
        as_json({"text": made})
    elif out is None:
        print(visible(made, but="\n\t"))


def write_frame(data: "pl.DataFrame", out: Path) -> None:
    """Whole or not at all; lists are JSON in a CSV. ConfigError for an ending that names no format."""
    import io

    from unrolled.files import atomic

    writers = {".csv": "write_csv", ".parquet": "write_parquet", ".json": "write_json"}
    if out.suffix not in writers:
        raise ConfigError(f"{out}: wanted a name that ends in {either([*writers])}")
    memory = io.BytesIO()
    data = data if out.suffix == ".parquet" else _times_as_text(data)
    getattr(_lists_as_text(data) if out.suffix == ".csv" else data, writers[out.suffix])(memory)
    atomic.write_bytes(out, memory.getvalue())


def _times_as_text(data: "pl.DataFrame") -> "pl.DataFrame":
    """ISO 8601, with fractions of a second only where there are any, and with the offset of times in a
    zone."""
    import polars.selectors as select

    form = "%Y-%m-%dT%H:%M:%S%.f"
    zoned = select.datetime(time_zone="*")
    return data.with_columns(zoned.dt.strftime(form + "%:z"), (select.datetime() - zoned).dt.strftime(form))


def _lists(data: "pl.DataFrame") -> list[str]:
    return [name for name, kind in data.schema.items() if kind.is_nested()]


def _lists_as_text(data: "pl.DataFrame") -> "pl.DataFrame":
    import polars as pl

    texts = {
        name: [json.dumps(one, ensure_ascii=False) for one in data[name].to_list()] for name in _lists(data)
    }
    return data.with_columns(pl.Series(name, each, pl.String) for name, each in texts.items())


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"
    return "" if value is None else str(value)
