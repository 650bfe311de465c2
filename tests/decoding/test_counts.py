"""Quantiles of counts against sums of all probabilities, and against limits of large means."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from unrolled.decoding.counts import count_quantile


def summed_quantile(p, mean, dispersion):
    """The least k whose sum reaches p, by the C library's logarithm of Γ."""
    k, ln_mean = 0, math.log(mean)
    r = 1 / dispersion if dispersion else 0
    total = 0.0
    while True:
        ln_p = k * ln_mean - mean
        if dispersion:
            ln_p = (
                math.lgamma(k + r)
                - math.lgamma(r)
                - r * math.log1p(mean / r)
                + k * math.log(mean / (r + mean))
            )
        total += math.exp(ln_p - math.lgamma(k + 1))
        if total >= p:
            return k
        k += 1


@pytest.mark.parametrize("mean", [1e-3, 0.4, 3.0, 90.0, 2000.0])
@pytest.mark.parametrize("dispersion", [0.0, 1e-6, 0.02, 0.7, 6.0])
def test_quantiles_of_counts_are_those_of_summed_probabilities(mean, dispersion):
    """One by one, and in steps that are divided again."""
    p = np.array([1e-5, 0.05, 0.5, 0.95, 0.9993])
    found = count_quantile(p, np.array([mean]), np.array([dispersion]))
    assert found.tolist() == [summed_quantile(level, mean, dispersion) for level in p]


def test_quantiles_of_many_counts():
    """Beyond what can be summed one by one Poisson's is normal, and with a dispersion of 1 it is geometric:
    ln(1 - p) / ln(μ / (1 + μ))."""
    p, mean = np.array([0.01, 0.5, 0.99]), 1e8
    z = np.array([NormalDist().inv_cdf(level) for level in p])
    normal = mean + math.sqrt(mean) * z + (z**2 - 1) / 6  # by Cornish and Fisher
    found = count_quantile(p, np.array([mean]), np.zeros(1))
    np.testing.assert_allclose(found, normal, rtol=0, atol=1)
    found = count_quantile(p, np.array([mean]), np.ones(1))
    np.testing.assert_allclose(found, np.log1p(-p) / -np.log1p(1 / mean), rtol=1e-6)  # of Γ at 10⁹
    with np.errstate(invalid="ignore"):
        none = count_quantile(p[:1], np.array([np.nan, np.inf, 1e30]), np.zeros(1))
    assert np.isnan(none[0]) and np.isinf(none[1:]).all()
