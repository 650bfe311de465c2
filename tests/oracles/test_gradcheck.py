"""The kernels' derivatives in float64 against differences of the kernels themselves."""

import itertools

import pytest
import torch
from torch.func import functional_call

from .cases import CELLS, WAYS, build, call, outputs

T, B, I, H = 3, 3, 2, 5
LENGTHS = [None, torch.tensor([T, 0, 2])]


def check(layer, lengths, with_state, **options):
    """By x, initial state where there is one, and every parameter, of every value that the layer gives."""
    x, state, _ = call(layer, T, B, seed=1)
    state = state if with_state else {}
    p = dict(layer.named_parameters())
    leaves = [x.requires_grad_(), *(s.requires_grad_() for s in state.values()), *p.values()]

    def f(x, *rest):
        given = dict(zip(state, rest, strict=False)) or None
        # Copies: gradcheck writes single elements past the version counter, which packed weights go by.
        weights = {f"layer.{name}": q.clone() for name, q in zip(p, rest[len(state) :], strict=True)}
        return functional_call(Values(layer), weights, (x, given, lengths))

    assert torch.autograd.gradcheck(f, leaves, **options)


class Values(torch.nn.Module):
    """All that a layer gives, in a tuple."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def forward(self, x, state, lengths):
        return tuple(outputs(self.layer, x, state, lengths).values())


@pytest.mark.parametrize("num_layers", [1, 2])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CELLS)
def test_a_random_direction(name, way, num_layers):
    """With and without bias, lengths and initial state; one random combination of all inputs and outputs."""
    for bias, lengths, with_state in itertools.product([True, False], LENGTHS, [True, False]):
        options = WAYS[way] | {"num_layers": num_layers, "bias": bias, "dtype": torch.float64}
        layer = build(CELLS[name], I, H, seed=num_layers, backend="cpu", **options)
        check(layer, lengths, with_state, fast_mode=True)


@pytest.mark.parametrize("name", CELLS)
def test_every_element(name):
    layer = build(CELLS[name], I, H, dtype=torch.float64, backend="cpu", bidirectional=True)
    check(layer, LENGTHS[1], True)


def reseed(*_):
    torch.manual_seed(3)


@pytest.mark.parametrize("name", CELLS)
def test_under_fixed_masks(name):
    """Each call draws the same masks anew."""
    options = {"recurrent_dropout": 0.3, "zoneout": 0.3, "dtype": torch.float64, "backend": "cpu"}
    layer = build(CELLS[name], I, H, bidirectional=True, **options)
    layer.register_forward_pre_hook(reseed)
    check(layer, LENGTHS[1], True, fast_mode=True)
