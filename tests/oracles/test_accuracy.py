"""Rounding in float32, against float64: our largest error and our mean error in any output are at most twice
torch.nn's; in any gradient our mean error is, and the largest at most three times: it is one number of many
thousands, and that of one draw against another's varies by a half."""

import pytest
import torch

import unrolled.nn

from .cases import TORCH

MOST, MOST_OF_LARGEST_GRADIENTS = 2, 3
SIZES = {  # T: several (B, I, H) and how many draws of first values, so that a maximum is one of many numbers
    1: [(32, 33, 65, 8), (32, 128, 256, 2), (16, 512, 512, 2)],
    10: [(16, 33, 65, 8), (16, 128, 256, 4), (8, 512, 512, 2)],
    1000: [(2, 33, 65, 2), (2, 128, 256, 1)],
}
SIZES_OF_GRADIENTS = {1: SIZES[1][:2], 10: [(16, 33, 65, 4), (8, 512, 512, 1)], 1000: [(2, 33, 65, 1)]}


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


def errors(kind, T, B, I, H, seed):
    """|y - exact y| of torch.nn and of ours."""
    exact, *others = layers(kind, I, H, seed)
    x = torch.randn(T, B, I)
    wanted = exact(x.double())[0]
    return [(layer(x)[0].double() - wanted).abs() for layer in others]


@pytest.mark.parametrize("T", SIZES)
@pytest.mark.parametrize("kind", TORCH)
@torch.no_grad()
def test_at_most_twice_the_error_of_torch(kind, T):
    for B, I, H, draws in SIZES[T]:
        drawn = [errors(kind, T, B, I, H, seed) for seed in range(draws)]
        theirs, ours = (torch.stack(e) for e in zip(*drawn, strict=True))
        for what in (torch.max, torch.mean):
            a, b = what(ours).item(), what(theirs).item()
            assert a <= MOST * b, f"{what.__name__} error, (B, I, H) = {B, I, H}: {a:.3g} > {MOST} · {b:.3g}"


def gradient_errors(kind, T, B, I, H, seed):
    """{name: |gradient - exact gradient| of torch.nn and of ours}, of a random sum of y."""
    exact, *others = layers(kind, I, H, seed)
    x = torch.randn(T, B, I)
    dy = torch.randn_like(others[0](x)[0])
    found = []
    for layer in (exact, *others):
        leaves = [x.to(layer.weight_hh_l0.dtype).requires_grad_(), *layer.parameters()]
        y = layer(leaves[0])[0]
        found.append(torch.autograd.grad(y, leaves, dy.to(y.dtype)))
    names = ["x", *(name for name, _ in exact.named_parameters())]
    return {name: [(g.double() - e).abs() for g in gs] for name, e, *gs in zip(names, *found, strict=True)}


@pytest.mark.parametrize("T", SIZES_OF_GRADIENTS)
@pytest.mark.parametrize("kind", TORCH)
def test_gradients_are_as_exact_as_torchs(kind, T):
    for B, I, H, draws in SIZES_OF_GRADIENTS[T]:
        drawn = [gradient_errors(kind, T, B, I, H, seed) for seed in range(draws)]
        for name in drawn[0]:
            theirs, ours = (torch.stack(e) for e in zip(*(draw[name] for draw in drawn), strict=True))
            for what, most in ((torch.mean, MOST), (torch.max, MOST_OF_LARGEST_GRADIENTS)):
                a, b = what(ours).item(), what(theirs).item()
                of = f"{what.__name__} error of d{name}, (B, I, H) = {B, I, H}"
                assert a <= most * b, f"{of}: {a:.3g} > {most} · {b:.3g}"
