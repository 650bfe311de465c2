"""An n-gram model of label sequences, laid out for a search: what follows each context stands together.

    ln p(k | h) = log_p of (h, k)                 where k was seen after h
                = weight(h) + ln p(k | shorter(h))    where it was not

These are the probabilities of interpolated Kneser–Ney (decoding/ngrams.py), not its approximation. A sequence
y ends with the symbol `end`, the last of K + 1, and begins after n - 1 of them, which no label stands before:
so the order in which sequences are given changes nothing, and none is a history of another.

    text of a fit    end … end y_1 end … end y_2 end … end      n - 1 of them each, of 1-grams one behind each

Behind an empty y stands one: each more would count as another empty one.

Context 0 is the empty one and holds every symbol; `shorter` of a context has a lower number.

Shapes   C contexts, E entries: first (C + 1,), labels, log_p, following (E,), weights, shorter (C,)
Source   Chen and Goodman 1999, doi:10.1006/csla.1999.0128
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unrolled.decoding.ngrams import KneserNey, suffixes
from unrolled.errors import RunError
from unrolled.kernels.numpy import heads

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

TYPES = {
    "first": np.int64,
    "labels": np.int64,
    "log_p": np.float64,
    "following": np.int64,
    "weights": np.float64,
    "shorter": np.int64,
}


class Grams:
    """`symbols` K labels of which each may be in a sequence; `start` is the context in which one begins."""

    def __init__(self, symbols: int, order: int, start: int, arrays: Mapping[str, NDArray[Any]]) -> None:
        self.symbols, self.order, self.start = symbols, order, start
        self.first, self.labels, self.log_p, self.following, self.weights, self.shorter = (
            np.ascontiguousarray(arrays[name]) for name in TYPES
        )

    @classmethod
    def fit(cls, sequences: Iterable[ArrayLike], order: int, symbols: int) -> Self:
        """The model of sequences (L_i,) of labels in [0, symbols). ValueError for none, an order below 1, or
        a label outside."""
        each = [np.asarray(one, np.int64).reshape(-1) for one in sequences]
        if order < 1 or not each:
            raise ValueError(f"wanted an order of 1 or more and a sequence, got order {order}, {len(each)}")
        if any(len(one) and not (one.min() >= 0 and one.max() < symbols) for one in each):
            raise ValueError(f"wanted labels in [0, {symbols})")
        begin, close = (np.full(count, symbols, np.int64) for count in (order - 1, max(1, order - 1)))
        tokens = np.concatenate(
            [begin, *(part for one in each for part in (one, close if len(one) else close[:1]))]
        )
        model = cls(symbols, order, 0, _laid_out(KneserNey.fit(tokens, order, symbols + 1)))
        for _ in range(order - 1):
            model.start = model.next(model.start)[1][symbols]
        return model

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The model that `about()` and `arrays()` described. RunError for parts that do not fit together."""
        try:
            symbols, order, start = (int(about[name]) for name in ("symbols", "order", "start"))
            parts = {name: arrays[name] for name in TYPES}
        except (LookupError, TypeError, ValueError) as error:
            raise RunError(f"n-grams: {error!r:.60} is missing or no number; {_REMEDY}") from error
        if wrong := _misfit(symbols, order, start, parts):
            raise RunError(f"n-grams: {wrong}; {_REMEDY}")
        return cls(symbols, order, start, parts)

    def about(self) -> dict[str, Any]:
        return {"symbols": self.symbols, "order": self.order, "start": int(self.start)}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {name: getattr(self, name) for name in TYPES}

    def next(self, context: int) -> tuple[Floats, Ints]:
        """ln p (K + 1,) of each label and of the end after `context`, and the context that each leads to."""
        chain = [int(context)]
        while chain[-1]:
            chain.append(int(self.shorter[chain[-1]]))
        place = slice(self.first[0], self.first[1])
        log_p, following = self.log_p[place].copy(), self.following[place].copy()
        for one in reversed(chain[:-1]):
            place = slice(self.first[one], self.first[one + 1])
            log_p += self.weights[one]
            log_p[self.labels[place]] = self.log_p[place]
            following[self.labels[place]] = self.following[place]
        return log_p, following

    def score(self, labels: Sequence[int] | Ints) -> float:
        """ln p of the labels and the end behind them."""
        context, each = self.start, []
        for label in [*labels, self.symbols]:
            log_p, following = self.next(context)
            each.append(float(log_p[label]))
            context = following[label]
        return math.fsum(each)


def _laid_out(model: KneserNey) -> dict[str, NDArray[Any]]:
    """A context for every k-gram of order 0 … n - 1, the shorter ones first, then in the order of ranks."""
    V, n = model.symbols, model.order
    sizes = [1, *(len(one.keys) for one in model.grams[: n - 1])]
    offsets = [0, *np.cumsum(sizes).tolist()]
    every = np.arange(V)
    ranks = model.grams[0].find(every)
    p = model.orders[0].probabilities(np.zeros(V, np.int64), ranks, np.full(V, 1 / V))
    labels, log_p = [every], [heads.log(p)]
    following = [np.where(ranks >= 0, offsets[1] + ranks, 0) if n > 1 else np.zeros(V, np.int64)]
    counts, weights, shorter = [np.array([V])], [np.zeros(1)], [np.zeros(1, np.int64)]
    p = p[model.grams[0].keys]
    for m, ends in enumerate(suffixes(model.grams, V)):
        if m == 0:
            shorter.append(ends[: sizes[1]] if n > 1 else ends[:0])
            continue
        keys, terms = model.grams[m].keys, model.orders[m]
        histories, place = keys // V, np.arange(len(keys))
        p = terms.probabilities(histories, place, p[ends])
        known, totals = terms.reserved[:-1], terms.totals[:-1]
        labels.append(keys % V)
        log_p.append(heads.log(p))
        counts.append(np.bincount(histories, minlength=sizes[m]))
        weights.append(heads.log(np.where(totals > 0, known, 1) / np.where(totals > 0, totals, 1)))
        following.append(offsets[m + 1] + place if m + 1 < n else offsets[m] + ends)
        if m + 1 < n:
            shorter.append(offsets[m] + ends)
    first = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
    columns: tuple[list[NDArray[Any]], ...] = [first], labels, log_p, following, weights, shorter
    return {
        name: np.concatenate(column).astype(TYPES[name]) for name, column in zip(TYPES, columns, strict=True)
    }


_REMEDY = "the run is damaged, train again"


def _misfit(symbols: int, order: int, start: int, arrays: Mapping[str, NDArray[Any]]) -> str:
    """What is wrong with parts of a model, or ""."""
    for name, array in arrays.items():
        if array.dtype != TYPES[name] or array.ndim != 1:
            return f"'{name}' is {array.ndim}-dimensional of {array.dtype}"
    first, labels, log_p, following, weights, shorter = (arrays[name] for name in TYPES)
    C, E, V = len(shorter), len(labels), symbols + 1
    if symbols < 1 or order < 1 or not len(weights) == C == len(first) - 1 or not C:
        return (
            f"{symbols} symbols of order {order}, {C} contexts, {len(weights)} weights, {len(first)} places"
        )
    if not len(log_p) == len(following) == E or first[0] != 0 or first[-1] != E or (np.diff(first) < 0).any():
        return (
            f"{E} labels, {len(log_p)} probabilities and {len(following)} contexts do not meet their places"
        )
    if not (0 <= start < C and _within(following, C) and _within(labels, V)):
        return "a label or context lies outside"
    if shorter[0] or not (_within(shorter, C) and (shorter[1:] < np.arange(1, C)).all()):
        return "a shorter context does not stand before the longer"
    rising = np.diff(labels) > 0
    rising[first[1:-1][(first[1:-1] > 0) & (first[1:-1] < E)] - 1] = True
    if first[1] != V or not rising.all():
        return "the labels of a context do not rise, or the empty one lacks some"
    if not all(np.isfinite(part).all() and (part <= 1e-9).all() for part in (log_p, weights)):
        return "a probability is not between 0 and 1"
    return ""


def _within(numbers: Ints, count: int) -> bool:
    return not len(numbers) or bool(numbers.min() >= 0 and numbers.max() < count)
