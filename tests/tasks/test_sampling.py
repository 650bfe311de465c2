"""What is drawn from a distribution, checked by hand and by counting."""

import math

import numpy as np
import pytest

from unrolled.errors import ConfigError
from unrolled.tasks.sampling import Sampling

P = np.array([0.1, 0.4, 0.05, 0.25, 0.2])


def left(**how):
    return Sampling(**how).distribution(np.log(P))


def test_nothing_asked_changes_nothing():
    np.testing.assert_allclose(left(), P, rtol=1e-15)


def test_temperature_is_a_power():
    np.testing.assert_allclose(left(temperature=0.5), P**2 / (P**2).sum(), rtol=1e-14)
    np.testing.assert_allclose(left(temperature=3), P ** (1 / 3) / (P ** (1 / 3)).sum(), rtol=1e-14)
    assert left(temperature=1e-9).tolist() == [0, 1, 0, 0, 0]


def test_top_k_keeps_the_largest():
    np.testing.assert_allclose(left(top_k=2), [0, 0.4 / 0.65, 0, 0.25 / 0.65, 0], rtol=1e-14)
    np.testing.assert_allclose(left(top_k=99), P, rtol=1e-15)


def test_top_p_keeps_the_fewest_that_hold_the_share():
    np.testing.assert_allclose(left(top_p=0.41), [0, 0.4 / 0.65, 0, 0.25 / 0.65, 0], rtol=1e-14)
    assert left(top_p=0.39).tolist() == [0, 1, 0, 0, 0]
    np.testing.assert_allclose(left(top_p=1.0), P, rtol=1e-14)
    # of the two that top_k leaves, 0.4 / 0.65 holds 0.6 of their mass
    assert left(top_k=2, top_p=0.6).tolist() == [0, 1, 0, 0, 0]


def test_greedy_takes_the_largest_and_of_equals_the_first():
    assert left(sample=False).tolist() == [0, 1, 0, 0, 0]
    assert Sampling(sample=False).distribution(np.log([0.3, 0.35, 0.35])).tolist() == [0, 1, 0]


def test_impossible_symbols_are_never_drawn():
    log_p = np.array([-np.inf, 0.0, -np.inf])
    drawn = {Sampling(top_p=1.0).draw(log_p, np.random.default_rng(seed)) for seed in range(50)}
    assert drawn == {1}


def test_draws_are_as_frequent_as_the_distribution_says():
    generator, how, count = np.random.default_rng(3), Sampling(temperature=2.0, top_k=4), 20_000
    drawn = np.bincount([how.draw(np.log(P), generator) for _ in range(count)], minlength=5) / count
    wanted = how.distribution(np.log(P))
    # five standard deviations
    assert (np.abs(drawn - wanted) <= 5 * np.sqrt(wanted * (1 - wanted) / count)).all()
    assert drawn[2] == 0


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": math.nan}, "temperature"),
        ({"temperature": math.inf}, "temperature"),
        ({"top_k": 0}, "top_k"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.5}, "top_p"),
        ({"sample": False, "top_k": 2, "temperature": 2.0}, "leave top_k and temperature out, or set sample"),
    ],
)
def test_what_cannot_be_drawn_from_is_refused(how, complaint):
    with pytest.raises(ConfigError, match=complaint):
        Sampling(**how)
