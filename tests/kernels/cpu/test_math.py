"""exp, log, tanh, σ and logaddexp of the kernels: units in the last place against wider arithmetic."""

import numpy as np
import pytest

from unrolled.kernels import _cpu

MOST_ULP = {"exp": 2, "log": 2, "tanh": 4, "sigmoid": 4}
INTEGERS = {np.float32: np.uint32, np.float64: np.uint64}
WIDER = {np.float32: np.float64, np.float64: np.longdouble}
# where the results overflow, become subnormal or vanish, where a function reaches its limit, and where the
# logarithm changes its exponent
EDGES = {
    np.float32: (88.72, 87.33, 103.97, 9.01, 10, 104, 120, 0.3466, 1e-20, 1e-38, 0.7071068, 1.0, 1.414214),
    np.float64: (
        709.78,
        708.39,
        745.13,
        19.06,
        20,
        746,
        800,
        0.3466,
        1e-160,
        1e-308,
        0.7071067811865476,
        1.0,
        1.414213562373095,
    ),
}


def ours(name, x):
    out = np.full_like(x, np.nan)
    _cpu.map(name, x, out)
    return out


def exact(name, x):
    x = x.astype(WIDER[x.dtype.type])
    with np.errstate(all="ignore"):
        if name == "sigmoid":
            small = np.exp(-np.abs(x))
            return np.where(x < 0, small, 1) / (1 + small)
        return getattr(np, name)(x)


def worst_ulp(name, x):
    """The largest error in units in the last place of the exact result; the sign must be right everywhere."""
    got, want = ours(name, x), exact(name, x)
    with np.errstate(over="ignore"):
        rounded = want.astype(x.dtype)
    finite = np.isfinite(rounded)
    assert np.array_equal(got[~finite], rounded[~finite], equal_nan=True)
    number = ~np.isnan(rounded)
    assert np.array_equal(np.signbit(got[number]), np.signbit(rounded[number]))
    ulp = np.spacing(np.abs(rounded[finite])).astype(want.dtype)
    return float((np.abs(got[finite].astype(want.dtype) - want[finite]) / ulp).max())


def around(x, count):
    """`count` neighbours of x on either side and of -x."""
    bits = np.array([x]).view(INTEGERS[type(x)])
    near = (bits + np.arange(-count, count + 1).astype(bits.dtype)).view(type(x))
    return np.concatenate([near, -near])


@pytest.mark.parametrize("name", MOST_ULP)
def test_every_part_of_the_float_range(name):
    """Each 1009th of all floats (the step is prime), subnormals and infinities included."""
    x = np.arange(0, 2**32, 1009, dtype=np.uint32).view(np.float32)
    x = np.concatenate([x[~np.isnan(x)], np.array([np.inf, -np.inf, 0.0, -0.0], np.float32)])
    assert worst_ulp(name, x) <= MOST_ULP[name]


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="no arithmetic wider than double here")
@pytest.mark.parametrize("name", MOST_ULP)
def test_doubles_of_every_size(name):
    """A million random bit patterns, and a million where the functions bend."""
    draw = np.random.default_rng(1)
    patterns = draw.integers(0, 2**64, 10**6, dtype=np.uint64).view(np.float64)
    x = np.concatenate(
        [patterns[np.isfinite(patterns)], draw.uniform(-40, 40, 10**6), draw.uniform(-760, 760, 10**6)]
    )
    assert worst_ulp(name, x) <= MOST_ULP[name]


@pytest.mark.parametrize("name", MOST_ULP)
@pytest.mark.parametrize("dtype", EDGES)
def test_around_the_edges(name, dtype):
    for edge in EDGES[dtype]:
        assert worst_ulp(name, around(dtype(edge), 20_000)) <= MOST_ULP[name]


@pytest.mark.parametrize("name", MOST_ULP)
@pytest.mark.parametrize("dtype", EDGES)
def test_infinities_nan_and_zero(name, dtype):
    limits = {"exp": (0, np.inf), "log": (np.nan, np.inf), "tanh": (-1, 1), "sigmoid": (0, 1)}[name]
    at_zero = {"exp": 1, "log": -np.inf, "tanh": 0, "sigmoid": 0.5}[name]
    got = ours(name, np.array([-np.inf, np.inf, 0.0, -0.0, np.nan, -np.nan], dtype))
    assert np.array_equal(got, [*limits, at_zero, at_zero, np.nan, np.nan], equal_nan=True)
    assert np.signbit(got[3]) == (name in ("tanh", "log"))


def added(a, b):
    out = np.full_like(a, np.nan)
    _cpu.logaddexp(a, b, out)
    return out


@pytest.mark.parametrize("dtype", EDGES)
def test_the_logarithm_of_a_sum_of_exponentials(dtype):
    draw = np.random.default_rng(3)
    a = draw.normal(0, 30, 200_001).astype(dtype)
    b = (a + draw.choice([-1, 1], len(a)) * 10 ** draw.uniform(-9, 3, len(a))).astype(dtype)
    a[:3], b[:3] = 0, -np.log(1 + np.sqrt(2))  # where the series changes
    wide = WIDER[dtype]
    wanted = np.logaddexp(a.astype(wide), b.astype(wide))
    ulp = np.spacing(np.maximum(np.abs(np.maximum(a, b)), dtype(1)))
    assert float((np.abs(added(a, b) - wanted) / ulp).max()) <= 2
    infinite = np.array([np.inf, -np.inf, np.inf, -np.inf, np.nan, 1, -np.inf, 0], dtype)
    others = np.array([np.inf, -np.inf, -np.inf, 2, 1, np.nan, -np.inf, 0], dtype)
    with np.errstate(invalid="ignore"):
        wanted = np.logaddexp(infinite, others)
    assert np.array_equal(added(infinite, others), wanted, equal_nan=True)
    assert np.array_equal(added(others, infinite), wanted, equal_nan=True)


@pytest.mark.parametrize("dtype", EDGES)
def test_a_sum_has_the_same_bits_in_any_lane_of_any_vector(dtype, restore_isa):
    a, b = np.random.default_rng(4).normal(0, 9, (2, 533)).astype(dtype)
    together = added(a, b)
    for isa in _cpu.isas():
        _cpu.use_isa(isa)
        assert np.array_equal(added(a, b), together)
        alone = [added(a[i : i + 1], b[i : i + 1])[0] for i in range(len(a))]
        assert np.array_equal(alone, together)


@pytest.mark.parametrize("name", MOST_ULP)
@pytest.mark.parametrize("dtype", EDGES)
def test_the_same_bits_in_any_lane_of_any_vector(name, dtype, restore_isa):
    draw = np.random.default_rng(2)
    x = np.concatenate(
        [draw.normal(0, 30, 1001), draw.normal(0, 1e-3, 1001), [np.nan, np.inf, 1e-40]]
    ).astype(dtype)
    together = ours(name, x)
    for isa in _cpu.isas():
        _cpu.use_isa(isa)
        assert np.array_equal(ours(name, x), together, equal_nan=True)
        alone = np.concatenate([ours(name, x[i : i + 1]) for i in range(len(x))])
        assert np.array_equal(alone, together, equal_nan=True)
