"""Quantiles and densities without torch: against torch's formulas, closed forms, and each number alone."""

import math
from statistics import NormalDist

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

from unrolled.blocks.outputs import DISCRETE, SIZES, Output
from unrolled.decoding import distributions
from unrolled.decoding.distributions import FLOOR, distribution
from unrolled.kernels import _cpu
from unrolled.kernels.numpy import heads
from unrolled.tasks import student_t
from unrolled.tasks.outputs import criterion

LEVELS = (0.001, 0.05, 0.25, 0.5, 0.81, 0.95, 0.999)
DEGREES = np.array([2.001, 3.0, 9.3, 300.0, 2e5, 1e8])


def drawn(name, *shape, dtype=np.float32):
    output = Output(name, LEVELS)
    return distribution(output), np.random.default_rng(3).normal(0.3, 2, (*shape, output.size)).astype(dtype)


def test_softplus_is_torchs():
    a = np.array([-800.0, -40, -3.3, -1e-9, 0, 0.7, 19, 36, 900])
    # Two functions of 2 units in the last place each.
    np.testing.assert_allclose(
        distributions.softplus(a), softplus(torch.from_numpy(a), threshold=50), rtol=1e-14
    )


def test_student_quantiles_are_the_inverse_of_the_distribution():
    p = np.array(LEVELS)[:, None]
    t = distributions.student_quantile(p, DEGREES)
    assert t.shape == (7, 6)
    wanted = np.broadcast_to(p, t.shape)
    actual = student_t.cdf(torch.from_numpy(t), torch.from_numpy(DEGREES)).numpy()
    # What torch's lgamma leaves grows with ν: some 1e-8 at 1e8.
    np.testing.assert_allclose(actual[:, :4], wanted[:, :4], rtol=0, atol=1e-12)
    np.testing.assert_allclose(actual, wanted, rtol=0, atol=2e-8)


@pytest.mark.parametrize("p", [1e-9, 0.02, 0.4, 0.975, 1 - 1e-6])
def test_student_quantiles_of_closed_forms(p):
    """ν = 2 as a formula, ν = 4 by its distribution function, and the normal one beyond 1e12."""
    rel = 1e-14 / min(p, 1 - p)  # the integral's rounding, beside the tail that is left
    t = distributions.student_quantile(np.array([p]), np.array([2.0]))[0]
    assert t == pytest.approx((2 * p - 1) / math.sqrt(2 * p * (1 - p)), rel=rel)
    t = distributions.student_quantile(np.array([p]), np.array([4.0]))[0]
    u = t * t / 4
    below = 0.5 + 0.375 * t / math.sqrt(1 + u) * (1 - u / (3 * (1 + u)))
    assert below == pytest.approx(p, abs=1e-13)
    for df in (1e12, 1e30):
        t = distributions.student_quantile(np.array([p]), np.array([df]))[0]
        assert t == pytest.approx(NormalDist().inv_cdf(p), rel=max(rel, 1e-11))


def test_numbers_that_are_none_stay_so():
    with np.errstate(invalid="ignore"):
        actual = distributions.student_quantile(np.array([0.1, 0.9]), np.array([[np.nan], [3.0]]))
    assert np.isnan(actual[0]).all() and np.isfinite(actual[1]).all()


def test_quantiles_are_torchs_formulas():
    """As float32 tensors gave them."""
    gaussian, raw = drawn("gaussian", 5, 3)
    t = torch.from_numpy(raw)
    standard = torch.special.ndtri(torch.tensor(LEVELS))
    wanted = t[..., :1] + (FLOOR + softplus(t[..., 1:])) * standard
    np.testing.assert_allclose(gaussian.quantiles(raw, np.array(LEVELS)), wanted, rtol=2e-6, atol=2e-6)
    steps, raw = drawn("quantiles", 5, 3)
    t, m = torch.from_numpy(raw), LEVELS.index(0.5)
    high = t[..., m : m + 1] + softplus(t[..., m + 1 :]).cumsum(-1)
    low = t[..., m : m + 1] - softplus(t[..., :m]).flip(-1).cumsum(-1).flip(-1)
    wanted = torch.cat([low, t[..., m : m + 1], high], -1)
    np.testing.assert_allclose(steps.quantiles(raw, np.array(LEVELS)), wanted, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", sorted(SIZES.keys() - {"point"}))
def test_every_number_has_the_bits_that_it_has_alone(name):
    one, raw = drawn(name, 13, 7)
    levels = np.array([0.0004, *LEVELS, 0.9996])
    whole = one.quantiles(raw, levels)
    assert whole.dtype == np.float64 and whole.shape == (13, 7, 9)
    steps, point = np.diff(whole, axis=-1), one.point(raw)
    assert (steps >= 0).all() if name in DISCRETE else (steps > 0).all()
    assert point.dtype == np.float32
    for i, j in ((0, 0), (4, 6), (12, 3)):
        assert np.array_equal(one.quantiles(raw[i, j], levels), whole[i, j])
        assert np.array_equal(one.point(raw[i, j]), point[i, j])
        for k in range(9):
            assert np.array_equal(
                one.quantiles(raw[i : i + 1, j], levels[k : k + 1])[0], whole[i, j, k : k + 1]
            )


def test_every_instruction_set_gives_the_same_bits():
    _, raw = drawn("studentt", 31, 3)
    used, actual = _cpu.isa(), []
    for isa in _cpu.isas():
        _cpu.use_isa(isa)
        try:
            each = [distribution(Output(name, LEVELS)) for name in ("studentt", "gaussian", *DISCRETE)]
            actual += [[one.quantiles(raw, np.array(LEVELS)) for one in each]]
            actual[-1] += [one.point(raw) for one in each]
        finally:
            _cpu.use_isa(used)
    for one in actual[1:]:
        assert all(np.array_equal(*pair) for pair in zip(one, actual[0], strict=True))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exp_and_log_of_the_kernels(dtype):
    x = np.random.default_rng(0).normal(0, 9, (3, 5, 7)).astype(dtype)[:, ::2]
    np.testing.assert_allclose(heads.exp(x), np.exp(x), rtol=4 * np.finfo(dtype).eps)
    np.testing.assert_allclose(heads.log(np.exp(x)), x, rtol=0, atol=40 * np.finfo(dtype).eps)
    assert heads.exp(np.zeros((), dtype)).shape == () and heads.log(np.zeros(1, dtype)) == -np.inf


@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("name", ["gaussian", "studentt"])
def test_densities_are_those_of_the_losses(name, framed):
    output, draw = Output(name, LEVELS, framed=framed), np.random.default_rng(5)
    raw, y = draw.normal(0.3, 4, (30, 50, output.width)), draw.normal(0, 20, (30, 50))
    raw[..., -1] = np.abs(raw[..., -1]) + 0.01 if framed else raw[..., -1]
    actual = distribution(output).log_density(raw, y)
    unit = np.log(raw[..., -1]) if framed else 0.0  # a loss is of outcomes in units of the frame
    wanted = -criterion(output).loss(torch.from_numpy(raw), torch.from_numpy(y)).numpy() - unit
    # Of a number far out, its square is rounded; the integral of Student's t is good to 1e-14.
    np.testing.assert_allclose(actual, wanted, rtol=1e-12, atol=1e-12)
    for row in range(3):
        assert np.array_equal(distribution(output).log_density(raw[row, ::7], y[row, ::7]), actual[row, ::7])


def test_student_density_of_many_degrees_is_the_normal_one():
    output = Output("studentt", LEVELS)
    raw = np.array([[0.0, 1.0, 1e13]])
    scale = FLOOR + math.log1p(math.e)
    wanted = math.log(NormalDist(0, scale).pdf(2.5))
    assert distribution(output).log_density(raw, np.array([2.5]))[0] == pytest.approx(wanted, rel=1e-9)


def test_what_has_no_density_says_so():
    for name in ("point", "quantiles"):
        with pytest.raises(ValueError, match=f"'{name}' has no density"):
            distribution(Output(name, LEVELS)).log_density(np.zeros((1, 7)), np.zeros(1))


@pytest.mark.parametrize("kind", ["gaussian", "studentt", "quantiles", "lognormal"])
def test_calibrated_quantiles_are_moved_by_their_own_width(kind):
    """In a frame; the forecast stays, and nothing moves where the offsets are 0."""
    levels, mean, spread = (0.1, 0.5, 0.7), 3.0, 0.25
    scale = (2.0,) if kind == "lognormal" else ()
    plain = Output(kind, levels, framed=True, scale=scale)
    output = Output(kind, levels, framed=True, scale=scale, calibrated=True)
    head_numbers = np.random.default_rng(0).standard_normal((4, 1, plain.size)).astype(np.float32)
    frame = np.broadcast_to(np.float32([mean, spread]), (4, 1, 2))
    offsets = np.float32([-0.5, 0.0, 0.25])
    before = distribution(plain).quantiles(np.concatenate([head_numbers, frame], -1), np.array(levels))

    def raw(offsets):
        return np.concatenate([head_numbers, np.broadcast_to(offsets, (4, 1, 3)), frame], -1)

    said = distribution(output)
    np.testing.assert_allclose(said.quantiles(raw(0 * offsets), np.array(levels)), before, rtol=1e-12)
    moved = before + (before[..., -1:] - before[..., :1]) * offsets
    np.testing.assert_allclose(said.quantiles(raw(offsets), np.array(levels)), moved, rtol=1e-12)
    between = said.quantiles(raw(offsets), np.array([0.3]))[..., 0]
    np.testing.assert_allclose(between, moved[..., :2].mean(-1), rtol=1e-12)
    point = distribution(plain).point(np.concatenate([head_numbers, frame], -1))
    assert np.array_equal(said.point(raw(offsets)), point)
    with pytest.raises(ValueError, match="no density"):
        distribution(Output(kind, levels, calibrated=True)).log_density(raw(offsets), point)


@pytest.mark.parametrize("kind", ["point", "gaussian"])
def test_calibrated_quantiles_neither_cross_nor_meet(kind):
    """Not even where nothing moved in the validation part, so that all scores were the same."""
    levels = (0.05, 0.25, 0.5, 0.75, 0.95)
    output = Output(kind, levels, calibrated=True)
    head_numbers = np.zeros((1, output.size), np.float32)
    plain = distribution(Output("gaussian", levels)).quantiles(np.zeros((1, 2)), np.array(levels))[0]
    width = 1.0 if kind == "point" else plain[-1] - plain[0]
    offsets = 0 * plain if kind == "point" else -plain / width
    raw = np.concatenate([head_numbers, offsets[None].astype(np.float32)], -1)
    actual = distribution(output).quantiles(raw, np.array(levels))[0]
    np.testing.assert_allclose(actual, FLOOR * width * np.arange(-2, 3), atol=1e-6)
    raw[:, -1], raw[:, -5] = -3, 3
    assert (np.diff(distribution(output).quantiles(raw, np.array(levels))[0]) > 0.9 * FLOOR * width).all()
