"""The state: made, carried on, reset by row."""

import pytest
import torch

from unrolled.nn import GRU, LSTM, Stack
from unrolled.nn import state as states

LAYERS = {
    "gru": GRU(3, 4, 2),
    "lstm": LSTM(3, 4, learn_initial_state=True),
    "two sizes": GRU(3, (4, 5), bidirectional=True),
    "stack": Stack([LSTM(3, 4), GRU(4, 3)]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_reset_row_starts_anew_and_its_neighbours_carry_on(name):
    layer, x = LAYERS[name], torch.randn(5, 3, 3)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_()
    _, state = layer(x)
    reset = layer.reset_state(state, torch.tensor([False, True, False]))
    assert type(reset) is type(state)
    y, carried, fresh = layer(x, reset)[0], layer(x, state)[0], layer(x)[0]
    assert torch.equal(y[:, [0, 2]], carried[:, [0, 2]]) and torch.equal(y[:, 1], fresh[:, 1])
    assert not torch.equal(carried[:, 1], fresh[:, 1])


@pytest.mark.parametrize("name", LAYERS)
def test_a_named_state_stays_named(name):
    layer = LAYERS[name]
    state = {name: torch.randn_like(s) for name, s in layer.initial_state(3).items()}
    reset = layer.reset_state(state, torch.tensor([True, True, True]))
    assert all(
        torch.equal(a, b) for a, b in zip(reset.values(), layer.initial_state(3).values(), strict=True)
    )


@pytest.mark.parametrize("name", LAYERS)
def test_detach_cuts_the_graph_and_nothing_else(name):
    _, state = LAYERS[name](torch.randn(5, 3, 3))
    cut = states.detach(state)
    assert type(cut) is type(state)

    def tensors(s):
        return [s] if isinstance(s, torch.Tensor) else list(s.values() if isinstance(s, dict) else s)

    for a, b in zip(tensors(state), tensors(cut), strict=True):
        assert a.requires_grad and not b.requires_grad and torch.equal(a, b)


def test_zeros_have_the_device_and_dtype_of_the_layer():
    state = LSTM(3, 4, proj_size=2, dtype=torch.float64).initial_state(5)
    assert [(name, s.shape, s.dtype) for name, s in state.items()] == [
        ("layer0.forward.h", (5, 2), torch.float64),
        ("layer0.forward.c", (5, 4), torch.float64),
    ]
