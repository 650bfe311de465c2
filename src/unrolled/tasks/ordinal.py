"""Scores of classes in an order, from the counts M (C, C) of confusion.py: M_kl sequences of class k were
taken for class l.

    MAE in ranks       Σ |k - l| M_kl / Σ M        by how many classes an answer is off, on average
    quadratic kappa    1 - Σ (k - l)² M_kl / Σ (k - l)² E_kl,    E_kl = Σ_j M_kj Σ_j M_jl / Σ M
                       1 is perfect, 0 no better than answers in another order (Cohen 1968); NaN where one
                       class alone comes up

Sequences of classes that training did not hold have no rank, and do not take part.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

# What a row of an evaluation has beside the scores of confusion.py, and whether more is better.
MEASURES = {"MAE in ranks": False, "quadratic kappa": True}
MEDIAN = "median class"


def scores(m: Counts, classes: int) -> dict[str, float]:
    """Of the first so many classes, those that training held."""
    m = m[:classes, :classes]
    return {"MAE in ranks": rank_error(m), "quadratic kappa": quadratic_kappa(m)}


def rank_error(m: Counts) -> float:
    return _mean(m.astype(np.float64), np.abs(_distance(len(m))))


def quadratic_kappa(m: Counts) -> float:
    chance = np.outer(m.sum(1), m.sum(0)) / max(1, m.sum())
    squares = _distance(len(m)) ** 2
    expected = float((chance * squares).sum())
    return 1 - float((m * squares).sum()) / expected if expected else float("nan")


def median(truth: NDArray[np.integer[Any]]) -> int:
    """The first class that half of truth (N,) do not exceed."""
    return int(np.sort(truth)[(len(truth) - 1) // 2])


def _distance(classes: int) -> Counts:
    return np.subtract.outer(np.arange(classes), np.arange(classes))


def _mean(m: NDArray[np.float64], values: NDArray[np.int64]) -> float:
    return float((m * values).sum() / m.sum()) if m.sum() else float("nan")
