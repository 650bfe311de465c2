"""What is inside the clock, how often, in what order, and what is made of it."""

import gc
import time

import pytest
import torch

from unrolled.bench import timing
from unrolled.bench.timing import Effort, measure, sample
from unrolled.bench.workload import Peer


def sleeper(seconds: float, log: list[str], name: str = "") -> Peer:
    def run() -> None:
        log.append(name)
        time.sleep(seconds)

    return Peer(run, dict)


def test_a_median_is_between_its_quartiles_and_near_the_truth() -> None:
    taken = measure({"a": sleeper(0.002, []), "b": sleeper(0.006, [])}, Effort(5, 1, 0.0))
    for name, seconds in (("a", 0.002), ("b", 0.006)):
        t = taken[name]
        assert t.low <= t.median <= t.high
        assert seconds <= t.median  # a sleep is never shorter; how much longer is the machine's affair
        assert (t.samples, t.calls) == (5, 1)


def test_the_median_of_known_samples() -> None:
    found = timing._timing([5.0, 1.0, 2.0, 9.0, 4.0], 7)
    assert found == (4.0, 2.0, 5.0, 5, 7)


def test_peers_take_turns_and_every_other_round_runs_backwards() -> None:
    log: list[str] = []
    slow = timing.LONG_SECONDS * 1.1  # so long that there is no warm-up
    measure({"a": sleeper(slow, log, "a"), "b": sleeper(slow, log, "b")}, Effort(3, 1, 0.0))
    assert "".join(log) == "ab" + "ba" + "ab" + "ba"  # the first pair tells how long they take


def test_short_calls_share_a_sample_of_a_millisecond() -> None:
    def spin() -> None:
        end = time.perf_counter() + 2e-4
        while time.perf_counter() < end:
            pass

    (found,) = measure({"a": Peer(spin, dict)}, Effort(3, 2, 0.0)).values()
    assert 2 <= found.calls <= 5
    assert found.samples == 6
    assert found.median >= 2e-4


def test_seconds_buy_samples_up_to_a_bound() -> None:
    peers = {"a": sleeper(0.0015, [])}
    assert measure(peers, Effort(2, 1, 0.03))["a"].samples in range(4, 21)
    assert measure(peers, Effort(1, 1, 10.0))["a"].samples == timing.MOST_SAMPLES


def test_what_comes_before_is_called_each_time_and_outside_the_clock() -> None:
    log: list[str] = []
    peer = Peer(lambda: log.append("run"), dict, lambda: (log.append("before"), time.sleep(0.01)))  # type: ignore[arg-type]
    assert sample(peer, 3) < 0.005
    assert log == ["before", "run"] * 3


def test_inference_mode_unless_gradients_are_wanted() -> None:
    seen: list[bool] = []
    peer = Peer(lambda: seen.append(torch.is_inference_mode_enabled()), dict)
    sample(peer, 1)
    sample(Peer(peer.run, dict, gradients=True), 1)
    assert seen == [True, False]


def test_no_garbage_is_collected_meanwhile_and_it_is_as_before_afterwards() -> None:
    enabled: list[bool] = []
    measure({"a": Peer(lambda: enabled.append(gc.isenabled()), dict)}, Effort(2, 1, 0.0))
    assert enabled[-1] is False
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        measure({"a": Peer(_fails_later([2]), dict)}, Effort(2, 1, 0.0))
    assert gc.isenabled()


def _fails_later(calls: list[int]):  # type: ignore[no-untyped-def]
    def run() -> None:
        calls[0] += 1
        if calls[0] > 8:
            raise ZeroDivisionError

    return run


def test_settling_waits_for_threads_that_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    spent = iter([0.0, 0.012, 0.012, 0.024, 0.024, 0.024, 9.0, 9.0])
    monkeypatch.setattr(timing.time, "process_time", lambda: next(spent))
    monkeypatch.setattr(timing.torch, "get_num_threads", lambda: 2)
    timing.settle()
    assert next(spent) == 9.0  # two busy slices, one quiet, and no fourth
    monkeypatch.setattr(timing.torch, "get_num_threads", lambda: 1)
    timing.settle()
    assert next(spent) == 9.0
