"""From the scores o_t of K tags to tags, of whole sequences and step by step. One of

    single    tag = argmax o_t                          p_t = softmax(o_t)
    bound     the likeliest path that masks allow       p_t = softmax(o_t)
    crf       the likeliest path of a chain             p_t = its marginals

Step by step the answer at t is the last of the answer to o_1 … o_t alone. Bound by masks and of a chain, that
is the tag in which the best path so far ends, its scores brought down by their largest number m_t,

    v_t[j] = max_i (v_{t-1}[i] + A[i][j]) + o_t[j] - m_t    v_1 = start + o_1 - m_1    tag = argmax (v + end)

in the operations of cpu/crf.h, with log softmax(o) in place of o where there is no chain. Of a chain p_t is
the last marginal, softmax(α_t + end). v, α and whether there was a step are the state.

Shapes   o (B, T, K), lengths (B,) -> path (B, T), p (B, T, K) float64; o (T, B, K) -> tag (T, B),
         p (T, B, K)
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.kernels.numpy import crf, heads
from unrolled.kernels.numpy.crf import Scores
from unrolled.ops.state import Array, State

Path = NDArray[np.int64]
Mask = NDArray[np.bool_]

BEST, ALPHA, BEGUN = "tags.best", "tags.alpha", "tags.begun"


class Kernels(NamedTuple):
    """What whole sequences are decoded with: softmax(x), log_softmax(x), viterbi(x, scores, lengths) and
    marginals(x, scores, lengths)."""

    softmax: Callable[..., Array]
    log_softmax: Callable[..., Array]
    viterbi: Callable[..., Array]
    marginals: Callable[..., Array]


NUMPY = Kernels(heads.softmax, heads.log_softmax, crf.viterbi, crf.marginals)


def masks(start: Mask, transitions: Mask, end: Mask) -> Scores:
    """Of transitions, start and end, float32: 0 where a tag may stand, -∞ where not."""
    a, first, last = (np.where(part, 0.0, -np.inf).astype(np.float32) for part in (transitions, start, end))
    return a, first, last


class Decoder(ABC):
    """One of the above."""

    @abstractmethod
    def start(self, rows: int) -> State:
        """What is carried, before the first step."""

    @abstractmethod
    def running(self, o: Array, state: Mapping[str, Array]) -> tuple[Path, Array, State]:
        """o (T, B, K) -> tag (T, B), p (T, B, K) and the state after the last step."""

    @abstractmethod
    def decode(self, o: Array, lengths: Array | None = None, kernels: Kernels = NUMPY) -> tuple[Path, Array]:
        """o (B, T, K) -> path (B, T), p (B, T, K) of rows of these lengths, T where there are none."""


class Single(Decoder):
    """Each tag by itself."""

    def start(self, rows: int) -> State:
        return {}

    def running(self, o: Array, state: Mapping[str, Array]) -> tuple[Path, Array, State]:
        return o.argmax(-1), _double(heads.softmax, o), {}

    def decode(self, o: Array, lengths: Array | None = None, kernels: Kernels = NUMPY) -> tuple[Path, Array]:
        return o.argmax(-1), _double(kernels.softmax, o)


class Bound(Decoder):
    """`masks` as above."""

    def __init__(self, masks: Scores) -> None:
        a, start, end = (mask.astype(np.float64) for mask in masks)
        self.scores = a, start, end

    def start(self, rows: int) -> State:
        return _begin(rows, self.scores[0], BEST)

    def running(self, o: Array, state: Mapping[str, Array]) -> tuple[Path, Array, State]:
        tag, after = _running_path(_double(heads.log_softmax, o), self.scores, state)
        return tag, _double(heads.softmax, o), after

    def decode(self, o: Array, lengths: Array | None = None, kernels: Kernels = NUMPY) -> tuple[Path, Array]:
        path = kernels.viterbi(_double(kernels.log_softmax, o), self.scores, lengths)
        return path, _double(kernels.softmax, o)


class Chain(Decoder):
    """A conditional random field; `scores` with the masks already added."""

    def __init__(self, scores: Scores) -> None:
        self.scores = scores

    def start(self, rows: int) -> State:
        return _begin(rows, self.scores[0], BEST, ALPHA)

    def running(self, o: Array, state: Mapping[str, Array]) -> tuple[Path, Array, State]:
        tag, after = _running_path(o, self.scores, state)
        p, alpha = self._last_marginals(o, state)
        return tag, p, after | {ALPHA: alpha}

    def decode(self, o: Array, lengths: Array | None = None, kernels: Kernels = NUMPY) -> tuple[Path, Array]:
        p = kernels.marginals(o, self.scores, lengths)
        return kernels.viterbi(o, self.scores, lengths), p.astype(np.float64)

    def _last_marginals(self, o: Array, state: Mapping[str, Array]) -> tuple[Array, Array]:
        """Each row goes through the kernel as a chain whose first emissions are α_{t-1}, which is its own
        largest number below itself already, or start + o_1 where it has just begun."""
        (T, B, K), (a, start, end) = o.shape, self.scores
        if not T:
            return np.empty((T, B, K)), state[ALPHA]
        begun = state[BEGUN]
        at = np.where(begun, 1, 0)[:, None] + np.arange(T), np.arange(B)[:, None]
        x = np.zeros((B, T + 1, K), o.dtype)
        x[at[1], at[0]] = o.transpose(1, 0, 2)
        x[:, 0] = np.where(begun[:, None], state[ALPHA], start + o[0])
        alpha = crf.forward(x, (a, np.zeros_like(start), end))[at[1], at[0]]
        return heads.softmax(alpha + end).transpose(1, 0, 2).astype(np.float64), alpha[:, -1].copy()


def decoder(tags: int, dtype: Any, bound: Scores | None, chain: Scores | None) -> Decoder:
    """`chain`: A, start and end that were learned. ValueError for scores that are not of so many tags of that
    dtype."""
    for a, start, end in filter(None, (bound, chain)):
        if (a.shape, start.shape, end.shape) != ((tags, tags), (tags,), (tags,)):
            raise ValueError(f"scores of {a.shape}, {start.shape} and {end.shape} for {tags} tags")
    if chain is None:
        return Single() if bound is None else Bound(bound)
    if any(score.dtype != dtype for score in chain):
        raise ValueError(f"scores of {chain[0].dtype}; wanted {dtype}")
    scores = chain if bound is None else tuple(c + b.astype(dtype) for c, b in zip(chain, bound, strict=True))
    a, start, end = scores
    return Chain((a, start, end))


def _begin(rows: int, a: Array, *names: str) -> State:
    scores = {name: np.zeros((rows, len(a)), a.dtype) for name in names}
    return {**scores, BEGUN: np.zeros(rows, np.bool_)}


def _running_path(o: Array, scores: Scores, state: Mapping[str, Array]) -> tuple[Path, State]:
    a, start, end = scores
    best, begun = state[BEST], state[BEGUN]
    tags = np.empty(o.shape[:2], np.int64)
    for t, emission in enumerate(o):
        reached = np.where(begun[:, None], (best[:, :, None] + a).max(1), start) + emission
        most = reached.max(1, keepdims=True)
        best, begun = reached - np.where(most > -np.inf, most, 0), np.ones_like(begun)
        tags[t] = (best + end).argmax(1)
    return tags, {BEST: best, BEGUN: begun}


def _double(kernel: Callable[..., Array], o: Array) -> Array:
    return kernel(o.astype(np.float64))
