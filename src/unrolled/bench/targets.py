"""What the figures come to, beside what they should: geometric means and worst cases, met or missed."""

from collections.abc import Callable, Iterator, Mapping
from statistics import geometric_mean
from typing import NamedTuple

from unrolled.bench.document import Document
from unrolled.bench.grid import BIG, GRID, PACKED, RAGGED, STEPS
from unrolled.bench.keeping import KEEPING
from unrolled.bench.layers import CELLS
from unrolled.bench.overhead import FROZEN, OVERHEADS, beside_kernel
from unrolled.bench.small import GROUPS
from unrolled.bench.streaming import ALONE, GATED, STREAMED
from unrolled.bench.variants import ONE_DIRECTION, PLAIN, VARIANTS
from unrolled.bench.workload import MODES, ONNX, OURS, TORCH

MEAN, LOWEST, HIGHEST = "geometric mean", "lowest", "highest"
STATISTICS: dict[str, Callable[[list[float]], float]] = {MEAN: geometric_mean, LOWEST: min, HIGHEST: max}


class Target(NamedTuple):
    """A statistic, for each cell, of median(above) / median(below) over the workloads of a kind.

    wanted   at least, or for HIGHEST at most; None: told, not judged
    threads  the number of threads at which it is judged; None: any
    alone    whether it is told there alone
    """

    kind: str  # "grid/inference"
    above: str
    below: str
    statistic: str
    workloads: int
    wanted: Mapping[str, float | None]
    threads: int | None = 2
    alone: bool = False


class Line(NamedTuple):
    """One line of the summary. `met` is None where nothing is judged: no target, or not all is measured."""

    kind: str
    cell: str
    threads: int
    ratio: str
    statistic: str
    value: float
    measured: str  # "10 of 10"
    wanted: float | None
    met: bool | None


def _all(wanted: float | None) -> dict[str, float | None]:
    return dict.fromkeys(CELLS, wanted)


def _small() -> Iterator[Target]:
    """Nothing is slower than torch.nn, at any number of threads; 0.05 is left to noise."""
    for name, group in GROUPS.items():
        above, wanted = SMALL_PEERS.get(name, (TORCH, 0.95))
        for mode in group.modes:
            kind, count = f"{name}/{mode}", len(group.shapes)
            yield Target(kind, above, OURS, LOWEST, count, _all(wanted), None)
            yield Target(kind, above, OURS, MEAN, count, _all(None))


# Small calls that are not measured against torch.nn, and what they should reach at least.
SMALL_PEERS = {"small-lengths": (PACKED, 0.95), "small-onnx": (ONNX, 1.0), "small-onnx-narrow": (ONNX, 0.8)}
OF_WORDS = {"layer_norm": 1.6, "cells_per_block": None, "zoneout": None}
PLAIN_SHARES = {name: OF_WORDS.get(variant.word, 1.3) for name, variant in VARIANTS.items() if variant.word}
MEANS = {"rnn": 3.0, "gru": 3.0, "lstm": 1.4}
TRAINING_MEANS = {"rnn": 3.5, "gru": 4.0, "lstm": 2.0}
TARGETS = (
    Target("grid/inference", TORCH, OURS, MEAN, len(GRID), MEANS),
    Target("grid/training", TORCH, OURS, MEAN, len(GRID), TRAINING_MEANS),
    Target("grid/inference", TORCH, OURS, LOWEST, len(GRID), _all(0.95)),
    Target("grid/training", TORCH, OURS, LOWEST, len(GRID), _all(1.0)),
    Target("grid/inference", ONNX, OURS, MEAN, len(GRID), {"rnn": 2.0, "gru": 1.5, "lstm": 1.2}),
    Target("lengths/training", PACKED, OURS, MEAN, len(RAGGED), {"rnn": 4.0, "gru": 5.0, "lstm": 8.0}),
    Target("step/inference", TORCH, OURS, LOWEST, len(STEPS), {"rnn": 2.0, "gru": 2.0, "lstm": 3.0}),
    Target("variants/inference", OURS, PLAIN, HIGHEST, 1, PLAIN_SHARES),
    Target("variants/training", OURS, PLAIN, HIGHEST, 1, PLAIN_SHARES),
    Target("directions/inference", OURS, ONE_DIRECTION, HIGHEST, 1, _all(2.1), 1),
    Target("directions/training", OURS, ONE_DIRECTION, HIGHEST, 1, _all(2.1), 1),
    Target("keeping/training", KEEPING, OURS, HIGHEST, 1, _all(None)),
    Target("heads/inference", TORCH, OURS, LOWEST, 1, {"linear": 0.9}),
    Target("heads/training", TORCH, OURS, LOWEST, 1, {"linear": 0.9}),
    Target("stream/inference", ONNX, OURS, LOWEST, len(STREAMED), dict.fromkeys(GATED, 2.0), 1),
    Target("together/inference", ALONE, OURS, LOWEST, 1, dict.fromkeys(GATED, 10.0), 1),
    Target("memory/saved", OURS, TORCH, HIGHEST, len(GRID), _all(1.0), None),
    *(
        Target(f"looking/{mode}", OURS, FROZEN, HIGHEST, len(GRID), _all(wanted), threads, alone=True)
        for mode in MODES
        for threads, wanted in ((1, 1.03), (2, 1.05))
    ),
    *_small(),
)
OVERHEAD_US = 12.0  # microseconds of Python and binding in a call
PEAK = 0.85


def summary(document: Document) -> list[Line]:
    """All that the document holds something of, in the order of TARGETS, then threads and cells."""
    counts = dict.fromkeys(record.threads for record in document.records)
    lines = [
        line
        for target in TARGETS
        for threads in counts
        if threads == target.threads or not target.alone
        for cell in target.wanted
        if (line := _line(document, target, cell, threads)) is not None
    ]
    return [*lines, *_overheads(document), *_peaks(document)]


def _line(document: Document, target: Target, cell: str, threads: int) -> Line | None:
    ratios = [
        ratio
        for r in document.records
        if r.kind == target.kind and r.cell == cell and r.threads == threads
        if (ratio := r.ratio(target.above, target.below)) is not None
    ]
    if not ratios:
        return None
    wanted = target.wanted[cell] if target.threads in (None, threads) else None
    value = STATISTICS[target.statistic](ratios)
    met = None
    if wanted is not None and len(ratios) == target.workloads:
        met = value <= wanted if target.statistic == HIGHEST else value >= wanted
    peers, measured = f"{target.above} / {target.below}", f"{len(ratios)} of {target.workloads}"
    return Line(target.kind, cell, threads, peers, target.statistic, value, measured, wanted, met)


def _overheads(document: Document) -> Iterator[Line]:
    """Microseconds that a call costs beside its kernel."""
    for r in document.records:
        value = beside_kernel(r.mode, r.median) if r.group in OVERHEADS else None
        if value is not None:
            ratio = "µs beside the kernel" if r.mode == "inference" else "µs beside kernel and autograd"
            met = value <= OVERHEAD_US
            yield Line(r.kind, r.cell, r.threads, ratio, HIGHEST, value, "1 of 1", OVERHEAD_US, met)


def _peaks(document: Document) -> Iterator[Line]:
    """The share of the peak that our cells reach in each of the big shapes."""
    for r in document.records:
        best, rate = document.peak(r.threads), r.rate(OURS)
        if r.group == "grid" and r.shape in BIG and best and rate:
            share, ratio = rate / best, f"{'x'.join(map(str, r.shape))}, GFLOP/s / peak"
            yield Line(r.kind, r.cell, r.threads, ratio, LOWEST, share, "1 of 1", PEAK, share >= PEAK)
