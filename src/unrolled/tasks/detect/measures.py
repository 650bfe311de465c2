"""How well alarms and scores tell what is known to be unusual.

episodes   an episode of alarms is right where a step of it is unusual; an unusual episode is found where a
           step of it lies in an episode of alarms
               precision   right episodes / episodes       recall   found / unusual ones
               F1          2 precision recall / (precision + recall)
steps      average precision: Σ_k (R_k - R_{k-1}) P_k, with precision P_k and recall R_k of all steps whose
           score is the k-th highest value or more
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.tasks.detect.episodes import Flags, joined, touched

Array = NDArray[np.float64]


class Counts(NamedTuple):
    """Of episodes of alarms, right ones among them, unusual episodes and found ones among them."""

    episodes: int
    right: int
    unusual: int
    found: int

    @property
    def precision(self) -> float:
        return self.right / self.episodes if self.episodes else math.nan

    @property
    def recall(self) -> float:
        return self.found / self.unusual if self.unusual else math.nan

    @property
    def f1(self) -> float:
        """0 where no episode is right."""
        if not self.unusual:
            return math.nan
        return 2 * self.precision * self.recall / (self.precision + self.recall) if self.right else 0.0


def counts(alarms: Sequence[Flags], truths: Sequence[Flags], join: int) -> Counts:
    """Over several series, (T_i,) each."""
    total = np.zeros(4, np.int64)
    for alarm, truth in zip(alarms, truths, strict=True):
        begins, ends = joined(alarm, join)
        first, last = joined(truth, 0)
        inside = np.zeros(len(alarm), np.bool_)
        for begin, end in zip(begins, ends, strict=True):
            inside[begin : end + 1] = True
        right, detected = touched(begins, ends, truth), touched(first, last, inside)
        total += [len(begins), right.sum(), len(first), detected.sum()]
    return Counts(*total.tolist())


def average_precision(score: Array, truth: Flags) -> float:
    """Of steps (N,) with a score; NaN where none is unusual."""
    if not truth.any():
        return math.nan
    order = np.argsort(-score, kind="stable")
    ranked, hits = score[order], np.cumsum(truth[order])
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)  # of each value
    precision, recall = hits[last] / (last + 1), hits[last] / hits[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))
