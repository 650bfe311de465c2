"""Scores of classes from the counts M (C, C): M_kl sequences of class k were taken for class l.

    accuracy   Σ_k M_kk / Σ M
    precision  M_kk / Σ_j M_jk         of those taken for k, the share that are
    recall     M_kk / Σ_j M_kj         of those that are k, the share that was taken for it
    F1         2 M_kk / (Σ_j M_jk + Σ_j M_kj)
    macro-F1   the mean of F1 over the classes that occur as truth, the same ones whatever the answers are

A ratio of nothing to nothing is NaN. A class that does not occur as truth has no recall, and no F1 that says
how well it is found: `untested` names it.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unrolled.files.messages import listed
from unrolled.plots import figures, scores
from unrolled.tasks.evaluation import Evaluation, Row

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


def confusion(truth: Counts, answer: Counts, classes: int) -> Counts:
    """truth, answer (N,) numbers of classes -> M (C, C)."""
    return np.bincount(truth * classes + answer, minlength=classes**2).reshape(classes, classes)


def accuracy(m: Counts) -> float:
    return float(np.trace(m) / m.sum())


def precision(m: Counts) -> Array:
    return ratio(np.diag(m), m.sum(0))


def recall(m: Counts) -> Array:
    return ratio(np.diag(m), m.sum(1))


def f1(m: Counts) -> Array:
    return ratio(2 * np.diag(m), m.sum(0) + m.sum(1))


def macro_f1(m: Counts) -> float:
    return float(f1(m)[m.sum(1) > 0].mean())


def by_class(kind: str, noun: str, names: Sequence[str], m: Counts) -> list[Row]:
    """A row for each class, which is called a `kind`; `noun`s: how many examples have it."""
    shares = (score(m).tolist() for score in (precision, recall, f1))
    keys = (kind, f"{noun}s", "precision", "recall", "F1")
    return [dict(zip(keys, row, strict=True)) for row in zip(names, m.sum(1).tolist(), *shares, strict=True)]


def draw(folder: Path, evaluation: Evaluation, noun: str) -> None:
    """confusion, as PNG and SVG, of an evaluation whose details are the names and M."""
    names, m = evaluation.details
    right, count = evaluation.rows[0]["accuracy"], evaluation.about[f"{noun}s"]
    title = f"{right:.1%} of {count:,} {noun}s are right"
    figures.save(scores.confusion(m, names, title), folder, "confusion")


def untested(example: str, kinds: str, names: Sequence[str], m: Counts) -> list[str]:
    """What an evaluation says of the names without an example that was judged, nothing where all have one."""
    without = [name for name, count in zip(names, m.sum(1), strict=True) if not count]
    if not without:
        return []
    return [f"no {example} that was judged has the {kinds} {listed(without)}: no average counts them"]


def ratio(a: Counts, b: Counts) -> Array:
    return np.where(b > 0, a / np.maximum(b, 1), np.nan)
