"""First weights from N(0, σ²): which are drawn, which are zero, which stay."""

import pytest
import torch

from unrolled.blocks.language import Language
from unrolled.blocks.leaves import CRF, Attention, Embedding, Linear, Parameter
from unrolled.blocks.recurrent import Recurrent
from unrolled.cells import CELLS
from unrolled.codecs.vocabulary import Vocabulary
from unrolled.ops.torch import LEAVES, Network
from unrolled.tasks.embedding import begin_with
from unrolled.training.first_weights import draw_normal


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
