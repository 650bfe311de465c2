"""Small calls as tables: a row for a mode and a shape, the cells beside each other."""

from collections.abc import Iterator
from typing import Any

from unrolled.bench.document import Document, Record, short
from unrolled.bench.layers import CELLS
from unrolled.bench.small import DEFAULT, GROUPS
from unrolled.bench.workload import OURS

Row = dict[str, Any]


def tables(document: Document) -> Iterator[tuple[str, list[Row]]]:
    """Title and rows of every group of small calls that was measured."""
    for name, group in GROUPS.items():
        records = [record for record in document.records if record.group == name]
        if records:
            yield f"Small calls: {group.title}", _rows(records)


def _rows(records: list[Record]) -> list[Row]:
    frozen = any(figure.peer == DEFAULT for record in records for figure in record.figures)
    columns = {cell: [f"{cell}, ms", f"{cell}, ratio", *[f"{cell}, not frozen"] * frozen] for cell in CELLS}
    rows: dict[tuple[Any, ...], Row] = {}
    for record in records:
        head = {"mode": record.mode, "shape": record.dimensions, "threads": record.threads}
        empty = dict.fromkeys(name for names in columns.values() for name in names)
        row = rows.setdefault(tuple(head.values()), head | empty)
        row |= zip(columns[record.cell], _values(record), strict=False)
    return list(rows.values())


def _values(record: Record) -> list[float | str | None]:
    """Our time, how many times longer the other peer takes, and how many times longer than the default."""
    if record.refused:
        return ["refused"] * 3
    other = next((f.peer for f in record.figures if not f.peer.startswith(OURS)), OURS)
    values = record.median(OURS), record.ratio(other, OURS), record.ratio(other, DEFAULT)
    return list(map(short, values))
