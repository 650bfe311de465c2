"""The labels of a recording by a hidden Markov model: the best path through a loop over all labels.

Between the end of a label i and the begin of the next j stands g[i, j]: a bigram of labels, weighed, and a
bonus for each label; g[K, j] begins, g[i, K] ends. The silence after each label i is a copy of that state of
its own, and so is the one before the first label: g reaches over silence, and the search is exact. With
v_t[i, p] the best score at position p of label i (p = n is its silence) and w as in hmm.py,

    v_t[j, p] = x_t + max(v_{t-1}[j, p] + w_stay, v_{t-1}[j, p-1] + w_step)            p > 0
    v_t[j, 0] = x_t + max(v_{t-1}[j, 0] + w_stay, max_i (e_{t-1}[i] + g[i, j]))
    e_t[i]    = max(v_t[i, n-1] + w_end, v_t[i, n] + w_leave)                          i is over
    score     = max_i e_T[i] + g[i, K]

and with ⊕ in place of max the logarithm of the sum over all paths of all transcripts.

Shapes   x (B, T, S), lengths (B,), g (K + 1, K + 1) -> v (B, T, K + 1, n + 1)
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from unrolled.decoding.hmm import NEVER, Array, Moves, Numbers, Plus, Span, Topology, last, pieces
from unrolled.kernels.numpy import heads


class Decoded(NamedTuple):
    """The labels of a row and their frames; none, at minus infinity, where the frames do not suffice."""

    spans: tuple[Span, ...]
    score: float

    @property
    def labels(self) -> tuple[int, ...]:
        return tuple(span.label for span in self.spans)


def grammar(log_p: Array, weight: float, bonus: float) -> Array:
    """g, of log_p (K + 1, K + 1): ln of the bigram, row K of the first label, column K of the end."""
    g = np.zeros_like(log_p) if weight == 0 else weight * log_p
    g[:, :-1] += bonus
    return g


def likelihood(g: Array, transcripts: Sequence[Sequence[int]]) -> Array:
    """(B,) the sum of g along each transcript."""
    K = len(g) - 1
    return np.array([float(g[[K, *transcript], [*transcript, K]].sum()) for transcript in transcripts])


def decode(x: Array, lengths: Numbers, topology: Topology, moves: Moves, g: Array) -> list[Decoded]:
    """The best path of each row. Of those that tie, the last label lowest, each stayed in the longest."""
    loop, best = _Loop(topology, moves, g), list[Decoded]()
    for rows in loop.blocks(x):
        v = loop.run(x[rows], np.maximum, lambda each: each.max(-1))
        ends = loop.over(last(v, lengths[rows]), np.maximum) + g[:, -1]
        pairs = zip(v, lengths[rows].tolist(), ends, strict=True)
        best += [loop.back(scores[:T], int(end.argmax()), float(end.max())) for scores, T, end in pairs]
    return best


def log_total(x: Array, lengths: Numbers, topology: Topology, moves: Moves, g: Array) -> Array:
    """(B,) ln of the sum over all paths of all transcripts."""
    loop, totals = _Loop(topology, moves, g), list[Array]()
    for rows in loop.blocks(x):
        ends = np.empty((len(x[rows]), *loop.state.shape))
        for t, v in enumerate(loop.passed(x[rows], heads.logaddexp, heads.logsumexp)):
            ends[lengths[rows] == t + 1] = v[lengths[rows] == t + 1]
        totals.append(heads.logsumexp(loop.over(ends, heads.logaddexp) + g[:, -1]))
    return np.concatenate(totals)


class _Loop:
    """The arcs of the graph, (K + 1, n + 1) each as the positions. Position n is there with silence alone; of
    label K, which stands for the begin, it is all there is."""

    def __init__(self, topology: Topology, moves: Moves, g: Array) -> None:
        K, n, silent = topology.labels, topology.states, topology.silence
        self.n, self.K, self.silent, self.g = n, K, silent, g
        self.state = np.zeros((K + 1, topology.stride), np.int64)
        self.state[:K, :n] = np.arange(K * n).reshape(K, n)
        self.state[:, n:] = K * n
        each_stay, each_leave, quiet, loud = moves.logarithms
        stay, leave = each_stay[self.state], each_leave[self.state]
        self.stay, self.leave, self.end = stay, leave, leave[:, n - 1] + (loud if silent else 0.0)
        self.step = np.full_like(stay, NEVER)
        self.step[:K, 1:] = leave[:K, :-1]
        self.step[:, n:] += quiet
        self.begin = np.full_like(stay, NEVER)
        self.begin[:K, 0] = g[K, :K] + (loud if silent else 0.0)
        self.begin[K, n:] = quiet

    def blocks(self, x: Array) -> list[slice]:
        """The rows of x, as many at a time as memory allows."""
        return pieces(len(x), max(x.shape[1] * self.state.size, self.g.size))

    def run(self, x: Array, plus: Plus, over: Callable[[Array], Array]) -> Array:
        """v; `over` is `plus` along the last axis."""
        v = np.empty((*x.shape[:2], *self.state.shape))
        for t, one in enumerate(self.passed(x, plus, over)):
            v[:, t] = one
        return v

    def passed(self, x: Array, plus: Plus, over: Callable[[Array], Array]) -> Iterator[Array]:
        """v_t (B, K + 1, n + 1), frame by frame."""
        v, into = self.begin + x[:, 0][:, self.state], np.ascontiguousarray(self.g[:, : self.K].T)
        yield v
        for t in range(1, x.shape[1]):
            with np.errstate(invalid="ignore"):  # of NaN behind a row's end
                reached = v + self.stay
                reached[..., 1:] = plus(reached[..., 1:], v[..., :-1] + self.step[:, 1:])
                entry = over(self.over(v, plus)[:, None, :] + into)
                reached[:, : self.K, 0] = plus(reached[:, : self.K, 0], entry)
                v = reached + x[:, t][:, self.state]
            yield v

    def over(self, v: Array, plus: Plus) -> Array:
        """e (…, K + 1)."""
        ends: Array = v[..., self.n - 1] + self.end
        ends[..., self.K] = NEVER
        return plus(ends, v[..., self.n] + self.leave[:, self.n]) if self.silent else ends

    def back(self, v: Array, label: int, score: float) -> Decoded:
        """The spans of the best path that ends after `label`; v (T, K + 1, n + 1)."""
        if score == NEVER:
            return Decoded((), score)
        spans: list[Span] = []
        p, stop = self._before_end(v[-1], label), len(v)
        for t in range(len(v) - 1, -1, -1):
            if label == self.K:
                break
            stays = t > 0 and self._stays(v[t - 1], label, p)
            if stays:
                continue
            if p > 0:
                p -= 1
                stop = t if p == self.n - 1 else stop
                continue
            spans.append(Span(label, t, stop))
            if t == 0:
                break
            label = int((self.over(v[t - 1], np.maximum) + self.g[:, label]).argmax())
            p, stop = self._before_end(v[t - 1], label), t
        return Decoded(tuple(reversed(spans)), score)

    def _before_end(self, v: Array, label: int) -> int:
        """The position of `label` from which it ended best."""
        if not self.silent or label == self.K:
            return self.n - (not self.silent)
        quiet = v[label, self.n] + self.leave[label, self.n]
        return self.n if quiet > v[label, self.n - 1] + self.end[label] else self.n - 1

    def _stays(self, before: Array, label: int, p: int) -> bool:
        came = (
            before[label, p - 1] + self.step[label, p]
            if p
            else (self.over(before, np.maximum) + self.g[:, label]).max()
        )
        return bool(before[label, p] + self.stay[label, p] >= came)
