"""The margin of a mean over origins against repeated draws."""

import numpy as np
import pytest

from unrolled.tasks.forecast.judging.noise import margin


def drawn(generator, steps, horizon, stride, carry):
    """Sums over horizons of scores of mean 0 that carry on from step to step."""
    shocks = generator.standard_normal(steps + horizon + 50)
    scores = np.zeros(len(shocks))
    for t in range(1, len(shocks)):
        scores[t] = carry * scores[t - 1] + shocks[t]
    origins = np.arange(50, steps + 50, stride)
    return np.array([scores[o + 1 : o + 1 + horizon].sum() for o in origins[:-1]]), origins[:-1]


@pytest.mark.parametrize("carry", [0.0, 0.4])
@pytest.mark.parametrize("steps, horizon, stride", [(400, 1, 1), (400, 12, 1), (400, 12, 5)])
def test_the_truth_is_mostly_within_the_margin(steps, horizon, stride, carry):
    generator, outside = np.random.default_rng(0), 0
    for _ in range(100):
        sums, origins = drawn(generator, steps, horizon, stride, carry)
        counts = np.full(len(sums), float(horizon))
        found = margin(sums, counts, np.zeros(len(sums), int), origins, horizon)
        outside += abs(sums.sum() / counts.sum()) > found
    assert 1 <= outside <= 16, "5 of 100 were to be expected"


def test_series_count_by_themselves():
    """One origin of each of many series: the margin is that of independent draws."""
    sums = np.random.default_rng(1).standard_normal(1000)
    series, origins = np.arange(1000), np.full(1000, 7)
    found = margin(sums, np.ones(1000), series, origins, 12)
    assert found == pytest.approx(1.96 * sums.std() / np.sqrt(1000), rel=0.01)


def test_few_origins_tell_nothing():
    assert margin(np.ones(3), np.ones(3), np.zeros(3, int), np.arange(3), 4) == np.inf
    assert margin(np.ones(1), np.ones(1), np.zeros(1, int), np.arange(1), 1) == np.inf


def test_two_origins_far_apart_are_two_observations():
    """t of one degree of freedom, and not that of all the steps between them."""
    found = margin(np.array([1.0, -1.0]), np.ones(2), np.zeros(2, int), np.array([0, 1000]), 1)
    assert found == pytest.approx(12.706, rel=1e-3)


def test_origins_without_a_score_are_none():
    sums, at = np.random.default_rng(2).standard_normal(20), np.arange(20) * 30
    series = np.repeat([0, 1], 10)
    found = margin(np.where(series, 0, sums), 1.0 - series, series, at, 1)
    assert found == margin(sums[:10], np.ones(10), series[:10], at[:10], 1)
    assert margin(np.zeros(20), np.zeros(20), series, at, 1) == np.inf
