"""The loss in stretches is the loss of all at once: values and gradients against float64."""

import pytest
import torch

from unrolled.nn import linear_cross_entropy as vast
from unrolled.nn.linear_cross_entropy import linear_cross_entropy


def case(N, V, I):
    generator = torch.Generator().manual_seed(N)
    x, weight, bias = (torch.randn(shape, generator=generator) for shape in ((N, I), (V, I), (V,)))
    target = torch.randint(V, (N,), generator=generator)
    return [tensor.requires_grad_() for tensor in (x, weight, bias)], target


@pytest.mark.parametrize("numbers", [1, 40, 41 * 7, 10**9])
@pytest.mark.parametrize("N, V, I", [(1, 41, 3), (7, 41, 5), (23, 17, 1)])
def test_value_and_every_gradient_match_float64(monkeypatch, numbers, N, V, I):
    monkeypatch.setattr(vast, "NUMBERS", numbers)
    leaves, target = case(N, V, I)
    loss = linear_cross_entropy(*leaves, target)
    (3 * loss).backward()
    exact = [leaf.detach().double().requires_grad_() for leaf in leaves]
    wanted = torch.nn.functional.cross_entropy(torch.nn.functional.linear(*exact), target)
    (3 * wanted).backward()
    # float32 against float64, sums of at most 41 · 23 terms
    torch.testing.assert_close(loss.double(), wanted, rtol=1e-5, atol=1e-6)
    for leaf, own in zip(leaves, exact, strict=True):
        torch.testing.assert_close(leaf.grad.double(), own.grad, rtol=1e-5, atol=3e-6)
    with torch.no_grad():
        torch.testing.assert_close(linear_cross_entropy(*leaves, target), loss.detach(), rtol=1e-6, atol=0)


def test_a_tied_weight_gets_both_its_gradients(monkeypatch):
    monkeypatch.setattr(vast, "NUMBERS", 20)
    (_, weight, bias), target = case(5, 9, 4)
    rows = torch.tensor([3, 1, 8, 0, 3])
    linear_cross_entropy(weight[rows], weight, bias, target).backward()
    own = weight.detach().double().requires_grad_()
    logits = own[rows] @ own.T + bias.detach().double()
    torch.nn.functional.cross_entropy(logits, target).backward()
    torch.testing.assert_close(weight.grad.double(), own.grad, rtol=1e-5, atol=3e-6)
