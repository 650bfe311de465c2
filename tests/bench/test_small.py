"""Small calls: what is frozen and what is not, the overhead of a call, and how they are shown."""

import gc
from collections.abc import Callable

import pytest
import torch
from torch import nn

import unrolled.nn
from unrolled.bench import measuring, overhead, page, small
from unrolled.bench.layers import CELLS, state
from unrolled.bench.targets import summary
from unrolled.bench.workload import MODES, OURS, TORCH, Absent, Mode, Peers, Size
from unrolled.kernels.packs import Packs

from .cases import document, record


class Packed(nn.Module):
    """A module that keeps packed weights, and tells whether they are frozen."""

    def __init__(self) -> None:
        super().__init__()
        self._packs = Packs()

    def forward(self, x: object) -> bool:
        return self._packs.frozen


def test_a_call_is_frozen_as_long_as_it_is_held() -> None:
    module = Packed()
    call = small.held_frozen(module, module)
    assert call(None) and module(None)
    del call
    gc.collect()
    assert not module(None)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("build", [small._networks, small._cells])
def test_one_step_of_many_units_in_inference_stands_beside_its_default(
    build: Callable[..., Peers], mode: Mode
) -> None:
    for H in (7, small.FROZEN_FROM):
        shape = small.Network(1, 1, H) if build is small._networks else Size(1, 2, 3, H)
        named = list(build(mode, "gru", shape))
        judged_frozen = mode == "inference" and H >= small.FROZEN_FROM
        assert named == [OURS, TORCH, *([small.DEFAULT] if judged_frozen else [])]


def test_a_network_has_its_layers_and_directions() -> None:
    found = {
        name: peer.values()["h_last"].shape
        for name, peer in small._networks("inference", "lstm", small.Network(3, 2, 5)).items()
        if not isinstance(peer, Absent)
    }
    assert found == {OURS: (6, 1, 5), TORCH: (6, 1, 5)}


def test_twenty_steps_of_a_cell_are_twenty_steps_of_a_layer() -> None:
    size = Size(20, 3, 4, 5)
    (ours, torchs) = small.cells("gru", size)
    layer = unrolled.nn.GRU(4, 5)
    layer.load_state_dict({f"{name}_l0": w for name, w in ours.state_dict().items()})
    x, h = torch.randn(20, 3, 4), state("gru", 3, 5)
    wanted, _ = layer(x, h.unsqueeze(0))
    for module in (ours, torchs):
        last, _ = small.stepping(module, 20, h)(x)
        torch.testing.assert_close(last, wanted[-1])


def test_half_precision_is_half_precision() -> None:
    """Under autocast what is accelerated may give float32."""
    rounded = small._half(False, False, "inference", "lstm", Size(3, 2, 4, 5))
    under = small._half(True, False, "inference", "lstm", Size(3, 2, 4, 5))
    for peer in (*rounded.values(), under[TORCH]):
        assert not isinstance(peer, Absent)
        assert peer.values()["y"].dtype == torch.bfloat16


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_gates_in_a_wrong_order_show_in_half_precision(
    cell: str, autocast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    accelerate = unrolled.nn.accelerate

    def wrong(layer: nn.Module) -> None:
        accelerate(layer)
        with torch.no_grad():
            for weight in layer.parameters():
                weight.copy_(weight.roll(32, 0))

    size = Size(5, 2, 16, 32)
    peers = small._half(autocast, False, "training", cell, size)
    assert measuring.compare(dict(peers), small.HALF_TOLERANCE)[1] is None  # type: ignore[arg-type]
    monkeypatch.setattr(unrolled.nn, "accelerate", wrong)
    peers = small._half(autocast, False, "training", cell, size)
    assert "differ by" in str(measuring.compare(dict(peers), small.HALF_TOLERANCE)[1])  # type: ignore[arg-type]


def test_what_a_call_costs_beside_its_kernel() -> None:
    medians = {OURS: 0.030, overhead.LONG: 0.130, overhead.EMPTY: 0.020}
    assert overhead.beside_kernel("inference", medians.get) == pytest.approx(29.0)
    assert overhead.beside_kernel("training", medians.get) == pytest.approx(9.0)
    assert overhead.beside_kernel("training", {OURS: 0.030, overhead.LONG: 0.130}.get) is None
    name = "overhead/training/gru/1x1x8x8"
    (line,) = summary(document(record(name, 1, medians)))
    assert (line.value, line.wanted, line.met) == (pytest.approx(9.0), 12.0, True)
    (line,) = summary(document(record(name, 1, medians | {OURS: 0.040})))
    assert line.met is False


@pytest.mark.parametrize("cell", CELLS)
def test_the_empty_function_gives_as_much_as_a_call(cell: str) -> None:
    peers = overhead._layer("training", cell, Size(1, 1, 3, 3))
    leaves = {}
    for name in (OURS, overhead.EMPTY):
        peer = peers[name]
        assert not isinstance(peer, Absent)
        leaves[name] = {key for key in peer.values() if key.startswith("gradient")}
    assert leaves[OURS] == leaves[overhead.EMPTY] and len(leaves[OURS]) == 5


@pytest.mark.parametrize(("threads", "share", "met"), [(1, 1.04, False), (2, 1.04, True), (2, 1.06, False)])
def test_the_look_at_every_weight_is_judged_by_the_number_of_threads(
    threads: int, share: float, met: bool
) -> None:
    records = [
        record(w.name, threads, {OURS: share, overhead.FROZEN: 1.0})
        for w in overhead.workloads()
        if w.group == "looking" and w.mode == "training" and w.cell == "lstm"
    ]
    (line,) = summary(document(*records))
    assert (line.threads, line.met, line.measured) == (threads, met, "10 of 10")


def test_the_page_has_a_table_for_each_group() -> None:
    cells = [
        record(
            f"small-cells/inference/{cell}/1x1x256x512",
            1,
            {OURS: 0.02, TORCH: 0.02 * k, small.DEFAULT: 0.04},
        )
        for k, cell in enumerate(CELLS, 1)
    ]
    refused = record("small-onnx/inference/lstm/1x1x256x256", 1, {}, refused="y differs")
    text = page.markdown(document(*cells, refused))
    heading = "| mode | shape | threads | rnn, ms | rnn, ratio | rnn, not frozen | gru, ms |"
    assert heading in text
    assert "| inference | 1×1×256×512 | 1 | 0.02 | 1 | 0.5 | 0.02 | 2 | 1 | 0.02 | 3 | 1.5 |" in text
    assert "| inference | 1×1×256×256 | 1 |  |  |  |  | refused | refused |" in text
    assert "`frozen()`" in text and "`frozen()`" not in page.markdown(document())
