"""How results appear: tables and sentences for people on standard output, JSON for machines."""

import itertools
import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unrolled.console import note, say
from unrolled.errors import ConfigError
from unrolled.files.messages import cut, either, rounded, visible

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table

ROWS_SHOWN = 12
COLUMNS_SHOWN = 24
NARROW = 24  # characters of a text that are shown beside other columns, however narrow the screen is
LIKELIEST = 5  # of more probabilities in a row only the highest are shown
LONGEST = 400  # characters of a cell that are shown


def as_json(value: Any) -> None:
    """One JSON document."""
    print(json.dumps(value, indent=2, allow_nan=False, default=str))


def table(rows: Sequence[Mapping[str, Any]], title: str | None = None) -> None:
    """Rows with the same keys; numbers stand right, in four digits. What is too wide for the screen stands
    below, behind the first columns of text again; texts may take more lines."""
    from rich.console import Console

    if title is not None:
        say(title)
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    for at, keys in enumerate(_side_by_side(rows, console.width)):
        if at:
            console.print()
        console.print(_drawn(rows, keys))


def _side_by_side(rows: Sequence[Mapping[str, Any]], width: int) -> list[list[str]]:
    """The columns, in groups that are no wider than `width` unless they are of text."""
    from rich.cells import cell_len

    def room(key: str) -> int:
        most = max(cell_len(visible(key)), *(cell_len(_shown(row[key])) for row in rows))
        return 2 + (most if _is_number(rows[0][key]) else min(most, NARROW))

    first = list(itertools.takewhile(lambda key: not _is_number(rows[0][key]), rows[0]))
    groups = [list(first)]
    for key in list(rows[0])[len(first) :]:
        if len(groups[-1]) > len(first) and sum(map(room, [*groups[-1], key])) - 2 > width:
            groups.append(list(first))
        groups[-1].append(key)
    return groups


def _drawn(rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> "Table":
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for key in keys:
        number = _is_number(rows[0][key])
        drawn.add_column(Text(visible(key)), justify="right" if number else "left", no_wrap=number)
    for row in rows:
        drawn.add_row(*(Text(cut(_shown(row[key]), LONGEST)) for key in keys))
    return drawn


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def evaluation(result: Any, title: str) -> None:
    """An evaluation as every task gives it: a table of rows, tables of its parts where it has some, then its
    verdict in words."""
    columns = dict.fromkeys(key for row in result.table() for key in row)
    rows = [{key: row.get(key, "") for key in columns} for row in result.table()]
    table(rows, title)
    for part in getattr(result, "parts", ()):
        say("")
        table(part)
    say(*result.verdict)


def frame(data: "pl.DataFrame", out: Path | None, json: bool) -> None:
    """Predictions: into a file whose ending tells the format, or all as JSON, or the first on the screen."""
    import polars as pl

    if out is not None:
        write_frame(data, out)
        note(f"wrote {len(data)} rows to {out}")
    if json:
        as_json(_times_as_text(data).to_dicts())
    elif out is None and not len(data):
        note("there is nothing to list")
    elif out is None:
        lists = _lists(data)
        flat, many = data.drop(lists).head(ROWS_SHOWN), _probabilities(data)
        if many:
            cells = [_likeliest(many, row) for row in flat.select(many).rows()]
            flat = flat.drop(many).with_columns(pl.Series("likeliest", cells))
        table(flat[:, :COLUMNS_SHOWN].to_dicts())
        if many:
            note(f"the {LIKELIEST} likeliest of {len(many)}; -o FILE and --json have all probabilities")
        if lists:
            note(f"not shown: {', '.join(lists)}; -o FILE and --json have them")
        if flat.width > COLUMNS_SHOWN:
            note(f"… {flat.width - COLUMNS_SHOWN} columns more; -o FILE and --json have them")
        if len(data) > ROWS_SHOWN:
            note(f"… {len(data) - ROWS_SHOWN} rows more; -o FILE writes all of them")


def text(content: str | list[str], out: Path | None, json: bool) -> None:
    """Text into a file as it is, as JSON {"text": …}, or on the screen, its control characters visible;
    several texts with a line of three hyphens between them, as JSON {"texts": […]}."""
    from unrolled.files import atomic

    if json:
        as_json({"text" if isinstance(content, str) else "texts": content})
    content = content if isinstance(content, str) else "\n---\n".join(content)
    if out is not None:
        atomic.write_text(out, content)
        note(f"wrote {len(content)} characters to {out}")
    if out is None and not json:
        print(visible(content, but="\n\t"))


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


def _probabilities(data: "pl.DataFrame") -> list[str]:
    """The columns p(NAME), where they are too many to be read side by side."""
    names = [name for name in data.columns if name.startswith("p(") and name.endswith(")")]
    return names if len(names) > LIKELIEST else []


def _likeliest(names: Sequence[str], row: Sequence[float]) -> str:
    best = sorted(zip(names, row, strict=True), key=lambda one: -one[1])[:LIKELIEST]
    return ", ".join(f"{name[2:-1]} {rounded(p)}" for name, p in best)


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
        if math.isnan(value):
            return "-"
        return rounded(value)
    return "" if value is None else str(value)
