"""Hidden Markov models of labels, each a chain of states passed from left to right. See hmm_loop.py for the
labels of a recording that are not known; here they are.

    a_s             probability that state s stays where it is; 1 - a_s that it leaves for the next
    q               probability that silence, a state of its own, stands at the begin, at the end, or between
                    two labels
    x_t[s]          ln of the (scaled) likelihood of frame t in state s

The chain of a transcript has positions p = 0 … P-1, each a copy of one state: L labels of n states, and with
silence L + 1 copies of it around them. From p lead three arcs: to p itself, to p + 1, and over silence from
p - 2 where p is the first state of a label. With ⊕ the logarithm of a sum (or max, for the best path) and w
the logarithms of the arcs' probabilities,

    α_1[p] = begin[p] + x_1[p]
    α_t[p] = x_t[p] + (α_{t-1}[p] + w_stay[p] ⊕ α_{t-1}[p-1] + w_step[p] ⊕ α_{t-1}[p-2] + w_skip[p])
    ln Z   = ⊕_p α_T[p] + end[p]

A path passes through every label, so a transcript needs L n frames or more. A row's numbers have the bits
that it has alone; what stands behind its length is not read.

Shapes   x (B, T, S), lengths (B,) -> α (B, T, P), ln Z (B,), path (B, T); S = K n + 1 with silence
Source   Rabiner 1989, Proceedings of the IEEE 77(2); Viterbi 1967
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.kernels.numpy import heads
from unrolled.kernels.numpy.functions import log1p

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]
Plus = Callable[[Array, Array], Array]  # ⊕

NEVER = -np.inf
MOST = 2**22  # numbers of a recursion that are kept at once, about


@dataclass(frozen=True)
class Topology:
    """`labels` K of `states` n each: state i of label k is number k n + i, silence K n."""

    labels: int
    states: int
    silence: bool

    @property
    def size(self) -> int:
        """S."""
        return self.labels * self.states + self.silence

    @property
    def stride(self) -> int:
        """Positions from one label of a chain to the next."""
        return self.states + self.silence

    def positions(self, count: int) -> int:
        """P of `count` labels."""
        return count * self.stride + self.silence

    def chain(self, transcript: Iterable[int]) -> Numbers:
        """(P,) the states of a transcript, with silence wherever it may stand."""
        quiet = [self.labels * self.states] * self.silence
        labels = [[k * self.states + i for i in range(self.states)] for k in transcript]
        return np.array(quiet + [state for one in labels for state in one + quiet], np.int64)

    def fits(self, frames: int, count: int) -> bool:
        """Whether `count` labels can be passed in so many frames."""
        return frames >= max(count * self.states, 1) and (count > 0 or self.silence)

    def even(self, frames: int, count: int) -> Numbers:
        """(T,) the positions of a path that stays equally long everywhere; without silence where the frames
        do not suffice for it. They must suffice for the labels (`fits`)."""
        every = np.arange(self.positions(count))
        passed = every if frames >= len(every) else every[every % self.stride != 0]
        return passed[np.arange(frames) * len(passed) // frames]


@dataclass(frozen=True)
class Moves:
    """`stay` (S,) a, and `pause` q, as above."""

    stay: Array
    pause: float

    @classmethod
    def fixed(cls, topology: Topology) -> Self:
        """One half for all."""
        return cls(np.full(topology.size, 0.5), 0.5)

    @cached_property
    def logarithms(self) -> tuple[Array, Array, Array, Array]:
        """ln a, ln(1 - a), ln q and ln(1 - q)."""
        pause = np.array(self.pause)
        return heads.log(self.stay), log1p(-self.stay), heads.log(pause), log1p(-pause)


class Chains(NamedTuple):
    """The chains of B transcripts, each (B, P): the states, and the logarithms of the arcs into each
    position. Behind a shorter one stands nothing that can be reached."""

    state: Numbers
    stay: Array
    step: Array
    skip: Array
    begin: Array
    end: Array


def chains(topology: Topology, moves: Moves, transcripts: Sequence[Sequence[int]]) -> Chains:
    P = max(topology.positions(len(transcript)) for transcript in transcripts)
    rows = [_chain(topology, moves, transcript) for transcript in transcripts]
    columns = (np.stack([_stretched(part, P) for part in parts]) for parts in zip(*rows, strict=True))
    return Chains(*columns)


def _stretched(part: NDArray[Any], P: int) -> NDArray[Any]:
    fill = 0 if part.dtype == np.int64 else NEVER
    return np.concatenate([part, np.full(P - len(part), fill, part.dtype)])


def _chain(topology: Topology, moves: Moves, transcript: Sequence[int]) -> Chains:
    """Of one transcript, (P,)."""
    state = topology.chain(transcript)
    P, n, stride = len(state), topology.states, topology.stride
    each_stay, each_leave, quiet, loud = moves.logarithms
    stay, leave = each_stay[state], each_leave[state]
    step, skip, begin, end = np.zeros(P), np.full(P, NEVER), np.full(P, NEVER), np.full(P, NEVER)
    step[0], step[1:] = NEVER, leave[:-1]
    if not topology.silence:
        begin[0], end[-1] = 0.0, leave[-1]
        return Chains(state, stay, step, skip, begin, end)
    step[stride::stride] += quiet
    begin[0], end[-1] = quiet, leave[-1]
    begin[1:2] = loud
    if transcript:
        skip[stride + 1 :: stride] = leave[n:-2:stride] + loud
        end[-2] = leave[-2] + loud
    return Chains(state, stay, step, skip, begin, end)


def forward(x: Array, lengths: Numbers, chain: Chains) -> tuple[Array, Array]:
    """α, and ln Z: minus infinity where no path fits."""
    alpha = _reached(x, chain, heads.logaddexp)
    return alpha, heads.logsumexp(last(alpha, lengths) + chain.end)


def log_total(x: Array, lengths: Numbers, chain: Chains) -> Array:
    """ln Z of `forward`, without the α of all frames."""
    ends = np.empty(chain.end.shape)
    for t, alpha in enumerate(_passed(x, chain, heads.logaddexp)):
        ends[lengths == t + 1] = alpha[lengths == t + 1]
    return heads.logsumexp(ends + chain.end)


def viterbi(x: Array, lengths: Numbers, chain: Chains) -> tuple[Numbers, Array]:
    """The positions of the best path, -1 behind a row's length, and its score (B,). Of paths that tie, the
    one that ends furthest and was there longest. Where no path fits the score is minus infinity, and the path
    says nothing."""
    best = _reached(x, chain, np.maximum)
    ends = last(best, lengths) + chain.end
    P, rows = ends.shape[1], np.arange(len(x))
    at = P - 1 - ends[:, ::-1].argmax(1)
    path = np.full(x.shape[:2], -1, np.int64)
    for t in range(x.shape[1] - 1, -1, -1):
        inside = t < lengths
        path[inside, t] = at[inside]
        if t:
            before = best[:, t - 1]
            arcs = [
                before[rows, np.maximum(at - back, 0)] + arc[rows, at]
                for back, arc in enumerate((chain.stay, chain.step, chain.skip))
            ]
            at = np.where(inside, at - np.argmax(arcs, axis=0), at)
    return path, ends.max(1)


def _reached(x: Array, chain: Chains, plus: Plus) -> Array:
    """α (B, T, P), or with `plus` the maximum the score of the best path to each position."""
    alpha = np.empty((*x.shape[:2], chain.state.shape[1]))
    for t, one in enumerate(_passed(x, chain, plus)):
        alpha[:, t] = one
    return alpha


def _passed(x: Array, chain: Chains, plus: Plus) -> Iterator[Array]:
    """α_t (B, P), frame by frame."""
    alpha = chain.begin + np.take_along_axis(x[:, 0], chain.state, 1)
    yield alpha
    for t in range(1, x.shape[1]):
        with np.errstate(invalid="ignore"):  # of NaN behind a row's end
            step, skip = _moved(alpha, 1) + chain.step, _moved(alpha, 2) + chain.skip
            y = np.take_along_axis(x[:, t], chain.state, 1)
            alpha = plus(plus(alpha + chain.stay, step), skip) + y
        yield alpha


def _moved(v: Array, by: int) -> Array:
    """v (B, P) with each number `by` positions further on; what comes in from outside is minus infinity."""
    out = np.full_like(v, NEVER)
    out[:, by:] = v[:, :-by]
    return out


def last(v: Array, lengths: Numbers) -> Array:
    """v (B, T, …) -> (B, …) at the last frame of each row."""
    ends: Array = v[np.arange(len(v)), lengths - 1]
    return ends


def pieces(rows: int, each: int) -> list[slice]:
    """Rows that need `each` numbers, so many at a time that memory suffices."""
    size = max(1, MOST // max(1, each))
    return [slice(b, min(rows, b + size)) for b in range(0, rows, size)]


# What alignments say of the model.


@dataclass(frozen=True)
class Counts:
    """Over many paths: frames (S,) in each state, visits (S,) of it, how many of `gaps` held silence."""

    frames: Numbers
    visits: Numbers
    pauses: int
    gaps: int

    @classmethod
    def of(cls, topology: Topology, transcripts: Sequence[Sequence[int]], paths: Sequence[Numbers]) -> Self:
        """`paths` (T_i,) of positions in the chains of the transcripts."""
        frames, visits = np.zeros(topology.size, np.int64), np.zeros(topology.size, np.int64)
        for transcript, path in zip(transcripts, paths, strict=True):
            state = topology.chain(transcript)
            frames += np.bincount(state[path], minlength=topology.size)
            visits += np.bincount(state[np.unique(path)], minlength=topology.size)
        pauses = int(visits[-1]) if topology.silence else 0
        return cls(frames, visits, pauses, sum(len(transcript) + 1 for transcript in transcripts))

    def moves(self) -> Moves:
        """a = (frames - visits + 1) / (frames + 2), q likewise: never 0, never 1."""
        stay = (self.frames - self.visits + 1) / (self.frames + 2)
        return Moves(stay, (self.pauses + 1) / (self.gaps + 2))

    def prior(self) -> Array:
        """(S,) the share of frames, each state counted once more than it was met."""
        share: Array = (self.frames + 1) / (self.frames.sum() + len(self.frames))
        return share


class Span(NamedTuple):
    """Frames `start` to `stop` (exclusive) of label number `label`."""

    label: int
    start: int
    stop: int
