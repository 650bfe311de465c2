"""Small calls as tables: a row for a mode and a shape, the cells beside each other."""

from collections.abc import Iterator
from typing import Any

from unrolled.bench.document import Document, Record
from unrolled.bench.layers import CELLS
from unrolled.bench.small import DEFAULT, GROUPS
from unrolled.bench.workload import OURS

TITLES = {
    "small-cells": "Small calls: steps of a cell",
    "small-step": "Small calls: one step of one row (layers × directions × units)",
    "small-packed": "Small calls: packed rows",
    "small-lengths": "Small calls: rows of random lengths",
    "small-bfloat16": "Small calls: accelerated layers in bfloat16",
    "small-bfloat16-cells": "Small calls: accelerated cells in bfloat16",
    "small-autocast": "Small calls: accelerated layers under autocast to bfloat16",
    "small-autocast-cells": "Small calls: accelerated cells under autocast to bfloat16",
    "small-onnx-narrow": "Small calls: one step of 64 units beside onnxruntime",
    "small-onnx": "Small calls: one step of more units beside onnxruntime",
}

Row = dict[str, Any]


def tables(document: Document) -> Iterator[tuple[str, list[Row]]]:
    """Title and rows of every group of small calls that was measured."""
    for group in GROUPS:
        records = [record for record in document.records if record.group == group]
        if records:
            yield TITLES[group], _rows(records)


def _rows(records: list[Record]) -> list[Row]:
    rows: dict[tuple[Any, ...], Row] = {}
    frozen = any(figure.peer == DEFAULT for record in records for figure in record.figures)
    for record in records:
        key = (record.mode, record.shape, record.threads)
        row = rows.setdefault(key, _empty(record, frozen))
        row |= _columns(record, record.cell, frozen)
    return list(rows.values())


def _empty(record: Record, frozen: bool) -> Row:
    row: Row = {
        "mode": record.mode,
        "shape": "×".join(map(str, record.shape)),
        "threads": record.threads,
    }
    for cell in CELLS:
        row |= dict.fromkeys(_names(cell, frozen))
    return row


def _names(cell: str, frozen: bool) -> list[str]:
    return [f"{cell}, ms", f"{cell}, ratio", *([f"{cell}, not frozen"] if frozen else [])]


def _columns(record: Record, cell: str, frozen: bool) -> Row:
    """Our time, how many times longer the other peer takes, and how many times longer than the default."""
    if record.refused:
        return dict.fromkeys(_names(cell, frozen), "refused")
    ours = record.median(OURS)
    other = next((f.peer for f in record.figures if not f.peer.startswith(OURS)), OURS)
    values = [ours, record.ratio(other, OURS), record.ratio(other, DEFAULT)]
    return {
        name: None if value is None else float(f"{value:.3g}")
        for name, value in zip(_names(cell, frozen), values, strict=False)
    }
