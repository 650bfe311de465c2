"""Rounding in float32: our largest error and our mean error are at most twice torch.nn's."""

import pytest
import torch

import unrolled.nn

from .cases import TORCH

MOST = 2
KINDS = ["tanh", "gru", "lstm", "lstm projected"]  # relu's states grow without bound
SIZES = {  # T: several (B, I, H) and how many draws of first values, so that a maximum is one of many numbers
    1: [(32, 33, 65, 4), (32, 128, 256, 2), (16, 512, 512, 2)],
    10: [(16, 33, 65, 4), (16, 128, 256, 1), (8, 512, 512, 1)],
    1000: [(2, 33, 65, 1), (2, 128, 256, 1)],
}


def layers(kind, I, H, seed):
    """One layer thrice, with torch.nn's first values: torch's in float64, torch's and ours in float32."""
    name, options, _ = TORCH[kind]
    torch.manual_seed(seed)
    theirs = getattr(torch.nn, name)(I, H, **options)
    exact = getattr(torch.nn, name)(I, H, dtype=torch.float64, **options)
    ours = getattr(unrolled.nn, name)(I, H, **options)
    exact.load_state_dict(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    return exact, theirs, ours


def values(layer, x, cotangent):
    y, state = layer(x.to(next(layer.parameters()).dtype))
    return {"y": y, **{f"last {k}": s for k, s in enumerate(state if isinstance(state, tuple) else [state])}}


def gradients(layer, x, cotangent):
    """Of x and every parameter, of sum(cotangent ⊙ y)."""
    p = dict(layer.named_parameters())
    x = x.to(p["weight_hh_l0"].dtype).requires_grad_()
    y, _ = layer(x)
    found = torch.autograd.grad(y, [x, *p.values()], cotangent.to(y.dtype))
    return dict(zip(["x", *p], found, strict=True))


def assert_at_most_twice(kind, T, results):
    for B, I, H, draws in SIZES[T]:
        errors = {"torch.nn": {}, "ours": {}}
        for seed in range(draws):
            exact, *others = layers(kind, I, H, seed)
            x, cotangent = torch.randn(T, B, I), torch.randn(T, B, exact.proj_size or H)
            wanted = results(exact, x, cotangent)
            for layer, collected in zip(others, errors.values(), strict=True):
                for name, t in results(layer, x, cotangent).items():
                    collected.setdefault(name, []).append((t.detach().double() - wanted[name].detach()).abs())
        for name in wanted:
            theirs, ours = (torch.cat(collected[name]) for collected in errors.values())
            for what in (torch.max, torch.mean):
                a, b = what(ours).item(), what(theirs).item()
                told = f"{what.__name__} error of {name}, (B, I, H) = {B, I, H}: {a:.3g} > {MOST} · {b:.3g}"
                assert a <= MOST * b, told


@pytest.mark.parametrize("T", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_values(kind, T):
    with torch.no_grad():
        assert_at_most_twice(kind, T, values)


@pytest.mark.parametrize("T", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind, T):
    assert_at_most_twice(kind, T, gradients)
