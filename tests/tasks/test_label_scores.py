"""Scores of several labels against scikit-learn's."""

import numpy as np
import pytest
from sklearn import metrics

from unrolled.tasks import label_scores


@pytest.mark.parametrize("N, C", [(1, 3), (40, 2), (25, 7)])
def test_scores_are_those_of_scikit_learn(N, C):
    draw = np.random.default_rng(N)
    Y, A = draw.random((N, C)) < 0.4, draw.random((N, C)) < 0.4
    Y[0] = True  # every label comes up: their macro-F1 counts the others as 0
    S = draw.random((N, C)).round(1)  # with ties
    row = label_scores.scores(Y, A, S)
    options = {"average": "micro", "zero_division": 0}
    assert row["micro-F1"] == pytest.approx(metrics.f1_score(Y, A, **options))
    assert row["macro-F1"] == pytest.approx(metrics.f1_score(Y, A, **options | {"average": "macro"}))
    assert row["exact match"] == metrics.accuracy_score(Y, A)
    assert row["Hamming loss"] == pytest.approx(metrics.hamming_loss(Y, A))
    assert row["LRAP"] == pytest.approx(metrics.label_ranking_average_precision_score(Y, S))


def test_a_label_without_an_example_is_in_no_average():
    Y = np.array([[1, 0], [0, 0]], bool)
    A = np.array([[1, 1], [0, 0]], bool)
    assert label_scores.macro_f1(Y, A) == 1 and label_scores.micro_f1(Y, A) == pytest.approx(2 / 3)
    none = np.zeros((2, 2), bool)
    assert np.isnan(label_scores.micro_f1(none, none)) and np.isnan(label_scores.macro_f1(none, none))
    assert label_scores.exact_match(none, none) == 1


@pytest.mark.parametrize("seed", range(6))
def test_no_threshold_has_a_better_f1(seed):
    draw = np.random.default_rng(seed)
    right = draw.random(60) < 0.3
    p = np.clip(0.3 * right + draw.random(60) * 0.7, 0, 1).round(2)
    p[:3] = (0.0, 1.0, 0.5)

    def f1(threshold):
        return metrics.f1_score(right, p >= threshold)

    best = label_scores.best_threshold(right, p)
    assert 0 < best < 1 and f1(best) == max(f1(t) for t in np.linspace(0.001, 0.999, 999))


def test_of_equally_good_thresholds_the_nearest_to_a_half_is_taken():
    assert label_scores.best_threshold(np.array([False, True]), np.array([0.1, 0.9])) == 0.5
    assert label_scores.best_threshold(np.array([False, True]), np.array([0.1, 0.3])) == pytest.approx(0.2)
