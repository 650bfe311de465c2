"""Runs workloads: peers are compared first, then timed in turns; what disagrees is refused."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import torch

from unrolled.bench import grid, machine, timing
from unrolled.bench.agreement import TOLERANCE, disagreement
from unrolled.bench.document import Document, Figure, Peak, Record, Role
from unrolled.bench.saved import saved_bytes
from unrolled.bench.workload import SAME, Absent, Peer, Workload
from unrolled.errors import ConfigError

ROLES: dict[str | None, Role] = {SAME: "peer", None: "information"}


def measure(
    workloads: Sequence[Workload],
    threads: Sequence[int],
    quick: bool = False,
    report: Callable[[int, int, str], None] = lambda done, total, name: None,
) -> Document:
    """Measures every workload at every number of threads that it is for.

    `report` is told before each how many are done, of how many, and its name. Raises ConfigError for a number
    of threads that this process has no cores for.
    """
    check_threads(threads)
    begun, load, watch = time.monotonic(), machine.load(), machine.Watch()
    effort = timing.QUICK if quick else timing.FULL
    plan = [(w, n) for n in threads for w in workloads if _wanted(w, n, max(threads))]
    peaks: list[Peak] = []
    records = []
    with _torch_as_it_was():
        for done, (workload, count) in enumerate(plan):
            report(done, len(plan), f"{workload.name}, at {count}")
            torch.set_num_threads(count)
            if workload.shape in grid.BIG and not any(peak.threads == count for peak in peaks):
                peaks += machine.peaks(count)
            records.append(record(workload, count, effort))
    return Document(
        date=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        minutes=round((time.monotonic() - begun) / 60, 2),
        quick=quick,
        tolerance=TOLERANCE,
        load=(load, machine.load()),
        others=watch.share(),
        machine=machine.describe(),
        peaks=tuple(peaks),
        records=tuple(records),
    )


@contextlib.contextmanager
def _torch_as_it_was() -> Iterator[None]:
    """Number of threads and random numbers of torch are afterwards what they were."""
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)


def check_threads(threads: Sequence[int]) -> None:
    """ConfigError unless each is one of the cores of this process or fewer."""
    cores = machine.cores()
    for count in threads:
        if not 1 <= count <= cores:
            raise ConfigError(f"--threads {count}: wanted 1 to {cores}, the cores that this process may use")


def _wanted(workload: Workload, threads: int, most: int) -> bool:
    return workload.threads in (None, threads) and (threads == most or not workload.once)


def record(workload: Workload, threads: int, effort: timing.Effort) -> Record:
    """Compares the peers of one workload, then measures them."""
    every = workload.peers()
    peers = {name: peer for name, peer in every.items() if isinstance(peer, Peer)}
    absent = [Figure(peer=n, absent=p.reason) for n, p in every.items() if isinstance(p, Absent)]
    worst, refused = compare(peers, workload.tolerance or TOLERANCE)
    figures = () if refused else (*_figures(workload, peers, effort), *absent)
    return Record(
        name=workload.name,
        group=workload.group,
        mode=workload.mode,
        cell=workload.cell,
        shape=tuple(workload.shape),
        threads=threads,
        unit="bytes" if workload.mode == "saved" else "ms",
        figures=figures,
        disagreement=None if refused else worst,
        refused=refused,
    )


def compare(peers: dict[str, Peer], tolerance: float = TOLERANCE) -> tuple[float, str | None]:
    """The largest difference among the peers that should agree, and why they do not, or None."""
    worst = 0.0
    for answer in {peer.answer: None for peer in peers.values() if peer.answer is not None}:
        values = {name: peer.values() for name, peer in peers.items() if peer.answer == answer}
        difference, refused = disagreement(values, tolerance)
        if refused:
            return difference, refused
        worst = max(worst, difference)
    return worst, None


def _figures(workload: Workload, peers: dict[str, Peer], effort: timing.Effort) -> list[Figure]:
    if workload.mode == "saved":
        return [Figure(peer=n, median=saved_bytes(p), samples=1, calls=1) for n, p in peers.items()]
    return [
        Figure(
            peer=name,
            median=t.median * 1e3,
            low=t.low * 1e3,
            high=t.high * 1e3,
            samples=t.samples,
            calls=t.calls,
            gflops=_gflops(workload, peers[name], t.median),
            role=ROLES.get(peers[name].answer, "other work"),
        )
        for name, t in timing.measure(peers, effort).items()
    ]


def _gflops(workload: Workload, peer: Peer, seconds: float) -> float | None:
    """None where the workload tells no operations, or this peer computes something else."""
    if not workload.flops or peer.answer not in (SAME, None):
        return None
    return workload.flops / seconds * 1e-9
