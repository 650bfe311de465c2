"""Whether one of two ways to answer the same examples may be ahead by chance: the sign test. Of the n
examples that one of them alone answers rightly, k are the model's. Were both equally good, either would be
ahead by as much or more with probability

    p = min(1, 2 Σ_{j ≤ min(k, n-k)} C(n, j) / 2^n)

Source   Dixon and Mood 1946, JASA 41, 557-566; of classifiers McNemar's exact test
"""

import math

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05


def probability(alone: int, other_alone: int) -> float:
    """p of k and n - k."""
    n, k = alone + other_alone, min(alone, other_alone)
    of_each = [math.lgamma(n + 1) - math.lgamma(j + 1) - math.lgamma(n - j + 1) for j in range(k + 1)]
    return min(1.0, 2 * float(np.exp(np.array(of_each) - n * math.log(2)).sum()))


def sentences(
    right: NDArray[np.bool_], other: str, other_right: NDArray[np.bool_], example: str
) -> list[str]:
    """What to say of the examples (N,) that a model has right beside those of `other`: nothing where both
    have as many right, or chance is unlikely."""
    alone, other_alone = int((right & ~other_right).sum()), int((other_right & ~right).sum())
    p = probability(alone, other_alone)
    if alone == other_alone or p < LEVEL:
        return []
    return [
        f"that the model and {other} differ may be chance: {alone:,} of {len(right):,} {example}s are right "
        f"by the model alone, {other_alone:,} by {other} alone (sign test, p = {p:.2g}); judge on more"
    ]
