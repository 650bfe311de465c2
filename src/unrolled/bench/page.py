"""Figures as tables and sentences, for the screen and as Markdown."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unrolled.bench import crosswise
from unrolled.bench.document import Document, Record, short
from unrolled.bench.small import GROUPS, HALF_TOLERANCE
from unrolled.bench.targets import HIGHEST, Line, summary
from unrolled.bench.workload import OURS
from unrolled.files import atomic

METHOD = """\
Made from what `unrolled bench --threads 1,2 --out NAME` measured; nothing here is written by hand. Peers take
turns in one process at one number of threads; a figure is the median of all samples, each a call or as many
calls as make a millisecond. Before a turn the threads of the peer before it have gone to sleep. A training
step is forward, then backward to the input and every weight; before each, outside the clock, the weights
change, so that nobody profits from weights that it remembers. In inference everybody may keep them. With
random lengths (T/10 to T) the time of torch.nn holds packing and unpacking. onnxruntime runs with its
defaults. GFLOP/s count the matrix products alone; the peak is the best of large products, torch's and ours.
Saved bytes are the storages that autograd keeps from forward to backward, each once and in full, without
parameters, the input and what the call returns.

Before any clock starts, the peers' results, in training every gradient too, are compared: where they differ
by more than {tolerance:g} of the largest number in a tensor, the workload is refused and has no figure.
bfloat16 rounds as autocast does; it is compared with nothing and stands for information. `X / ours` above 1
says that X takes more."""

SMALL_METHOD = """\
Of small calls, one step of 256 units or more in inference runs in `frozen()`; the default, which reads every
weight to know whether it has changed, stands beside it. Modules in bfloat16 and under autocast are
torch.nn's, accelerated, and agree within {tolerance:g}. A ratio is torch.nn's or onnxruntime's time divided
by ours."""

TITLES = {
    "grid/inference": "Inference",
    "grid/training": "Training step",
    "lengths/training": "Training step, random lengths",
    "step/inference": "One step of one row, through the module",
    "variants/inference": "Variants beside the plain cell, inference",
    "variants/training": "Variants beside the plain cell, training step",
    "directions/inference": "Two directions, inference",
    "directions/training": "Two directions, training step",
    "keeping/training": "Keeping every k-th state, training step",
    "keeping/saved": "Keeping every k-th state, saved for backward",
    "heads/inference": "Heads, inference",
    "heads/training": "Heads, training step",
    "looking/inference": "The look at every weight beside frozen ones, inference",
    "looking/training": "The look at every weight beside frozen ones, training step",
    "overhead/inference": "One step of 8 units, for what it costs beside the kernel, inference",
    "overhead/training": "One step of 8 units, for what it costs beside the kernel, training step",
    "overhead-cells/inference": "One step of a cell, for what it costs beside the kernel, inference",
    "overhead-cells/training": "One step of a cell, for what it costs beside the kernel, training step",
    "stream/inference": "One step of a stream, without torch",
    "together/inference": "A thousand streams, one step of each",
    "memory/saved": "Saved for backward",
}
BUSY = 0.05  # of the time of all cores
UNITS = {"ms": ("ms", 1.0), "bytes": ("MB", 1e-6)}
LINES = ("summary", "records")
VERDICTS = {True: "met", False: "missed", None: ""}

Row = dict[str, Any]


def write(document: Document, stem: Path) -> list[Path]:
    """STEM.json and STEM.md, each whole or not at all."""
    texts = {
        stem.with_name(f"{stem.name}.json"): to_json(document),
        stem.with_name(f"{stem.name}.md"): markdown(document),
    }
    for path, text in texts.items():
        atomic.write_text(path, text)
    return list(texts)


def content(document: Document) -> dict[str, Any]:
    """For JSON: the document, and the summary that follows from it."""
    lines = [line._asdict() for line in summary(document)]
    plain = document.model_dump(mode="json", exclude_defaults=True)
    return {"format": document.format, "summary": lines} | plain


def to_json(document: Document) -> str:
    """The content with a line for each record, so that two measurements can be compared line by line."""
    members = []
    for key, value in content(document).items():
        lines = ",\n  ".join(json.dumps(line, allow_nan=False) for line in value) if key in LINES else None
        members.append(f"{json.dumps(key)}: " + (f"[\n  {lines}\n ]" if lines else json.dumps(value)))
    return "{\n " + ",\n ".join(members) + "\n}\n"


def markdown(document: Document) -> str:
    """The whole page."""
    paragraphs = ["# Benchmarks", " ".join(about(document)), METHOD.format(tolerance=document.tolerance)]
    if any(record.group in GROUPS for record in document.records):
        paragraphs.append(SMALL_METHOD.format(tolerance=HALF_TOLERANCE))
    paragraphs += ["## Against the targets", _table(summary_rows(document))]
    for title, rows in (*tables(document), *crosswise.tables(document)):
        paragraphs += [f"## {title}", _table(rows)]
    for title, lines in (("Where a peer is faster", losses(document)), ("Without a figure", gaps(document))):
        paragraphs += [f"## {title}", "\n".join(f"- {line}" for line in lines) or "Nowhere."]
    return "\n\n".join(paragraphs) + "\n"


def about(document: Document) -> list[str]:
    """Date and machine, in sentences."""
    m = document.machine
    versions = ", ".join(f"{name} {version}" for name, version in m.versions.items())
    before, after = document.load
    others = "" if document.others is None else f" Other programs took {document.others:.0%} of all cores."
    busy = (document.others or 0) > BUSY
    return [
        f"Measured on {document.date} in {document.minutes:.1f} minutes.",
        f"{m.cpu}, {m.cores} cores, instruction set {m.isa}, {m.system}; Python {m.python}, {versions}.",
        f"Load average before {before}, at the end {after}.{others}",
        *(f"Peak, {at(p.threads)}: {p.product} {p.gflops:.0f} GFLOP/s." for p in document.peaks),
        *(["So figures, above all those at several threads, may be far off."] if busy else []),
        *(["A quick run: small shapes, few samples."] if document.quick else []),
    ]


def summary_rows(document: Document) -> list[Row]:
    """The lines of the summary."""
    return [_summary_row(line) for line in summary(document)]


def _summary_row(line: Line) -> Row:
    sign = "≤" if line.statistic == HIGHEST else "≥"
    return {
        "what": line.kind,
        "cell": line.cell,
        "threads": line.threads,
        "ratio": line.ratio,
        "statistic": line.statistic,
        "value": short(line.value),
        "of": line.measured,
        "target": "" if line.wanted is None else f"{sign} {line.wanted:g}",
        "verdict": VERDICTS[line.met],
    }


def tables(document: Document) -> Iterable[tuple[str, list[Row]]]:
    """Title and rows of every kind of workload that was measured, but for small calls."""
    for kind, title in TITLES.items():
        records = [record for record in document.records if record.kind == kind]
        if records:
            peers = list(dict.fromkeys(figure.peer for record in records for figure in record.figures))
            rates = any(figure.gflops for record in records for figure in record.figures)
            yield title, [_row(document, record, peers, rates) for record in records]


def _row(document: Document, record: Record, peers: Sequence[str], rates: bool) -> Row:
    unit, scale = UNITS[record.unit]
    row: Row = {"cell": record.cell, "shape": record.dimensions, "threads": record.threads}
    for peer in peers:
        value = record.median(peer)
        row[f"{peer}, {unit}"] = "refused" if record.refused else short(value and value * scale)
    for peer in peers:
        if peer != OURS:
            row[f"{peer} / ours"] = short(record.ratio(peer, OURS))
    if rates:
        rate, best = record.rate(OURS), document.peak(record.threads)
        row["GFLOP/s"] = short(rate)
        row["of peak"] = f"{rate / best:.0%}" if rate and best else ""
    return row


def losses(document: Document) -> list[str]:
    """Where a peer that does the same work takes less than we do."""
    return [
        f"{record.name}, {at(record.threads)}: {figure.peer} {ratio:.2f} of our {UNITS[record.unit][0]}"
        for record in document.records
        for figure in record.figures
        if figure.role == "peer"
        and not figure.peer.startswith(OURS)
        and (ratio := record.ratio(figure.peer, OURS)) is not None
        and ratio < 1
    ]


def gaps(document: Document) -> list[str]:
    """What was refused, and which peers were not there, with the reasons."""
    refused = [f"{r.name}, {at(r.threads)}: refused: {r.refused}" for r in document.refusals()]
    absent = [
        f"{figure.peer}: {figure.absent}"
        for record in document.records
        for figure in record.figures
        if figure.absent is not None
    ]
    return [*refused, *dict.fromkeys(absent)]


def at(threads: int) -> str:
    """1 thread, 2 threads."""
    return f"{threads} thread{'s' * (threads > 1)}"


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the same keys, as Markdown."""
    if not rows:
        return "Nothing measured."
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([_cell(v) for v in row.values()] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
