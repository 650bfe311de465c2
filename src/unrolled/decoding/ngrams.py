"""Interpolated Kneser–Ney n-grams over numbered symbols. For a history h and a symbol w, with h' the history
without its first symbol:

    p_k(w | h) = (max(c_k(hw) - D_k, 0) + D_k N_k(h) p_{k-1}(w | h')) / c_k(h)      k = 1 … n
    p_k(w | h) = p_{k-1}(w | h')    where c_k(h) = 0      p_0 = 1 / symbols

    c_k(hw)   of the highest order n how often hw occurs; of lower orders how many symbols occur before it
    c_k(h)    Σ_w c_k(hw)           N_k(h)   how many w have c_k(hw) > 0
    D_k       n_1 / (n_1 + 2 n_2), n_j the number of k-grams of count j; ½ where either is 0

A k-gram has the key (rank of its first k - 1 symbols) · symbols + its last symbol, and its rank is the place
of this key among the keys of all k-grams: memory follows the number of distinct n-grams, not of tokens.

Shapes   tokens (T,) int64 in [0, symbols) -> -ln p (T,) float64
Source   Chen and Goodman 1999, doi:10.1006/csla.1999.0128, section 2.7, interpolated, one discount an order
Differs  nothing stands before the text: its first symbols end no longer n-grams
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unrolled.kernels.numpy import heads

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

CHUNK = 2**20
UNSEEN = -1  # the rank of what is not stored; as an index it is the last place of the arrays of _Order, a 0


@dataclass(frozen=True)
class _Grams:
    """The R distinct k-grams of a text: keys (R,) rising, and how often each occurs (R,)."""

    keys: Ints
    occurrences: Ints

    def find(self, keys: Ints) -> Ints:
        """(N,) the rank of each key, or UNSEEN."""
        if not len(self.keys):
            return np.full(len(keys), UNSEEN)
        ranks = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[ranks] == keys, ranks, UNSEEN)

    def joined(self, keys: Ints) -> "_Grams":
        """These and as many more as there are `keys` (N,)."""
        distinct, more = np.unique(keys, return_counts=True)
        every, place = np.unique(np.concatenate([self.keys, distinct]), return_inverse=True)
        occurrences = np.zeros(len(every), np.int64)
        np.add.at(occurrences, place, np.concatenate([self.occurrences, more]))
        return _Grams(every, occurrences)


@dataclass(frozen=True)
class _Order:
    """The terms of p_k. By rank of hw: max(c_k(hw) - D_k, 0); by rank of h: c_k(h) and D_k N_k(h)."""

    discounted: Floats
    totals: Floats
    reserved: Floats

    @classmethod
    def fit(cls, counts: Ints, histories: Ints, known: int) -> Self:
        """c_k (R,), the rank of each k-gram's history (R,), and how many histories there are."""
        ones, twos = (int((counts == j).sum()) for j in (1, 2))
        discount = ones / (ones + 2 * twos) if ones and twos else 0.5
        discounted = np.append(np.maximum(counts - discount, 0), 0)
        totals = np.bincount(histories, counts, known + 1).astype(np.float64)
        kinds = np.bincount(histories, counts > 0, known + 1).astype(np.float64)
        return cls(discounted, totals, discount * kinds)

    def probabilities(self, histories: Ints, ranks: Ints, lower: Floats) -> Floats:
        """p_k (N,) from the ranks of histories and of k-grams (N,), and p_{k-1} (N,)."""
        totals = self.totals[histories]
        p = self.discounted[ranks] + self.reserved[histories] * lower
        return np.where(totals > 0, p / np.maximum(totals, 1), lower)


@dataclass(frozen=True)
class KneserNey:
    """What is stored of order 1, 2 … n."""

    symbols: int
    grams: tuple[_Grams, ...]
    orders: tuple[_Order, ...]

    @classmethod
    def fit(cls, tokens: Ints, order: int, symbols: int) -> Self:
        """The model of one order of a text, which may be a memory map of a file."""
        return cls.fit_up_to(tokens, order, symbols)[-1]

    @classmethod
    def fit_up_to(cls, tokens: Ints, order: int, symbols: int) -> list[Self]:
        """The models of order 1 … `order`; they share what is stored."""
        if order < 1:
            raise ValueError(f"wanted an order of 1 or more, got {order}")
        _check(tokens, symbols)
        grams: list[_Grams] = []
        for _ in range(order):
            grams.append(_counted(tokens, grams, symbols))
        histories = [one.keys // symbols for one in grams]
        known = [1, *(len(one.keys) for one in grams)]
        highest = [_Order.fit(grams[k].occurrences, histories[k], known[k]) for k in range(order)]
        continued = _continuations(grams, symbols)
        lower = [_Order.fit(counts, histories[k], known[k]) for k, counts in enumerate(continued)]
        return [cls(symbols, tuple(grams[: n + 1]), (*lower[:n], highest[n])) for n in range(order)]

    @property
    def order(self) -> int:
        return len(self.orders)

    @property
    def counts(self) -> int:
        """How many counts are stored: one for each distinct n-gram of every order."""
        return sum(len(one.keys) for one in self.grams)

    def nats(self, tokens: Ints, context: ArrayLike = ()) -> Floats:
        """-ln p (T,) of each token given all before it: `context` (C,), then the text."""
        before = np.asarray(context, np.int64)
        _check(tokens, self.symbols)
        _check(before, self.symbols)
        nats = np.empty(len(tokens))
        for first in range(0, len(tokens), CHUNK):
            history = before[max(0, len(before) - self.order + 1) :]
            part = np.asarray(tokens[first : first + CHUNK], np.int64)
            before = np.concatenate([history, part])
            nats[first : first + CHUNK] = -heads.log(self._probabilities(before)[len(history) :])
        return nats

    def _probabilities(self, tokens: Ints) -> Floats:
        histories, p = np.zeros(len(tokens), np.int64), np.full(len(tokens), 1 / self.symbols)
        for grams, order in zip(self.grams, self.orders, strict=True):
            ranks = grams.find(histories * self.symbols + tokens)
            p = order.probabilities(histories, ranks, p)
            histories = _following(ranks)
        return p


def _counted(tokens: Ints, shorter: Sequence[_Grams], symbols: int) -> _Grams:
    """The k-grams of a text, given all that are shorter, of order 1 … k - 1."""
    grams_so_far = _Grams(np.empty(0, np.int64), np.empty(0, np.int64))
    for first in range(0, len(tokens), CHUNK):
        part = np.asarray(tokens[max(0, first - len(shorter)) : first + CHUNK], np.int64)
        histories = np.zeros(len(part), np.int64)
        for grams in shorter:
            histories = _following(grams.find(histories * symbols + part))
        grams_so_far = grams_so_far.joined((histories * symbols + part)[histories != UNSEEN])
    return grams_so_far


def _following(ranks: Ints) -> Ints:
    """The rank of the history of each position, from the rank of the k-gram that ends there."""
    return np.concatenate([[UNSEEN], ranks[:-1]])


def suffixes(grams: Sequence[_Grams], symbols: int) -> Iterator[Ints]:
    """For order 1 … n, by rank of each k-gram (R,) the rank of its last k - 1 symbols."""
    ends = np.zeros(len(grams[0].keys), np.int64)
    yield ends
    for shorter, longer in pairwise(grams):
        ends = shorter.find(ends[longer.keys // symbols] * symbols + longer.keys % symbols)
        yield ends


def _continuations(grams: Sequence[_Grams], symbols: int) -> Iterator[Ints]:
    """c_k (R,) of the k-grams of order 1 … n - 1: how many distinct (k + 1)-grams end in each."""
    longer = islice(suffixes(grams, symbols), 1, None)
    for shorter, ends in zip(grams, longer, strict=False):
        yield np.bincount(ends, minlength=len(shorter.keys))


def _check(tokens: Ints, symbols: int) -> None:
    if len(tokens) and not (tokens.min() >= 0 and tokens.max() < symbols):
        raise ValueError(f"wanted tokens in [0, {symbols}), got {tokens.min()} to {tokens.max()}")
