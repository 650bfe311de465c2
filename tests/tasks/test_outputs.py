"""Heads against torch.distributions, their own samples, and numbers worked out by hand."""

import math

import pytest
import torch
from torch.nn.functional import softplus

from unrolled.blocks.outputs import Output
from unrolled.ops.torch import USE
from unrolled.tasks.outputs import CRITERIA, FLOOR, criterion, pinball

LEVELS = (0.05, 0.3, 0.5, 0.9)
DISTRIBUTIONS = ["gaussian", "studentt", "quantiles"]


def drawn(name, *shape, seed=3):
    """(output, raw (..., R), y (...)) of random asymmetric numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    output = criterion(Output(name, LEVELS))
    raw = 1.5 * torch.randn(*shape, output.output.size, generator=generator, dtype=torch.float64) + 0.3
    return output, raw, 2 * torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_point_is_the_squared_error_and_has_no_distribution():
    output, raw, y = drawn("point", 5)
    assert torch.equal(output.loss(raw, y), (y - raw[:, 0]) ** 2)
    assert torch.equal(output.crps(raw, y), (y - raw[:, 0]).abs())
    with pytest.raises(ValueError, match="no distribution"):
        output.sample(raw, torch.Generator())
    with pytest.raises(ValueError, match="no quantiles"):
        output.quantiles(raw, LEVELS)


def test_gaussian_loss_and_quantiles_are_torchs():
    output, raw, y = drawn("gaussian", 4, 3)
    normal = torch.distributions.Normal(raw[..., 0], FLOOR + softplus(raw[..., 1]))
    torch.testing.assert_close(output.loss(raw, y), -normal.log_prob(y), rtol=1e-12, atol=1e-12)
    levels = torch.tensor(LEVELS, dtype=torch.float64)
    wanted = normal.icdf(levels[:, None, None]).movedim(0, -1)
    torch.testing.assert_close(output.quantiles(raw, LEVELS), wanted, rtol=1e-9, atol=1e-9)
    assert torch.equal(output.output.point(raw), normal.mean)


def test_studentt_loss_is_torchs():
    output, raw, y = drawn("studentt", 4, 3)
    df, scale = 2 + FLOOR + softplus(raw[..., 2]), FLOOR + softplus(raw[..., 1])
    wanted = -torch.distributions.StudentT(df, raw[..., 0], scale).log_prob(y)
    torch.testing.assert_close(output.loss(raw, y), wanted, rtol=1e-12, atol=1e-12)


def test_quantiles_by_hand():
    """Levels 0.25, 0.5, 0.75; softplus(ln(e - 1)) = 1, so the quantiles are 2 - 1, 2, 2 + 1."""
    one = math.log(math.e - 1)
    raw = torch.tensor([one, 2.0, one], dtype=torch.float64)
    output = criterion(Output("quantiles", (0.25, 0.5, 0.75)))
    found = output.quantiles(raw, (0.25, 0.4, 0.5, 0.75))
    torch.testing.assert_close(found, torch.tensor([1.0, 1.6, 2.0, 3.0], dtype=torch.float64))
    # y = 5: errors 4, 3, 2 times their levels 0.25, 0.5, 0.75.
    assert output.loss(raw, torch.tensor(5.0)).item() == pytest.approx(1 + 1.5 + 1.5)
    # Slope 4 at the ends: the tail is 3 - 4 · 0.25 · ln(0.1 / 0.25) at level 0.9.
    tail = 3 - math.log(0.1 / 0.25)
    assert output.quantiles(raw, (0.9,)).item() == pytest.approx(tail)
    assert output.quantiles(raw, (0.1,)).item() == pytest.approx(4 - tail)


def test_quantiles_never_cross():
    output, raw, _ = drawn("quantiles", 1000)
    assert bool((output.quantiles(20 * raw, LEVELS).diff(dim=-1) >= 0).all())


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_samples_have_the_quantiles(name):
    output, raw, _ = drawn(name, 1)
    N = 40_000
    draws = output.sample(raw.expand(N, -1), torch.Generator().manual_seed(7))
    levels = (0.02, 0.05, 0.3, 0.5, 0.9, 0.98)  # the outermost lie in the tails of `quantiles`
    below = (draws[:, None] <= output.quantiles(raw, levels)).double().mean(0)
    # Five standard deviations of a share p of N draws, at most 5 · 0.5 / 200.
    torch.testing.assert_close(below, torch.tensor(levels, dtype=torch.float64), rtol=0, atol=0.0125)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_crps_is_that_of_the_samples(name):
    """mean |x - y| - ½ mean |x - x'| over draws."""
    output, raw, y = drawn(name, 1)
    N = 60_000
    x, other = (output.sample(raw.expand(N, -1), torch.Generator().manual_seed(s)) for s in (1, 2))
    wanted = ((x - y).abs() - 0.5 * (x - other).abs()).mean().item()
    # Draws leave about 1 %; the quantiles' closed form is a mean over 99 levels.
    assert output.crps(raw, y).item() == pytest.approx(wanted, rel=0.03)


@pytest.mark.parametrize("name", CRITERIA)
def test_moving_moves_everything(name):
    output, raw, y = drawn(name, 6)
    base = torch.linspace(-3, 4, 6, dtype=torch.float64)
    moved = output.output.moved(USE, raw, base)
    torch.testing.assert_close(output.loss(moved, y + base), output.loss(raw, y))
    if output.output.is_distribution:
        wanted = output.quantiles(raw, LEVELS) + base[:, None]
        torch.testing.assert_close(output.quantiles(moved, LEVELS), wanted)


@pytest.mark.parametrize("name", CRITERIA)
def test_gradient_of_the_loss(name):
    output, raw, y = drawn(name, 3, 2)
    assert torch.autograd.gradcheck(lambda raw: output.loss(raw, y), raw.requires_grad_())


@pytest.mark.parametrize("name", ["gaussian", "studentt"])
def test_scale_has_a_floor(name):
    output = criterion(Output(name, LEVELS))
    raw = torch.full((output.output.size,), -1e4, dtype=torch.float64)
    raw[0] = 0
    assert output.loss(raw, torch.tensor(0.0)).item() == pytest.approx(math.log(FLOOR) + 1, abs=0.1)
    assert output.quantiles(raw, (0.9,)).item() < 3 * FLOOR


def test_samples_follow_the_generator():
    output, raw, _ = drawn("studentt", 9)
    first, again, other = (output.sample(raw, torch.Generator().manual_seed(s)) for s in (5, 5, 6))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_pinball_by_hand():
    q, y = torch.tensor([[1.0, 4.0]]), torch.tensor([3.0])
    assert torch.allclose(pinball(q, y, (0.1, 0.9)), torch.tensor([[0.2, 0.1]]))
