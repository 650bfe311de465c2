"""Peers and documents small enough to reckon by hand."""

from collections.abc import Callable

import torch
from torch import Tensor

from unrolled.bench.document import Document, Figure, Machine, Record
from unrolled.bench.workload import Absent, Peer, Peers, Workload

MACHINE = Machine(
    cpu="a processor", cores=2, isa="avx2", system="Linux 6", python="3.11.7", versions={"torch": "2.13.0"}
)


def peer(number: float, answer: str | None = "the same", run: Callable[[], object] = lambda: None) -> Peer:
    """Computes one tensor, y."""
    return Peer(run, lambda: {"y": torch.tensor([1.0, number])}, answer=answer)


def workload(peers: Peers, **options: object) -> Workload:
    built: dict[str, object] = {"group": "grid", "mode": "inference", "cell": "rnn", "shape": (2, 3, 4, 5)}
    return Workload(build=lambda *_: peers, **(built | options))  # type: ignore[arg-type]


def record(name: str, threads: int, medians: dict[str, float], **options: object) -> Record:
    """`name` as in the registry; figures of milliseconds."""
    group, mode, cell, shape = name.split("/")
    figures = tuple(Figure(peer=peer, median=ms, samples=11, calls=1) for peer, ms in medians.items())
    return Record(
        name=name,
        group=group,
        mode=mode,
        cell=cell.replace("-", " "),
        shape=tuple(map(int, shape.split("x"))),
        threads=threads,
        **({"unit": "ms", "figures": figures} | options),  # type: ignore[arg-type]
    )


def document(*records: Record, **options: object) -> Document:
    made: dict[str, object] = {
        "date": "2026-11-21 04:00 UTC",
        "minutes": 1.5,
        "quick": False,
        "tolerance": 1e-4,
        "load": (0.1, 1.9),
        "machine": MACHINE,
        "peaks": (),
        "records": records,
    }
    return Document(**(made | options))  # type: ignore[arg-type]


def values(**tensors: list[float]) -> dict[str, Tensor]:
    return {name: torch.tensor(numbers) for name, numbers in tensors.items()}


ABSENT = Absent("no module named 'onnxruntime'")
