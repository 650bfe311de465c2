"""The registry holds what the targets speak of, and every peer in it computes the same at a small shape."""

import dataclasses

import pytest
import torch

import unrolled.nn
from unrolled.bench import grid, onnxpeer, overhead
from unrolled.bench import small as calls
from unrolled.bench.agreement import TOLERANCE
from unrolled.bench.layers import CELLS, make, peer, state
from unrolled.bench.measuring import compare
from unrolled.bench.registry import registry, select
from unrolled.bench.targets import TARGETS
from unrolled.bench.workload import ONNX, OURS, Absent, Peer, Size, Workload
from unrolled.errors import ConfigError

SMALL = Size(7, 3, 5, 72)  # wider than the projection, and a multiple of the blocks


def small(workload: Workload) -> Workload:
    """The same peers at a small shape."""
    if workload.group in ("heads", *overhead.OVERHEADS):
        return workload
    if workload.group == "small-step":
        return dataclasses.replace(workload, shape=calls.Network(2, 2, 7))
    size = SMALL._replace(T=1, B=1, I=72) if workload.group in ("step", "stream") else SMALL
    return dataclasses.replace(workload, shape=size)


def one_of_each() -> list[Workload]:
    kinds = {(w.group, w.mode, w.cell): w for w in registry()}
    return [small(workload) for workload in kinds.values()]


@pytest.mark.parametrize("workload", one_of_each(), ids=lambda w: "/".join(w.name.split("/")[:3]))
def test_every_peer_computes_the_same(workload: Workload) -> None:
    peers = {name: one for name, one in workload.peers().items() if isinstance(one, Peer)}
    assert next(iter(peers)) == OURS
    if workload.group not in overhead.OVERHEADS:
        assert sum(one.answer == "the same" for one in peers.values()) >= 2
    worst, refused = compare(peers, workload.tolerance or TOLERANCE)
    assert refused is None
    assert 0 <= worst < (workload.tolerance or 1e-5)  # far under the tolerance, at so few tokens
    for one in peers.values():
        with torch.inference_mode(not one.gradients):
            one.run()


def test_a_training_peer_takes_a_step_with_other_weights_and_no_old_gradients() -> None:
    (step, *_) = grid._layer("training", "lstm", SMALL).values()
    assert isinstance(step, Peer) and step.before is not None
    first = {name: v.clone() for name, v in step.values().items()}
    assert {"y", "h_last", "c_last", "gradient of x", "gradient of weight_hh_l0"} <= first.keys()
    step.run()  # adds to the gradients that are there
    step.before()
    flipped = {name: v.clone() for name, v in step.values().items()}
    assert not torch.allclose(first["y"], flipped["y"])
    step.before()
    for name, v in step.values().items():
        assert torch.equal(v, first[name]), name


def test_training_marks_the_weights_as_changed() -> None:
    ours, _, x = grid.both("rnn", SMALL)
    step = peer("training", ours, x)
    assert step.before is not None
    versions = [p._version for p in ours.parameters()]
    step.before()
    assert all(p._version > version for p, version in zip(ours.parameters(), versions, strict=True))


def test_names_are_unique_and_the_grid_is_whole() -> None:
    names = [workload.name for workload in registry()]
    assert len(names) == len(set(names))
    for cell in CELLS:
        for mode in ("inference", "training"):
            for size in grid.GRID:
                assert f"grid/{mode}/{cell}/{'x'.join(map(str, size))}" in names
        assert sum(name.startswith(f"lengths/training/{cell}/") for name in names) == 5


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: f"{target.kind} {target.statistic}")
def test_a_target_speaks_of_as_many_workloads_as_there_are(target) -> None:  # type: ignore[no-untyped-def]
    here = [w for w in registry() if f"{w.group}/{w.mode}" == target.kind]
    for cell in target.wanted:
        assert sum(w.cell == cell for w in here) == target.workloads


def test_lengths_run_from_a_tenth_to_all() -> None:
    for size in grid.RAGGED:
        drawn = grid.lengths(size)
        assert drawn.shape == (size.B,) and drawn[0] == size.T == drawn.max()
        assert drawn.min() >= size.T // 10
        assert torch.equal(drawn, grid.lengths(size))
        assert 0.3 < drawn[1:].double().mean() / size.T < 0.8


@pytest.mark.parametrize("cell", CELLS)
def test_onnxruntime_with_states_gives_torchs_numbers(cell: str) -> None:
    ours, torchs, x = grid.both(cell, SMALL)
    first = state(cell, 1, SMALL.B, SMALL.H)
    onnx = onnxpeer.onnxruntime(cell, SMALL, ours, x, first)
    assert isinstance(onnx, Peer)
    y, last = torchs(x, first)
    outputs = onnx.values()
    torch.testing.assert_close(outputs["y"], y, atol=2e-6, rtol=0)
    lasts = last if isinstance(last, tuple) else (last,)
    for name, s in zip(("h_last", "c_last"), lasts, strict=False):
        torch.testing.assert_close(outputs[name], s, atol=2e-6, rtol=0)  # sums of 77 products in float32


def test_a_missing_onnxruntime_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    onnx = grid._layer("inference", "rnn", SMALL)[ONNX]
    assert isinstance(onnx, Absent)
    assert "onnxruntime" in onnx.reason and "pip install 'unrolled[onnx]'" in onnx.reason


def test_layers_have_random_asymmetric_parameters() -> None:
    layer = make(unrolled.nn.LSTM, 3, 4, layer_norm=True)
    for name, p in layer.named_parameters():
        assert p.unique().numel() == p.numel(), name
    again = make(unrolled.nn.LSTM, 3, 4, layer_norm=True)
    for a, b in zip(layer.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)


def test_selection_by_name() -> None:
    everything = registry()
    assert select(everything, None, False) == tuple(w for w in everything if not w.small)
    assert select(everything, None, False, True) == tuple(w for w in everything if w.small)
    chosen = select(everything, "training/lstm", False)
    assert {(w.mode, w.cell) for w in chosen} == {("training", w.cell) for w in chosen}
    assert all(w.cell.startswith("lstm") for w in chosen) and len(chosen) > 10
    assert [w.cell for w in select(everything, "grid/inference/*/100x1x64x64", False)] == [
        "rnn",
        "gru",
        "lstm",
    ]
    assert 0 < len(select(everything, None, True)) < len(everything)
    with pytest.raises(ConfigError, match=r"--only 'grid' names .*bench --small --list .*small-cells/infer"):
        select(everything, "grid", False, True)
    with pytest.raises(ConfigError, match=r"--only 'ltsm' names no workload.*--list.*grid/inference"):
        select(everything, "ltsm", False)
    with pytest.raises(ConfigError, match="no quick workload; leave --quick out"):
        select(everything, "512x512", True)
