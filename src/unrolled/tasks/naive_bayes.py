"""The class of a text by its symbols alone, whatever their order: what a recurrence must beat. Per class k:

    ln p(k, w) = ln N_k / N + Σ_t ln θ_k[w_t]        θ_k[v] = (n_kv + 1) / (n_k + V)

N_k of the N training texts are of class k and hold symbol v n_kv times, n_k symbols in all.

Source   multinomial naive Bayes, McCallum and Nigam 1998; smoothed by Laplace's rule
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

NAIVE_BAYES = "naive Bayes of symbols"
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class NaiveBayes:
    """ln N_k / N (K,) and ln θ (V, K)."""

    prior: NDArray[np.float64]
    likelihood: NDArray[np.float64]

    @classmethod
    def fit(cls, rows: Sequence[Numbers], truth: Numbers, symbols: int, classes: int) -> Self:
        """Of texts (N,) of (T_i,) and their classes (N,)."""
        n = np.ones((symbols, classes))
        for row, k in zip(rows, truth.tolist(), strict=True):
            n[:, k] += np.bincount(row, minlength=symbols)
        counts: Any = np.bincount(truth, minlength=classes)
        with np.errstate(divide="ignore"):  # a class that no text of this part is of
            return cls(np.log(counts / counts.sum()), np.log(n / n.sum(0)))

    def answers(self, rows: Sequence[Numbers]) -> Numbers:
        """(N,) the likeliest class of each, the first of equals."""
        return np.array([int((self.prior + self.likelihood[row].sum(0)).argmax()) for row in rows], np.int64)
