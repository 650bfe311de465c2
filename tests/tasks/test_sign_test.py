"""The sign test against the binomial distribution's own sums."""

from math import comb

import numpy as np
import pytest

from unrolled.tasks import sign_test


@pytest.mark.parametrize(("alone", "other_alone"), [(0, 0), (1, 0), (3, 1), (7, 7), (40, 19), (5, 900)])
def test_both_tails_of_a_fair_coin(alone, other_alone):
    n, k = alone + other_alone, min(alone, other_alone)
    tails = 2 * sum(comb(n, j) for j in range(k + 1)) / 2**n
    assert sign_test.probability(alone, other_alone) == pytest.approx(min(1, tails), rel=1e-9)


def test_one_of_thirty_may_be_chance_and_twelve_are_not():
    right, other = np.zeros(30, np.bool_), np.zeros(30, np.bool_)
    right[:2], other[0] = True, True
    (sentence,) = sign_test.sentences(right, "majority class", other, "sequence")
    assert "1 of 30 sequences are right by the model alone, 0 by majority class alone" in sentence
    assert "p = 1)" in sentence
    right[:13] = True
    assert sign_test.sentences(right, "majority class", other, "sequence") == []


def test_nothing_is_said_of_a_tie():
    right = np.array([True, False])
    assert sign_test.sentences(right, "1-NN, Euclid", ~right, "sequence") == []
