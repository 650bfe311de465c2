"""A small registry runs; what disagrees gets no figure."""

import time

import pytest
import torch

from unrolled.bench import grid, machine
from unrolled.bench.document import Peak
from unrolled.bench.measuring import measure, record
from unrolled.bench.timing import Effort
from unrolled.bench.workload import Peer, Workload
from unrolled.errors import ConfigError

from .cases import ABSENT, peer, workload

SHORT = Effort(2, 1, 0.0)


def test_a_record_holds_each_peer_its_rate_and_why_one_is_absent() -> None:
    peers = {
        "unrolled": peer(2.0, run=lambda: time.sleep(0.001)),
        "torch.nn": peer(2.00001, run=lambda: time.sleep(0.003)),
        "plain": peer(7.0, "other"),
        "rounded": peer(9.0, None),
        "onnxruntime": ABSENT,
    }
    found = record(workload(peers, flops=3e6), 1, SHORT)
    assert found.refused is None
    assert found.disagreement == pytest.approx(5e-6, rel=0.05)
    figures = {figure.peer: figure for figure in found.figures}
    assert list(figures) == list(peers)
    assert [figure.role for figure in figures.values()] == [
        "peer",
        "peer",
        "other work",
        "information",
        "peer",
    ]
    assert figures["unrolled"].median is not None and 1 <= figures["unrolled"].median < 3
    assert figures["unrolled"].gflops == pytest.approx(3 / figures["unrolled"].median, rel=1e-4)
    assert figures["plain"].gflops is None and figures["rounded"].gflops is not None
    assert figures["onnxruntime"].absent == ABSENT.reason and figures["onnxruntime"].median is None
    assert found.name == "grid/inference/rnn/2x3x4x5" and found.unit == "ms"


def test_peers_that_disagree_are_refused_before_any_is_timed() -> None:
    def forbidden() -> None:
        raise AssertionError("timed")

    peers = {"unrolled": peer(2.0, run=forbidden), "torch.nn": peer(2.001, run=forbidden)}
    found = record(workload(peers), 1, SHORT)
    assert found.figures == ()
    assert found.disagreement is None
    assert found.refused == "y: torch.nn and unrolled differ by 5.0e-04 of its largest"


def test_a_real_layer_with_one_wrong_weight_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    size = grid.Size(3, 2, 4, 5)
    both = grid.both

    def one_wrong(cell: str, size: grid.Size):  # type: ignore[no-untyped-def]
        ours, torchs, x = both(cell, size)
        with torch.no_grad():
            torchs.weight_hh_l0[1, 2] += 0.1
        return ours, torchs, x

    for mode, build in (("inference", grid._layer), ("training", grid._layer), ("training", grid.ragged)):
        plain = Workload("grid", mode, "gru", size, build)
        assert record(plain, 1, SHORT).refused is None
        monkeypatch.setattr(grid, "both", one_wrong)
        found = record(plain, 1, SHORT)
        assert found.refused is not None and found.figures == ()
        monkeypatch.undo()


def test_every_number_of_threads_is_measured_and_torch_left_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "cores", lambda: 2)
    seen: list[int] = []
    told: list[tuple[int, int, str]] = []
    peers = {"unrolled": peer(1.0, run=lambda: (torch.rand(1), seen.append(torch.get_num_threads())))}
    loads = [
        workload(peers),
        workload(peers, cell="gru", threads=1),
        workload({"unrolled": _saves()}, group="memory", mode="saved", once=True),
    ]
    before, state = torch.get_num_threads(), torch.random.get_rng_state()
    found = measure(loads, [2, 1], True, lambda *what: told.append(what))
    assert [(r.group, r.cell, r.threads) for r in found.records] == [
        ("grid", "rnn", 2),
        ("memory", "rnn", 2),
        ("grid", "rnn", 1),
        ("grid", "gru", 1),
    ]
    assert set(seen) == {1, 2}
    assert told[0] == (0, 4, "grid/inference/rnn/2x3x4x5, at 2")
    assert torch.get_num_threads() == before
    assert torch.equal(torch.random.get_rng_state(), state)
    assert found.quick and found.records[1].unit == "bytes" and found.records[1].median("unrolled") == 40


def _saves() -> Peer:
    x = torch.randn(10, requires_grad=True)
    return Peer(lambda: {"y": x.exp().sum()}, lambda: {"y": x}, gradients=True, held=(x,))


def test_the_peak_is_measured_once_for_big_shapes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        machine, "peaks", lambda threads: [Peak(threads=threads, product="torch.mm", gflops=50.0)]
    )
    peers = {"unrolled": peer(1.0)}
    assert measure([workload(peers)], [1], True).peaks == ()
    found = measure([workload(peers, shape=shape) for shape in grid.BIG], [1], True)
    assert len(found.peaks) == 1 and found.peak(1) == 50.0 and found.peak(2) is None


@pytest.mark.parametrize("threads", [0, 10_000])
def test_more_threads_than_cores_are_refused(threads: int) -> None:
    with pytest.raises(ConfigError, match=f"--threads {threads}: wanted 1 to {machine.cores()}"):
        measure([], [threads])


def test_the_machine_is_described() -> None:
    found = machine.describe()
    assert found.cores >= 1 and found.cpu and found.isa in ("avx512", "avx2", "portable")
    assert found.versions["torch"] == torch.__version__ and "unrolled" in found.versions
    assert machine._rate(lambda: time.sleep(0.01), (100, 100, 500)) == pytest.approx(1.0, rel=0.5)


def test_the_share_of_other_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.os, "cpu_count", lambda: 2)
    seconds = iter([100.0, 103.0])
    monkeypatch.setattr(machine, "_others_seconds", lambda: next(seconds))
    monkeypatch.setattr(machine.time, "monotonic", iter([0.0, 10.0]).__next__)
    assert machine.Watch().share() == pytest.approx(3 / 20)


def test_our_own_work_is_not_that_of_others() -> None:
    watch, own = machine.Watch(), time.process_time()
    while time.process_time() - own < 0.5:
        pass
    share = watch.share()
    assert share is not None
    alone = 0.5 / (time.monotonic() - watch.begun) / (machine.os.cpu_count() or 1)
    assert share <= 1 - alone + 0.1  # what we took, others cannot have; ticks are 10 ms
