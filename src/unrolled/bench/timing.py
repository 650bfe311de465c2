"""Medians of peers that take turns, in one process, at one number of threads.

Each round gives every peer a turn: it waits until the threads of the one before have gone to sleep, calls
once without a clock, then takes its samples. A sample is one call, or as many as make a millisecond. Every
other round goes through the peers backwards. A peer with a `before` is timed call by call, `before` outside
the clock.
"""

import contextlib
import gc
import math
import statistics
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch

from unrolled.bench.workload import Peer

SAMPLE_SECONDS = 0.001
MOST_SAMPLES = 20  # in one turn
LONG_SECONDS = 0.03  # a call so long needs no other to warm it up

# Thread pools spin after their work: torch's for 10 ms, onnxruntime's for 40. The clock of the CPU time of a
# process may tick every 4 ms only, so less than about three ticks tells nothing.
SLICE_SECONDS = 0.012
MOST_SLICES = 20


class Effort(NamedTuple):
    """Turns of each peer, its samples in a turn at least, and seconds that all peers may spend."""

    rounds: int
    samples: int
    seconds: float


FULL, QUICK = Effort(11, 1, 0.5), Effort(4, 3, 0.1)


class Timing(NamedTuple):
    """Seconds a call: the median of the samples and their quartiles; calls in each sample."""

    median: float
    low: float
    high: float
    samples: int
    calls: int


def measure(peers: Mapping[str, Peer], effort: Effort) -> dict[str, Timing]:
    """The time of each peer; takes longer than `effort` where its fewest samples do."""
    once = {name: _once(peer) for name, peer in peers.items()}
    calls = {name: max(1, math.ceil(SAMPLE_SECONDS / once[name])) for name in peers}
    turn = effort.seconds / effort.rounds / len(peers)
    affordable = {name: int(turn / (calls[name] * once[name])) for name in peers}
    samples = {name: max(effort.samples, min(MOST_SAMPLES, affordable[name])) for name in peers}
    taken: dict[str, list[float]] = {name: [] for name in peers}
    with _no_collections():
        for number in range(effort.rounds):
            for name in list(peers)[:: 1 if number % 2 else -1]:
                settle()
                if once[name] < LONG_SECONDS:
                    sample(peers[name], 1)
                taken[name] += [sample(peers[name], calls[name]) for _ in range(samples[name])]
    return {name: _timing(taken[name], calls[name]) for name in peers}


def sample(peer: Peer, calls: int) -> float:
    """Seconds a call, over so many calls."""
    clock, run, before = time.perf_counter, peer.run, peer.before
    with torch.inference_mode(not peer.gradients):
        if before is None:
            begun = clock()
            for _ in range(calls):
                run()
            return (clock() - begun) / calls
        taken = 0.0
        for _ in range(calls):
            before()
            begun = clock()
            run()
            taken += clock() - begun
    return taken / calls


def settle() -> None:
    """Waits until the threads of this process rest, or until it is clear that they never will."""
    if torch.get_num_threads() == 1:
        return
    for _ in range(MOST_SLICES):
        begun = time.process_time()
        time.sleep(SLICE_SECONDS)
        if time.process_time() - begun < SLICE_SECONDS / 10:
            return


@contextlib.contextmanager
def _no_collections() -> Iterator[None]:
    """Garbage is collected before, and not until the end."""
    enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _once(peer: Peer) -> float:
    """Seconds of a warm call."""
    first = sample(peer, 1)
    return first if first > LONG_SECONDS else min(sample(peer, 1) for _ in range(3))


def _timing(taken: list[float], calls: int) -> Timing:
    low, median, high = statistics.quantiles(taken, n=4, method="inclusive")
    return Timing(median, low, high, len(taken), calls)
