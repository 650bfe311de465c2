"""First weights from N(0, σ²): which are drawn, which are zero, which stay. First biases of gates: for how
many steps they remember."""

import numpy as np
import pytest
import torch

from unrolled.batching.buckets import Buckets
from unrolled.batching.streams import Streams
from unrolled.blocks.language import Language
from unrolled.blocks.leaves import CRF, Attention, Embedding, Linear, Parameter
from unrolled.blocks.recurrent import Recurrent
from unrolled.cells import CELLS
from unrolled.codecs.vocabulary import Vocabulary
from unrolled.errors import ConfigError
from unrolled.ops.torch import LEAVES, Network
from unrolled.tasks.embedding import begin_with
from unrolled.training.config import TrainingConfig
from unrolled.training.first_weights import draw, draw_normal


def test_weights_are_drawn_and_biases_are_zero():
    torch.manual_seed(1)
    cell = CELLS["lstm"](layer_norm=True, forget_bias=1.5)
    network = Network(Language.of(Embedding(40, 30), Recurrent(cell, 30, 20, 2), False, 0.0, 0.0))
    draw_normal(network, 0.01)
    for name, p in network.named_parameters():
        word = name.rpartition(".")[2].split("_")[0]
        if word == "weight":
            assert p.std().item() == pytest.approx(0.01, rel=0.1) and abs(p.mean().item()) < 0.001, name
        elif name.endswith(("bias_ih_l0", "bias_ih_l1")):
            assert p.tolist() == [0.0] * 20 + [1.5] * 20 + [0.0] * 40
        else:
            assert torch.equal(p, torch.full_like(p, 1.0 if word == "gain" else 0.0)), name


def test_what_begins_at_zero_stays_there():
    for block in (Linear(5, 4, zero=True), CRF(3), Parameter((2, 3))):
        holder = torch.nn.Module()
        holder.one = LEAVES[block.leaf](block)
        draw_normal(holder, 1.0)
        assert not any(p.any() for p in holder.parameters())


def test_every_part_of_attention_is_drawn():
    attention = LEAVES["attention"](Attention("additive", 50, 60))
    draw_normal(attention, 3.0)
    for name, p in attention.named_parameters():
        if name.endswith("bias"):
            assert not p.any()
        else:
            assert p.std().item() == pytest.approx(3, rel=0.4), name


def test_tables_with_vectors_and_what_is_not_trained_stay():
    network = Network(Language.of(Embedding(2, 3), Recurrent(CELLS["gru"](), 3, 4), False, 0.0, 0.0))
    begin_with(network.p.embedding, Vocabulary(("a",)), None)
    network.p.head.weight.requires_grad_(False)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    draw_normal(network, 1.0)
    same = {name for name, p in network.named_parameters() if torch.equal(p, before[name])}
    assert same == {"embedding.weight", "head.weight"}


CHRONO = TrainingConfig(init="chrono", init_scale=50)
# Rows of the bias of a cell of 6 units, by gate: what keeps the state, and what replaces it.
GATES = [
    ("gru", {}, [slice(6, 12)], []),
    ("gru", {"reset_after": False}, [slice(6, 12)], []),
    ("lstm", {}, [slice(6, 12)], [slice(0, 6)]),
    ("lstm", {"peephole": True}, [slice(6, 12)], [slice(0, 6)]),
    ("lstm", {"cells_per_block": 2}, [slice(3, 6)], [slice(0, 3)]),
    ("lstm", {"coupled_input_forget": True}, [], [slice(0, 6)]),
    ("mgu", {}, [], [slice(0, 6)]),
]


@pytest.mark.parametrize("cell, options, keep, replace", GATES)
def test_gates_remember_for_as_many_steps_as_asked(cell, options, keep, replace):
    def begun(init):
        torch.manual_seed(3)
        network = Network(Language.of(Embedding(4, 3), layer, False, 0.0, 0.0))
        if init:
            draw(network, CHRONO, Buckets([7], None, 1, 0))
        return dict(network.named_parameters())

    layer = Recurrent(CELLS[cell](**options), 3, 6, num_layers=2, bidirectional=True)
    before, after = begun(False), begun(True)
    for name, bias in after.items():
        rows = [*keep, *replace] if "bias_" in name else []
        rest = torch.ones(len(bias), dtype=torch.bool)
        for gate in rows:
            rest[gate] = False
        assert torch.equal(bias[rest], before[name][rest]), name
        if "bias_hh" in name:
            assert not any(bias[gate].any() for gate in rows)
        if "bias_ih" in name:
            steps = [bias[gate].exp() for gate in keep] + [(-bias[gate]).exp() for gate in replace]
            assert all(1 <= s <= 49 and s != steps[0][0] for s in steps[0][1:])
            assert all(torch.allclose(one, steps[0]) for one in steps)


def test_a_gate_remembers_as_long_as_its_bias_says():
    """Of a state u / (u + 1) stays at each step, where there is neither input nor weight."""
    cell = CELLS["gru"]()
    p = {name: torch.zeros(shape) for name, shape in cell.shapes(1, 500, True).items()}
    cell.begin_chrono(p, 20)
    h = torch.ones(1, 500)
    (after,) = cell.step(torch.zeros(1, 1), (h,), h, p)
    steps = 1 / (1 - after) - 1
    assert 1 <= steps.min() < 1.5 and 18.5 < steps.max() <= 19.001
    assert steps.mean().item() == pytest.approx(10, abs=0.8)


def test_the_longest_training_sequence_is_remembered_unless_named():
    def largest(training):
        torch.manual_seed(0)
        network = Network(Language.of(Embedding(2, 3), Recurrent(CELLS["mgu"](), 3, 400), False, 0.0, 0.0))
        draw(network, training, Buckets([7, 90, 4], None, 1, 0))
        return (-network.p.layer.bias_ih_l0[:400]).exp().max().item()

    assert 85 < largest(TrainingConfig(init="chrono")) <= 89.001
    assert 27 < largest(TrainingConfig(init="chrono", init_scale=30)) <= 29.001


@pytest.mark.parametrize(
    "init, cell, options, bias, said",
    [
        ("chrono", "rnn", {}, True, r"cell='rnn' has none; set cell to gru, lstm or mgu, or leave init out"),
        ("chrono", "gru", {}, False, r"bias=False leaves them out"),
        ("chrono", "lstm", {"forget_bias": 1.0}, True, r"forget_bias both say how the forget gate's bias"),
        ("orthogonal", "lstm", {"forget_bias": 1.0}, True, r"'orthogonal' and forget_bias both say how"),
        ("orthogonal", "lstm", {"proj_size": 2}, True, r"projection hands others back"),
    ],
)
def test_layers_that_cannot_begin_so_are_refused(init, cell, options, bias, said):
    layer = Recurrent(CELLS[cell](**options), 3, 4, bias=bias)
    network = Network(Language.of(Embedding(2, 3), layer, False, 0.0, 0.0))
    with pytest.raises(ConfigError, match=said):
        draw(network, TrainingConfig(init=init), Buckets([7], None, 1, 0))


def test_steps_to_remember_must_be_known_and_some():
    network = Network(Language.of(Embedding(2, 3), Recurrent(CELLS["gru"](), 3, 4), False, 0.0, 0.0))
    for batches in (Buckets([2, 1], None, 1, 0), Streams(np.zeros(9, np.int32), 4, 1)):
        with pytest.raises(ConfigError, match=r"how many steps to reach back.*set init_scale=100"):
            draw(network, TrainingConfig(init="chrono"), batches)
    with pytest.raises(ValueError, match=r"init_scale=2.0 of init='chrono' is a number of steps: wanted 7"):
        TrainingConfig(init="chrono", init_scale=2)


@pytest.mark.parametrize("cell, options", [("rnn", {}), *[(cell, options) for cell, options, _, _ in GATES]])
def test_a_state_turns_and_hardly_fades(cell, options):
    """Without input, a small state keeps nearly its length in each step and is moved by known angles."""
    torch.manual_seed(0)
    kind = CELLS[cell](**options)
    p = {name: 0.01 * torch.randn(shape) for name, shape in kind.shapes(1, 6, True).items()}
    kind.begin_orthogonal(p, 40)
    h = 1e-3 * torch.randn(1, 6)
    state = (h, torch.zeros(1, 6))[: len(kind.states)]
    after = kind.step(torch.zeros(1, 1), state, h, p)[0]
    for k in range(3):
        before, turned = (v[0, 2 * k : 2 * k + 2] for v in (h, after))
        assert 0.93 < (turned.norm() / before.norm()).item() < 1.03, k
        angle = torch.acos(torch.dot(before, turned) / before.norm() / turned.norm()).item()
        U = p["weight_hh"][kind.rows_of(6)[kind.candidate]]
        assert angle == pytest.approx(abs(float(torch.atan2(U[2 * k + 1, 2 * k], U[2 * k, 2 * k]))), rel=0.1)


def test_periods_are_spread_evenly_on_a_logarithmic_scale():
    cell = CELLS["rnn"]()
    p = {name: torch.zeros(shape) for name, shape in cell.shapes(1, 1001, True).items()}
    cell.begin_orthogonal(p, 600)
    assert 0.9 / 600**0.5 < p["weight_ih"].abs().max() <= 1 / 600**0.5
    U = p["weight_hh"]
    assert torch.allclose(U @ U.T, torch.eye(1001), atol=1e-6) and U[-1, -1] == 1
    period = 2 * np.pi / torch.atan2(U[1:-1:2, 0:-1:2].diagonal(), U[0:-1:2, 0:-1:2].diagonal())
    assert 6 < period.min() < 6.5 and 550 < period.max() < 601
    assert period.median().item() == pytest.approx(60, rel=0.15)  # √(6 · 600)
