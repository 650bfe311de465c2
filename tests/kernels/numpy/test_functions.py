"""Functions of float64 against wider arithmetic, and each number alone."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from unrolled.kernels.numpy import functions as functions

DRAW = np.random.default_rng(0)
SPREAD = DRAW.choice([-1, 1], 300) * 10.0 ** DRAW.uniform(-20, 2, 300)
SHARES = np.concatenate(
    [DRAW.random(300), 10.0 ** DRAW.uniform(-300, -1, 60), 1 - 10.0 ** -DRAW.uniform(1, 15, 60)]
)
TURNS = np.concatenate([DRAW.random(300), np.arange(8) / 8, [0.25 - 2.0**-40, 1 - 2.0**-53]])
TURN = 2 * np.longdouble("3.14159265358979323846")

ORACLES = {
    "log1p": (functions.log1p, np.log1p, np.where(SPREAD > -1, SPREAD, -1 / (2 + np.abs(SPREAD)))),
    "sinh": (functions.sinh, np.sinh, SPREAD),
    "asinh": (functions.asinh, np.arcsinh, np.abs(SPREAD)),
    "sin": (lambda p: functions.waves(p)[0], lambda p: np.sin(TURN * p), TURNS),
    "cos": (lambda p: functions.waves(p)[1], lambda p: np.cos(TURN * p), TURNS),
    "power": (lambda x: functions.power(x, 2.3), lambda x: x ** np.longdouble(2.3), np.abs(SPREAD)),
    "lgamma": (functions.lgamma, np.vectorize(lambda x: math.lgamma(float(x))), np.abs(SPREAD)),
    "normal_quantile": (
        functions.normal_quantile,
        np.vectorize(lambda p: NormalDist().inv_cdf(float(p))),
        SHARES,
    ),
}


@pytest.mark.parametrize("name", ORACLES)
def test_values_are_right_and_those_of_each_number_alone(name):
    ours, exact, x = ORACLES[name]
    found = ours(x)
    # Some roundings each; near a wave's roots they are those of 2πp itself, and of ln Γ(x) for x < 8 those of
    # the logarithm of x … (x + 7), some 20.
    atol = {"sin": 1e-15, "cos": 1e-15, "lgamma": 2e-14}.get(name, 0)
    np.testing.assert_allclose(found, exact(x.astype(np.longdouble)), rtol=2e-15, atol=atol)
    assert np.array_equal(np.array([ours(x[i : i + 1])[0] for i in range(len(x))]), found)


def test_whole_powers_are_products():
    x = np.arange(1.0, 40)
    assert np.array_equal(functions.power(x, 0), np.ones(39))
    assert np.array_equal(functions.power(x, 1), x) and np.array_equal(functions.power(x, 3), x * x * x)
