"""The nearest of known examples, which answers without a network: 1-NN by Euclid's distance.

    d(a, b)² = Σ_i (a_i - b_i)²       of rows of numbers, the first of those that tie

Of sequences of numbers, the series themselves: each feature in deviations of training, missing values as the
network reads them, resampled to the longest of the training sequences, to MOST_NUMBERS at most, by lines
between steps:

    r_i = (1 - w) x_⌊p⌋ + w x_⌊p⌋+1        p = i (T - 1) / (L - 1)    w = p - ⌊p⌋    i = 0 … L - 1

Where that would be more than MOST_PRODUCTS products of numbers, the known ones are an even sample.

Shapes   x (T, F) -> r (L F,); known (N, S), queries (M, S) -> (M,)
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.codecs.inputs import NumberInputs, spread
from unrolled.files.examples import Sequences
from unrolled.files.messages import counted

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

NEAREST = "1-NN, Euclid"  # what a table calls the answer of the nearest series
ROUNDING = 1e-9  # of a distance by products; what is so near is measured again
TOGETHER = 2**22  # numbers of the rows that are compared at once
LEAST_STEPS, MOST_NUMBERS, MOST_PRODUCTS = 8, 1024, 2**34


@dataclass(frozen=True)
class Rows:
    """`count` rows of `width` numbers; `part(at)` makes those of a slice."""

    count: int
    width: int
    part: Callable[[slice], Array]

    @classmethod
    def of(cls, rows: NDArray[Any]) -> Self:
        return cls(len(rows), rows.shape[1], lambda at: np.asarray(rows[at], np.float64))

    def parts(self) -> list[slice]:
        some = max(1, TOGETHER // max(1, self.width))
        return [slice(at, min(at + some, self.count)) for at in range(0, self.count, some)]


def nearest(known: Rows, queries: Rows) -> Ints:
    """(M,) which row of `known` is nearest to each of `queries`."""
    indices, least = np.zeros(queries.count, np.int64), np.full(queries.count, np.inf)
    for theirs_at in known.parts():
        theirs = known.part(theirs_at)
        sizes = np.square(theirs).sum(1)
        for at in queries.parts():
            query = queries.part(at)
            query_sizes = np.square(query).sum(1)
            rough = (-2 * query) @ theirs.T  # and from here on without the own size, which is that of a row
            rough += sizes
            slack = ROUNDING * (query_sizes + sizes.max())
            bound = np.minimum(rough.min(1) + slack, least[at] - query_sizes) + slack
            for i in np.flatnonzero(rough.min(1) <= bound):
                among = np.flatnonzero(rough[i] <= bound[i])
                distances = np.square(theirs[among] - query[i]).sum(1)
                if distances.min() < least[at.start + i]:
                    least[at.start + i] = distances.min()
                    indices[at.start + i] = theirs_at.start + among[distances.argmin()]
    return indices


def nearest_summaries(known: NDArray[np.float32], queries: Array) -> Ints:
    """`nearest` of rows that sum sequences up (codecs/inputs.py), each number in units of its deviation
    over `known`."""
    scale = spread(known)
    return nearest(Rows.of(known / scale), Rows.of(queries / scale))


def nearest_series(inputs: NumberInputs, train: Sequences, queries: Sequences) -> tuple[Ints, str]:
    """`nearest` of the series themselves, and what to say of those that it was found among."""
    inputs = replace(inputs, by_sequence=False, by_steps=False)
    known, aligned = inputs.aligned(train), inputs.aligned(queries)
    F = len(inputs.features)
    length = min(max(map(len, known.inputs)), max(LEAST_STEPS, MOST_NUMBERS // F))
    most = max(1, MOST_PRODUCTS // (len(aligned) * length * F))
    among = np.arange(min(len(known), most)) * len(known) // min(len(known), most)
    rows = [_series(inputs, one, length) for one in (known.select(among), aligned)]
    sentence = f"1-NN compares sequences of {counted(length, 'step')}"
    if len(among) < len(known):
        sentence += f", with {len(among):,} of the {len(known):,} training sequences"
    return among[nearest(*rows)], sentence


def resampled(x: NDArray[Any], length: int) -> Array:
    """x (T, F) -> (length, F)."""
    at = np.arange(length) * (len(x) - 1) / max(1, length - 1)
    low = np.minimum(at.astype(np.int64), max(0, len(x) - 2))
    weight = (at - low)[:, None]
    return np.asarray((1 - weight) * x[low] + weight * x[np.minimum(low + 1, len(x) - 1)])


def _series(inputs: NumberInputs, data: Sequences, length: int) -> Rows:
    F, sequences = len(inputs.features), data.inputs

    def row(i: int) -> Array:
        z = inputs.encode(np.asarray(sequences[i]), data.places[i])
        return resampled(z[:, :F].astype(np.float64), length).ravel()

    return Rows(len(data), length * F, lambda at: np.stack([row(i) for i in range(at.start, at.stop)]))
