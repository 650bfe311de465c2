"""A step of torch's fused optimizers that changes one number of a weight is seen by what is packed of it."""

import copy

import pytest
import torch

from unrolled.nn import GRU, Linear

OPTIMIZERS = [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.Adagrad]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("make", [lambda: Linear(300, 200), lambda: GRU(300, 40)], ids=["linear", "gru"])
def test_one_changed_number_is_seen(make, optimizer):
    torch.manual_seed(0)
    layer, x = make(), torch.randn(2, 3, 300)
    learning = optimizer(layer.parameters(), lr=0.5, fused=True)
    with torch.no_grad():
        before = layer(x)
        weight = next(layer.parameters())
        weight.grad = torch.zeros_like(weight)
        weight.grad[3, 7] = 1.0
        learning.step()
        found, wanted = layer(x), copy.deepcopy(layer)(x)
    if isinstance(found, tuple):
        before, found, wanted = before[0], found[0], wanted[0]
    assert torch.equal(found, wanted) and not torch.equal(found, before)
