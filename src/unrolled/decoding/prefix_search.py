"""Prefix beam search of ctc.py in plain Python: what runs where no kernels are compiled, and has their bits.

Of every prefix y that is kept, after t frames x_1 … x_t, in logarithms,

    b(y)   the probability of all alignments of y that end in a blank
    l(y)   of those that end in y's last label           p(y) = b(y) + l(y)

    b'(y)   = p(y) x[blank]
    l'(y)   = l(y) x[last] + q(y⁻, last) x[last]         y⁻ is y without its last label, if it is kept
    l'(y k) = q(y, k) x[k]                               y k is not yet kept
    q(y, k) = b(y) where k is y's last label, else p(y)

and those with the largest  ln p(y) + α ln p_lm(y) + β|y|  are kept.

Source   Graves 2012, doi:10.1007/978-3-642-24797-2, section 7.5; Hannun et al. 2014, arXiv:1408.2873
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.decoding.lexicon import START, Lexicon
from unrolled.decoding.ngram_model import Grams

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

NEVER = -math.inf
LM_WEIGHT = 0.5

# log(1 + exp(-d)) in sums and products alone, in the order of cpu/ctc.h: libraries differ in the last bit.
_PER_LN_2, _LN_2_HIGH, _LN_2_LOW = 1.4426950408889634, 0.6931471803691238, 1.9082149292705877e-10
_EXP = [1.0 / math.factorial(n) for n in range(14)]
_ATANH = [1.0 / (2 * n + 1) for n in range(18)]
_NOTHING_ADDED = 40.0  # exp(-40) is below a double's digits beside 1


def log_add(a: float, b: float) -> float:
    """ln(exp a + exp b)."""
    if a < b:
        a, b = b, a
    d = a - b
    if not d < _NOTHING_ADDED:  # NaN where both are -∞
        return a
    n = math.floor(d * _PER_LN_2 + 0.5)
    r = (n * _LN_2_HIGH - d) + n * _LN_2_LOW
    power = _EXP[-1]
    for term in _EXP[-2::-1]:
        power = power * r + term
    power = math.ldexp(power, -n)
    s = power / (2.0 + power)
    z = s * s
    series = _ATANH[-1]
    for term in _ATANH[-2::-1]:
        series = series * z + term
    return a + 2.0 * s * series


class Options(NamedTuple):
    """How a search runs. In each frame `beam` prefixes are kept; with a lexicon one more where none of these
    is complete, so that there is an answer. A label below `least` in a frame begins nothing there, which is
    faster and no longer exact; by default none is left out."""

    blank: int
    beam: int
    grams: Grams | None = None
    lm_weight: float = LM_WEIGHT
    label_bonus: float = 0.0
    lexicon: Lexicon | None = None
    least: float = NEVER


class Prefix(NamedTuple):
    """A complete answer: score = log_p + α log_lm + β L, log_lm with the end."""

    labels: Ints
    score: float
    log_p: float
    log_lm: float


@dataclass(slots=True)
class _Kept:
    """A prefix; `bias` is what its score adds to `log_p`."""

    labels: tuple[int, ...]
    blank: float
    label: float
    log_p: float
    log_lm: float
    bias: float
    state: int
    next_lm: Floats  # (K + 1,)
    contexts: Ints  # (K + 1,)

    @property
    def last(self) -> int:
        return self.labels[-1] if self.labels else -1

    def before(self, label: int) -> float:
        """q(y, label)."""
        return self.blank if label == self.last else self.log_p


class _Grown(NamedTuple):
    """What may be kept: `kept` itself where `label` is None, else that with another label."""

    score: float
    labels: tuple[int, ...]
    kept: _Kept
    label: int | None
    ends_blank: float
    ends_label: float
    log_p: float

    @property
    def rank(self) -> tuple[float, int, tuple[int, ...]]:
        return -self.score, len(self.labels), self.labels


class PrefixSearch:
    """Over frames of K labels that come in pieces, without checks."""

    def __init__(self, K: int, options: Options) -> None:
        self.K, self.options, self.grams, self.lexicon = K, options, options.grams, options.lexicon
        self.kept = [self._prefix((), 0.0, NEVER, 0.0, 0 if self.grams is None else self.grams.start, START)]

    def add(self, log_p: Floats) -> None:
        """log_p (T, K) float64 of the next frames."""
        for x in log_p:
            self._step(x)

    def best(self, most: int) -> list[Prefix]:
        """The answers of largest score, at most `most`."""
        answers = [self._answer(prefix) for prefix in self.kept if self._final(prefix.state)]
        answers.sort(key=lambda prefix: (-prefix.score, len(prefix.labels), tuple(prefix.labels)))
        return answers[:most]

    def _answer(self, prefix: _Kept) -> Prefix:
        log_lm = prefix.log_lm + float(prefix.next_lm[self.K])
        score = prefix.log_p + self._bias(log_lm, len(prefix.labels))
        return Prefix(np.array(prefix.labels, np.int64), score, prefix.log_p, log_lm)

    def _bias(self, log_lm: float, count: int) -> float:
        return self.options.lm_weight * log_lm + self.options.label_bonus * count

    def _final(self, state: int) -> bool:
        return self.lexicon is None or bool(self.lexicon.final[state])

    def _step(self, x: Floats) -> None:
        stayed = self._stayed(x)
        floor = min(each.score for each in stayed) if len(stayed) >= self.options.beam else NEVER
        grown = [each for each in stayed if each.score > NEVER]
        for each in self.kept:
            grown += self._extended(each, x, floor)
        grown.sort(key=lambda each: each.rank)
        chosen = grown[: self.options.beam]
        if self.lexicon is not None and not any(self._final(self._state(each)) for each in chosen):
            chosen += [each for each in grown if self._final(self._state(each))][:1]
        self.kept = [self._made(each) for each in chosen]

    def _stayed(self, x: Floats) -> list[_Grown]:
        at = {prefix.labels: prefix for prefix in self.kept}
        stayed = []
        for prefix in self.kept:
            ends_blank, ends_label = prefix.log_p + float(x[self.options.blank]), NEVER
            if prefix.labels:
                p = float(x[prefix.last])
                ends_label = prefix.label + p
                shorter = at.get(prefix.labels[:-1])
                if shorter is not None and p >= self.options.least:
                    ends_label = log_add(ends_label, shorter.before(prefix.last) + p)
            log_p = log_add(ends_blank, ends_label)
            stayed.append(
                _Grown(log_p + prefix.bias, prefix.labels, prefix, None, ends_blank, ends_label, log_p)
            )
        return stayed

    def _extended(self, prefix: _Kept, x: Floats, floor: float) -> list[_Grown]:
        """But for what scores below `floor`, unless it is complete by a lexicon."""
        labels = np.arange(self.K) if self.lexicon is None else self.lexicon.step(prefix.state)[0]
        there = [other.last for other in self.kept if other.labels and other.labels[:-1] == prefix.labels]
        labels = labels[(labels != self.options.blank) & ~np.isin(labels, there)]
        labels = labels[x[labels] >= self.options.least]
        log_p = x[labels] + np.where(labels == prefix.last, prefix.blank, prefix.log_p)
        log_lm, count = prefix.log_lm + prefix.next_lm[labels], len(prefix.labels) + 1
        score = log_p + (self.options.lm_weight * log_lm + self.options.label_bonus * count)
        enough = (score > NEVER) & ((score >= floor) | (self.lexicon is not None))
        return [
            _Grown(s, (*prefix.labels, k), prefix, k, NEVER, p, p)
            for s, k, p in zip(*(part[enough].tolist() for part in (score, labels, log_p)), strict=True)
        ]

    def _state(self, grown: _Grown) -> int:
        if grown.label is None or self.lexicon is None:
            return grown.kept.state
        labels, targets = self.lexicon.step(grown.kept.state)
        return int(targets[np.searchsorted(labels, grown.label)])

    def _made(self, grown: _Grown) -> _Kept:
        prefix = grown.kept
        if grown.label is None:
            prefix.blank, prefix.label, prefix.log_p = grown.ends_blank, grown.ends_label, grown.log_p
            return prefix
        log_lm = prefix.log_lm + float(prefix.next_lm[grown.label])
        context = int(prefix.contexts[grown.label])
        ends = grown.ends_blank, grown.ends_label
        return self._prefix(grown.labels, *ends, log_lm, context, self._state(grown))

    def _prefix(
        self, labels: tuple[int, ...], blank: float, label: float, log_lm: float, context: int, state: int
    ) -> _Kept:
        """Of alignments that all end in a blank, or all in a label."""
        log_p, bias = max(blank, label), self._bias(log_lm, len(labels))
        if self.grams is None:
            next_lm, contexts = np.zeros(self.K + 1), np.zeros(self.K + 1, np.int64)
        else:
            next_lm, contexts = self.grams.next(context)
        return _Kept(labels, blank, label, log_p, log_lm, bias, state, next_lm, contexts)


def aligned(log_p: Floats, labels: Sequence[int] | Ints, blank: int) -> Ints:
    """`ctc.align` without checks: (L, 2), the frames' numbers -1 where no alignment has a probability."""
    states = np.full(2 * len(labels) + 1, blank, np.int64)  # a blank before, between and behind the labels
    states[1::2] = labels
    skips = np.zeros(len(states), np.bool_)
    skips[3::2] = states[3::2] != states[1:-2:2]
    best = np.full(len(states), NEVER)
    best[:2] = log_p[0, states[:2]]
    steps = np.zeros((len(log_p), len(states)), np.int8)
    for t in range(1, len(log_p)):
        one, two = np.full_like(best, NEVER), np.full_like(best, NEVER)
        one[1:], two[2:] = best[:-1], np.where(skips[2:], best[:-2], NEVER)
        reached, step = np.where(one > best, one, best), (one > best).astype(np.int8)
        step[two > reached] = 2
        reached = np.where(two > reached, two, reached)
        best, steps[t] = reached + log_p[t, states], step
    spans = np.full((len(labels), 2), -1, np.int64)
    state = len(states) - 1
    if state and best[state - 1] >= best[state]:
        state -= 1
    if not best[state] > NEVER:
        return spans
    for t in range(len(log_p) - 1, -1, -1):
        if state % 2:
            spans[state // 2, 0] = t
            spans[state // 2, 1] = max(t, spans[state // 2, 1])
        state -= int(steps[t, state])
    return spans
