"""The score of counts against its definition, summed over every number."""

import numpy as np
import pytest

from unrolled.decoding.counts import probability
from unrolled.tasks.count_scores import count_crps


@pytest.mark.parametrize("dispersion", [0.0, 1e-6, 0.05, 0.5, 5.0])
@pytest.mark.parametrize("mean", [0.003, 0.3, 5.0, 70.0, 900.0])
def test_the_sum_over_every_number(mean, dispersion):
    y = np.floor([0, 1, mean / 2, mean, 2 * mean, 9 * mean + 4])
    k = np.arange(int(100 + 12 * mean + 40 * dispersion * mean), dtype=np.float64)
    each = probability(k, np.ones(1), np.array([mean]), np.array([dispersion]))
    wanted = ((np.cumsum(each) - (k >= y[:, None])) ** 2).sum(1)
    crps = count_crps(y, np.full(6, mean), np.full(6, dispersion))
    # 1 in 1,000, where all numbers up to y have nothing else than a squared 1.
    np.testing.assert_allclose(crps, wanted, rtol=1e-3)


def test_a_score_is_the_same_in_any_company():
    draws = np.random.default_rng(0)
    mean, dispersion = np.exp(draws.normal(2, 3, 300)), draws.random(300)
    y = draws.poisson(mean).astype(np.float64)
    y[7], mean[9], mean[11] = np.nan, np.inf, np.nan
    together = count_crps(y, mean, dispersion)
    for n in (0, 5, 9, 42, 299):
        assert count_crps(y[n : n + 1], mean[n : n + 1], dispersion[n : n + 1]) == together[n]
    assert np.isnan(together[[7, 11]]).all() and together[9] == np.inf


def test_the_truth_has_the_least_score():
    """In the mean over draws of it."""
    y = np.random.default_rng(0).poisson(40.0, 20_000).astype(np.float64)
    scores = {
        (mean, alpha): count_crps(y, np.full(20_000, mean), np.full(20_000, alpha)).mean()
        for mean in (30.0, 40.0, 50.0)
        for alpha in (0.0, 0.1)
    }
    assert min(scores, key=scores.__getitem__) == (40.0, 0.0)
