"""The layer of a configuration: every option reaches it, and those that the cell does not have are
refused."""

import pytest
import torch

from unrolled.cells import CELLS
from unrolled.errors import ConfigError
from unrolled.nn.layers import LAYERS
from unrolled.ops.torch import LEAVES
from unrolled.tasks.config import from_sections
from unrolled.tasks.model import OWNERS, ModelConfig, recurrent


def build(config, inputs):
    """The layer of torch."""
    return LEAVES["recurrent"](recurrent(config, inputs))


VALUES = {
    "nonlinearity": "relu",
    "peephole": True,
    "cells_per_block": 3,
    "coupled_input_forget": True,
    "forget_bias": 2.5,
    "projection": 4,
    "cell_zoneout": 0.5,
    "layer_norm": True,
    "reset_after": False,
}


@pytest.mark.parametrize("cell", CELLS)
def test_plain_layer(cell):
    layer = build(ModelConfig(cell=cell, hidden=6, layers=2, dropout=0.25), 3)
    assert type(layer) is LAYERS[cell]
    assert (layer.input_size, layer.hidden_size, layer.num_layers, layer.dropout) == (3, 6, 2, 0.25)
    y, _ = layer(torch.randn(2, 5, 3))
    assert y.shape == (2, 5, layer.output_size)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("option", OWNERS)
def test_options_of_cells(cell, option):
    values = {"cell": cell, "hidden": 6, option: VALUES[option]}
    if cell not in OWNERS[option]:
        with pytest.raises(
            ConfigError, match=f"{option} belongs to .*, not to {cell}; set cell='{OWNERS[option][0]}'"
        ):
            from_sections(ModelConfig, values)
        return
    torch.manual_seed(0)
    changed = build(ModelConfig(**values), 3)
    torch.manual_seed(0)
    plain = build(ModelConfig(cell=cell, hidden=6), 3)
    x = torch.randn(2, 9, 3)
    found, usual = changed(x)[0], plain(x)[0]
    assert found.shape != usual.shape or not torch.equal(found, usual)


@pytest.mark.parametrize(
    "option", [{"recurrent_dropout": 0.5}, {"variational_dropout": 0.5}, {"zoneout": 0.5}, {"dropout": 0.5}]
)
def test_dropouts_act_in_training_alone(option):
    layer, x = build(ModelConfig(hidden=20, layers=2, **option), 3), torch.randn(2, 9, 3)
    assert not torch.equal(layer(x)[0], layer(x)[0])
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])


def test_two_directions_of_unequal_sizes_and_their_merges():
    both = build(ModelConfig(hidden=6, backward_hidden=4, bidirectional=True, layers=2), 3)
    assert both.hidden_size == (6, 4) and both.output_size == 10
    x = torch.randn(2, 9, 3)
    found = []
    for merge in ("concat", "sum", "mean", "product"):
        torch.manual_seed(0)
        found.append(build(ModelConfig(hidden=6, bidirectional=True, merge=merge), 3)(x)[0])
    whole, *merged = found
    a, b = whole[..., :6], whole[..., 6:]
    for one, wanted in zip(merged, (a + b, (a + b) / 2, a * b), strict=True):
        assert torch.equal(one, wanted)


@pytest.mark.parametrize("options", [{"backward_hidden": 4}, {"merge": "sum"}])
def test_what_is_of_two_directions_wants_two(options):
    with pytest.raises(ConfigError, match=f"{next(iter(options))} needs two directions"):
        from_sections(ModelConfig, options)
    with pytest.raises(ConfigError, match=r"merge='sum'"):
        build(ModelConfig(hidden=6, backward_hidden=4, bidirectional=True, merge="sum"), 3)


def test_further_options_reach_the_layer():
    layer = build(
        ModelConfig(cell="lstm", reverse=True, bias=False, keep_every=5, zoneout=0.1, cell_zoneout=0.2), 3
    )
    assert (layer.reverse, layer.bias, layer.keep_every, layer.zoneout) == (True, False, 5, (0.1, 0.2))


def test_learned_initial_state():
    names = dict(build(ModelConfig(learn_initial_state=True), 3).named_parameters())
    assert any("initial" in name for name in names)


def test_dropout_between_one_layer_is_refused():
    with pytest.raises(ConfigError, match="dropout acts between layers and there is one"):
        from_sections(ModelConfig, {"dropout": 0.1})


def test_sizes_that_do_not_go_together_are_refused():
    with pytest.raises(ConfigError, match="cell 'lstm'"):
        build(ModelConfig(cell="lstm", hidden=5, cells_per_block=2), 3)
