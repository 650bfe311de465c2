"""Heads against torch.distributions, their own samples, and numbers worked out by hand."""

import math

import pytest
import torch
from torch.nn.functional import softplus

from unrolled.blocks.outputs import COUNTS, DISCRETE, Output
from unrolled.decoding.distributions import LEAST_DISPERSION
from unrolled.errors import ConfigError
from unrolled.ops.torch import USE
from unrolled.tasks.outputs import CRITERIA, FLOOR, criterion, pinball

LEVELS = (0.05, 0.3, 0.5, 0.9)
DISTRIBUTIONS = ["gaussian", "studentt", "quantiles", "lognormal", "poisson", "negbinomial"]


def drawn(name, *shape, seed=3):
    """(output, raw (..., R), y (...)) of random asymmetric numbers in float64."""
    generator = torch.Generator().manual_seed(seed)
    output = criterion(Output(name, LEVELS))
    counted = name in COUNTS
    raw = 1.5 * torch.randn(*shape, output.output.size, generator=generator, dtype=torch.float64) + 0.3
    y = 2 * torch.randn(*shape, generator=generator, dtype=torch.float64)
    return output, raw, (3 * y).abs().round() if counted else y


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
    actual = output.quantiles(raw, (0.25, 0.4, 0.5, 0.75))
    torch.testing.assert_close(actual, torch.tensor([1.0, 1.6, 2.0, 3.0], dtype=torch.float64))
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
    quantiles, level = output.quantiles(raw, levels), torch.tensor(levels, dtype=torch.float64)
    below = (draws[:, None] <= quantiles).double().mean(0)
    # Five standard deviations of a share p of N draws, at most 5 · 0.5 / 200.
    if name not in COUNTS:
        torch.testing.assert_close(below, level, rtol=0, atol=0.0125)
    less = (draws[:, None] < quantiles).double().mean(0)
    assert (below > level - 0.0125).all() and (less < level + 0.0125).all()


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_crps_is_that_of_the_samples(name):
    """mean |x - y| - ½ mean |x - x'| over draws."""
    output, raw, y = drawn(name, 1)
    N = 60_000
    x, other = (output.sample(raw.expand(N, -1), torch.Generator().manual_seed(s)) for s in (1, 2))
    wanted = ((x - y).abs() - 0.5 * (x - other).abs()).mean().item()
    # Draws leave about 1 %; the quantiles' closed form is a mean over 99 levels.
    assert output.crps(raw, y).item() == pytest.approx(wanted, rel=0.03)


def test_bernoulli_is_torchs():
    output, raw, y = drawn("bernoulli", 4, 3)
    y, wanted = (y > 0).double(), torch.distributions.Bernoulli(logits=raw[..., 0])
    torch.testing.assert_close(output.loss(raw, y), -wanted.log_prob(y), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(output.point(raw), wanted.mean, rtol=1e-12, atol=0)
    torch.testing.assert_close(output.crps(raw, y), (y - wanted.mean) ** 2)
    torch.testing.assert_close(output.start(wanted.mean), raw[..., 0])


@pytest.mark.parametrize("scale", [(), (0.5, 1.0, 4.0)])
def test_losses_of_counts_are_torchs(scale):
    """Of counts in units of the scale."""
    unit = torch.tensor(scale or 1.0, dtype=torch.float64)
    for name in COUNTS:
        _, raw, y = drawn(name, 4, 3)
        output, mean = criterion(Output(name, LEVELS, scale=scale)), unit * torch.exp(raw[..., 0])
        wanted = torch.distributions.Poisson(mean)
        if name == "negbinomial":
            r = 1 / (LEAST_DISPERSION + softplus(raw[..., 1]))
            wanted = torch.distributions.NegativeBinomial(r, logits=torch.log(mean / r))
        torch.testing.assert_close(output.loss(raw, y / unit), -wanted.log_prob(y), rtol=1e-9, atol=1e-9)
        narrow = output.loss(raw.float(), (y / unit).float())
        torch.testing.assert_close(narrow, -wanted.log_prob(y).float(), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(output.point(raw) * unit, mean)
        torch.testing.assert_close(output.start(mean / unit), raw[..., 0])
        counts = output.sample(raw.float(), torch.Generator().manual_seed(2)) * unit.float()
        assert counts.dtype == torch.float32 and torch.equal(counts, counts.round()) and counts.max() > 3


def test_a_lognormal_tells_the_mean_of_what_its_logarithms_are_of():
    """ln y = m + s z: draws of y against the point, by itself and in a frame."""
    raw, s = torch.tensor([0.3, -0.4], dtype=torch.float64), 0.7
    output = criterion(Output("lognormal", LEVELS, scale=(s,)))
    z = output.sample(raw.expand(200_000, 1, 2), torch.Generator().manual_seed(1))
    wanted = torch.log(torch.exp(s * z).mean()).item() / s
    assert output.point(raw[None]).item() == pytest.approx(wanted, abs=0.005)  # five deviations of the mean
    framed = criterion(Output("lognormal", LEVELS, framed=True, scale=(s,)))
    inside = torch.cat([raw, torch.tensor([5.0, 2.0], dtype=torch.float64)])
    z = framed.sample(inside.expand(200_000, 1, 4), torch.Generator().manual_seed(1))
    wanted = torch.log(torch.exp(s * z).mean()).item() / s
    assert framed.point(inside[None]).item() == pytest.approx(wanted, abs=0.02)


def test_a_temperature_is_refused_for_counts():
    output, raw, _ = drawn("poisson", 5)
    generator = torch.Generator().manual_seed(1)
    drawn_at_1 = output.tempered(raw, generator, 1.0)
    assert torch.allclose(drawn_at_1, drawn_at_1.round(), atol=1e-12)
    with pytest.raises(ConfigError, match=r"temperature=0\.5 has no meaning for counts"):
        output.tempered(raw, generator, 0.5)


def test_bernoulli_by_hand():
    """p = 1/4: a 1 above level 3/4, and in a quarter of the draws, which a temperature makes a tenth."""
    output, raw = criterion(Output("bernoulli", LEVELS)), torch.tensor([-math.log(3)], dtype=torch.float64)
    assert output.quantiles(raw, (0.05, 0.5, 0.74, 0.76, 0.95)).tolist() == [0, 0, 0, 1, 1]
    N, generator = 40_000, torch.Generator().manual_seed(7)
    draws = output.sample(raw.expand(N, 1), generator)
    assert set(draws.tolist()) == {0, 1} and draws.mean().item() == pytest.approx(
        0.25, abs=0.011
    )  # five deviations
    cold = output.tempered(raw.expand(N, 1), generator, 0.5)  # p² / (p² + (1 - p)²)
    assert cold.mean().item() == pytest.approx(0.1, abs=0.0075)


@pytest.mark.parametrize("kind", ["point", "bernoulli"])
def test_what_is_fed_back(kind):
    values = torch.tensor([0.0, 0.2, 0.5, 0.9, 1.0])
    wanted = torch.tensor([0.0, 0, 1, 1, 1]) if kind == "bernoulli" else values
    for one in (values, values.numpy()):
        fed = Output(kind, LEVELS).fed(one)
        assert fed.dtype == one.dtype and fed.tolist() == wanted.tolist()


@pytest.mark.parametrize("name", sorted(CRITERIA.keys() - DISCRETE))
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


@pytest.mark.parametrize("kind", ["point", "gaussian", "studentt", "quantiles"])
def test_a_calibrated_output_is_trained_as_it_is_and_scored_as_it_is_told(kind):
    plain, output = Output(kind, LEVELS), Output(kind, LEVELS, calibrated=True)
    head_numbers, y = torch.randn(50, plain.size), torch.randn(50)
    raw = torch.cat([head_numbers, torch.linspace(-1, 1, len(LEVELS)).expand(50, -1)], -1)
    assert torch.equal(criterion(output).loss(raw, y), criterion(plain).loss(head_numbers, y))
    levels = tuple(step / 100 for step in range(1, 100))
    wanted = 2 * pinball(criterion(output).quantiles(raw, levels), y, levels).mean(-1)
    assert torch.equal(criterion(output).crps(raw, y), wanted)
