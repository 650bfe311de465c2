"""Scores of several labels a sequence: Y, A (N, C) which are right and which are answered, S (N, C) how
likely each is.

    micro-F1       2 Σ YA / (Σ Y + Σ A), over all labels together
    macro-F1       the mean of F1_k = 2 Σ_i YA / (Σ_i Y + Σ_i A) over the labels that occur as truth
    exact match    the share of sequences whose labels are all right, and no other
    Hamming loss   the share of the N C yes and no that are wrong
    LRAP           label ranking average precision: over sequences, and their true labels k, the mean of the
                   share of true ones among the labels that are at least as likely as k; 1 of a sequence with
                   none or all (Schapire and Singer 2000; scikit-learn's)

A ratio of nothing to nothing is NaN.
"""

import numpy as np
from numpy.typing import NDArray

from unrolled.codecs.class_outputs import HALF
from unrolled.tasks.confusion import ratio

Array = NDArray[np.float64]
Truths = NDArray[np.bool_]

# What a row of an evaluation has, and whether more is better.
MEASURES = {"micro-F1": True, "macro-F1": True, "exact match": True, "Hamming loss": False, "LRAP": True}


def scores(Y: Truths, A: Truths, S: Array) -> dict[str, float]:
    return {
        "micro-F1": micro_f1(Y, A),
        "macro-F1": macro_f1(Y, A),
        "exact match": exact_match(Y, A),
        "Hamming loss": float((Y != A).mean()),
        "LRAP": ranking_precision(Y, S),
    }


def micro_f1(Y: Truths, A: Truths) -> float:
    return float(ratio(2 * (Y & A).sum(), Y.sum() + A.sum()))


def f1(Y: Truths, A: Truths) -> Array:
    """(C,)"""
    return ratio(2 * (Y & A).sum(0), Y.sum(0) + A.sum(0))


def macro_f1(Y: Truths, A: Truths) -> float:
    there = Y.any(0)
    return float(f1(Y, A)[there].mean()) if there.any() else float("nan")


def exact_match(Y: Truths, A: Truths) -> float:
    return float((Y == A).all(1).mean())


def ranking_precision(Y: Truths, S: Array) -> float:
    """By a sort of each row: of labels that are equally likely all are counted."""
    total = 0.0
    for right, score in zip(Y, S, strict=True):
        count = int(right.sum())
        if count in (0, len(right)):
            total += 1
            continue
        every, true = np.sort(-score), np.sort(-score[right])
        ranks = np.searchsorted(every, true, "right")
        total += float((np.searchsorted(true, true, "right") / ranks).mean())
    return total / len(Y)


def best_threshold(right: Truths, p: Array) -> float:
    """The probability from which a label is answered with the best F1, right (N,) which have it: between two
    neighbours of p, of equally good ones the nearest to ½."""
    levels = np.unique(p)
    between = np.concatenate(
        [[levels[0] / 2], (levels[1:] + levels[:-1]) / 2, [(levels[-1] + 1) / 2], [HALF]]
    )
    between = between[(between > 0) & (between < 1)]
    order, positives = np.sort(p), np.sort(p[right])
    answered = len(order) - np.searchsorted(order, between)
    hits = len(positives) - np.searchsorted(positives, between)
    F = 2 * hits / (len(positives) + answered)
    best = between[F.max() <= F]
    return float(best[np.abs(best - HALF).argmin()])
