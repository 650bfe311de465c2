"""Answers of any length from a model that says, symbol by symbol, how likely each next one is.

    ln p(y) = Σ_t ln p(y_t | y_1 … y_{t-1}) + ln p(end | y)        score(y) = ln p(y) / (|y| + 1)^penalty

With the usual penalty of 1 the score is the mean ln p of a symbol, the end counted. By ln p alone, penalty 0,
a short answer beats a longer one for having fewer symbols to be unsure of: the answer of an unsure model is
empty.

    beam     of all that one more symbol makes of the kept hypotheses those with the largest ln p are kept;
             one that ends is done and gives up its place. So a beam of 1 takes the likeliest symbol of each
             step, and a beam as wide as there are answers finds the best of all. An example is done when no
             kept hypothesis can come among its best any more
    sample   each symbol is drawn

An answer stops at the end symbol. It has `longest` symbols at most, MOST_SYMBOLS in any case, and MOST_SEARCH
/ beam: after these only the end may follow. It has `min_length` symbols at least, and no run of `no_repeat`
symbols comes twice in it: such a symbol is passed over, as if its p were 0. Where nothing else may follow,
the end may. Of hypotheses that are equally likely the one of the better parent comes first, then that of the
lower symbol.

A stepper is called as step(tokens (N,), parents (N,), rows (N,)) -> ln p (N, V): hypothesis n adds tokens[n]
to hypothesis parents[n] of the call before, and answers example rows[n]. In the first call tokens are
`begin`, parents and rows are 0 … B - 1. Hypotheses of one example stand side by side, the likeliest first.

Source   Sutskever et al. 2014, arXiv:1409.3215 (the beam); Wu et al. 2016, arXiv:1609.08144, section 7 (the
         power of the length); Paulus et al. 2017, arXiv:1705.04304, section 2.5 (no repeated runs)
Differs  the penalty is a power of the length alone, without GNMT's constant of 5 symbols, as in fairseq
Rule     an example's answers have the bits that it has alone, if the stepper's rows have
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self, TypedDict, Unpack

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from unrolled.blocks.decoder import Decoder
from unrolled.blocks.ensemble import mean
from unrolled.errors import RunError
from unrolled.kernels.numpy.functions import power
from unrolled.kernels.numpy.heads import log_softmax

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Step = Callable[[Ints, Ints, Ints], NDArray[Any]]

BEAM, PENALTY = 5, 1.0  # unless told
MOST_BEAM, MOST_SYMBOLS, MOST_PENALTY = 1024, 1 << 14, 10
MOST_SEARCH = 1 << 20  # beam times symbols of an answer
MOST_KEPT = 1 << 27  # numbers of a step: for each hypothesis one of each symbol


class Beams(NamedTuple):
    """How a run searches for answers; `longest` None: the model says how many symbols they may have;
    `no_repeat` None: runs may repeat."""

    beam: int
    best: int
    penalty: float
    longest: int | None
    min_length: int
    no_repeat: int | None

    @classmethod
    def of(cls, about: Mapping[str, Any], symbols: int) -> Self:
        """As the description of a model of so many symbols has it. TypeError or ValueError for one that is
        none, or asks for too much."""
        beams = cls(**about)
        longest = MOST_SYMBOLS if beams.longest is None else beams.longest
        wanted = ((beams.beam, MOST_BEAM), (beams.best, MOST_BEAM), (longest, MOST_SYMBOLS))
        if not all(type(one) is int and 1 <= one <= most for one, most in wanted):
            raise ValueError(f"a search of beam {beams.beam!r:.20}, {beams.longest!r:.20} symbols")
        least, run = beams.min_length, 1 if beams.no_repeat is None else beams.no_repeat
        known = type(least) is int and type(run) is int
        if not (known and 0 <= least <= longest and 1 <= run <= MOST_SYMBOLS):
            raise ValueError(f"a search of {least!r:.20} symbols or more, runs of {run!r:.20} once")
        if beams.beam * max(beams.longest or 1, least) > MOST_SEARCH:
            raise ValueError(f"a search of beam {beams.beam} for {longest:,} symbols")
        if beams.beam * symbols > MOST_KEPT:
            raise ValueError(f"a search of beam {beams.beam} among {symbols:,} symbols")
        if type(beams.penalty) not in (int, float) or not 0 <= beams.penalty <= MOST_PENALTY:
            raise ValueError(f"a search of penalty {beams.penalty!r:.20}")
        return beams

    def search(
        self, step: Step, longest: Sequence[int], decoder: Decoder, never: Sequence[int]
    ) -> "list[list[Hypothesis]]":
        """(B,) of the answers to each example, the best first."""
        how = self._asdict() | {"begin": decoder.begin, "end": decoder.end, "never": never}
        del how["longest"]
        return beam_search(step, longest, **how)


def averaged(steps: Sequence[Step]) -> Step:
    """The stepper of several models together (blocks/ensemble.py)."""
    if len(steps) == 1:
        return steps[0]
    return lambda *asked: log_softmax(mean([step(*asked) for step in steps]))


def checked_beam(beam: Any) -> int:
    """As a saved model has it. ValueError for one that no search has."""
    if type(beam) is not int or not 1 <= beam <= MOST_BEAM:
        raise ValueError(f"a search of beam {beam!r:.20}")
    return beam


class Rules(TypedDict, total=False):
    """What no answer holds: symbols that are `never` written; fewer symbols than `min_length`; a run of
    `no_repeat` symbols twice."""

    never: Sequence[int]
    min_length: int
    no_repeat: int | None


class Hypothesis(NamedTuple):
    """`tokens` without the end; `log_p` with it."""

    tokens: tuple[int, ...]
    log_p: float
    score: float


class Answer(NamedTuple):
    """`log_p` of the text and its end; answers are ranked by `score`."""

    text: str
    log_p: float
    score: float

    @classmethod
    def of(cls, hypotheses: Sequence[Hypothesis], decode: Callable[[Sequence[int]], str]) -> list[Self]:
        return [cls(decode(one.tokens), one.log_p, one.score) for one in hypotheses]


def beam_search(
    step: Step,
    longest: Sequence[int] | Ints,
    *,
    begin: int,
    end: int,
    beam: int = 5,
    best: int = 1,
    penalty: float = PENALTY,
    **rules: Unpack[Rules],
) -> list[list[Hypothesis]]:
    """(B,) of the `best` answers of each example, or as many as were found, the largest score first.

    `longest` (B,) symbols. ValueError for a beam or best below 1; RunError where no symbol may follow.
    """
    if min(beam, best) < 1 or penalty < 0:
        raise ValueError(
            f"beam={beam}, best={best}, penalty={penalty}: wanted 1 or more of both, and a penalty from 0"
        )
    limits = np.minimum(np.asarray(longest, np.int64), min(MOST_SYMBOLS, MOST_SEARCH // beam))
    answers: list[list[Hypothesis]] = [[] for _ in limits]
    free, wanted = np.full(len(limits), beam), np.full(len(limits), -np.inf)
    kept = _Kept(len(limits), begin, end, **rules)
    while len(kept.rows):
        log_q = kept.following(step, limits)
        parents, tokens, total = _best(kept.log_p, log_q, kept.rows, free, beam)
        rows = kept.rows[parents]
        for n in np.flatnonzero(tokens == end):
            ended = answers[rows[n]]
            ended.append(kept.ended(int(parents[n]), float(total[n]), penalty))
            ended.sort(key=lambda one: -one.score)
            free[rows[n]] -= 1
            wanted[rows[n]] = ended[best - 1].score if len(ended) >= best else -np.inf
        on = tokens != end
        on[on] = _hopeful(total[on] / power(limits[rows[on]] + 1, penalty), rows[on], wanted)
        kept.take(tokens[on], parents[on], total[on])
    if not all(answers):
        raise RunError(
            "no symbol may follow: every probability is 0 or not a number; the weights are too large, train "
            "anew"
        )
    return [hypotheses[:best] for hypotheses in answers]


def sample(
    step: Step,
    longest: Sequence[int] | Ints,
    draws: Sequence[Callable[[Floats], int]],
    *,
    begin: int,
    end: int,
    **rules: Unpack[Rules],
) -> list[Hypothesis]:
    """(B,) an answer of each example, its score ln p; draws[b](ln p (V,)) gives the number of a symbol."""
    limits = np.minimum(np.asarray(longest, np.int64), MOST_SYMBOLS)
    answers: dict[int, Hypothesis] = {}
    kept = _Kept(len(limits), begin, end, **rules)
    while len(kept.rows):
        log_q = kept.following(step, limits)
        tokens = np.array([draws[b](row) for b, row in zip(kept.rows, log_q, strict=True)], np.int64)
        total = kept.log_p + log_q[np.arange(len(tokens)), tokens]
        for n in np.flatnonzero(tokens == end):
            answers[int(kept.rows[n])] = kept.ended(int(n), float(total[n]), 0.0)
        on = np.flatnonzero(tokens != end)
        kept.take(tokens[on], on, total[on])
    return [answers[b] for b in range(len(limits))]


def in_one_line(answers: Sequence[Hypothesis]) -> Floats:
    """All answers to an example: of each how many symbols it has, their numbers, ln p and score."""
    return np.array(
        [part for one in answers for part in (len(one.tokens), *one.tokens, one.log_p, one.score)]
    )


class _Kept:
    """The kept hypotheses (N,): what a stepper is called with, ln p of each, and how each came about. `paths`
    (N, t) are their symbols, where no run may repeat."""

    def __init__(
        self,
        rows: int,
        begin: int,
        end: int,
        never: Sequence[int] = (),
        min_length: int = 0,
        no_repeat: int | None = None,
    ) -> None:
        self.end, self.never, self.min_length, self.no_repeat = end, list(never), min_length, no_repeat
        self.tokens, self.parents = np.full(rows, begin), np.arange(rows)
        self.rows: Ints = np.arange(rows)
        self.log_p, self.paths = np.zeros(rows), np.empty((rows, 0), np.int64)
        self.trail = list[tuple[Ints, Ints]]()  # the symbol and the parent of each, of all steps so far

    def following(self, step: Step, limits: Ints) -> Floats:
        """ln p (N, V) in float64 of what follows each, -∞ where a symbol may not; where an example's limit
        (B,) is reached only the end may."""
        log_p = np.array(step(self.tokens, self.parents, self.rows), np.float64)
        log_p[:, self.never] = -np.inf
        if self.no_repeat is not None:
            log_p[_repeating(self.paths, self.no_repeat)] = -np.inf
        ends = log_p[:, self.end].copy()
        log_p[limits[self.rows] <= len(self.trail)] = log_p[:, self.end] = -np.inf
        early = len(self.trail) < self.min_length and (log_p > -np.inf).any(1)
        log_p[:, self.end] = np.where(early, -np.inf, ends)
        return log_p

    def take(self, tokens: Ints, parents: Ints, log_p: Floats) -> None:
        """Those parents with one symbol more."""
        if self.no_repeat is not None:
            self.paths = np.concatenate([self.paths[parents], tokens[:, None]], 1)
        self.tokens, self.parents, self.rows, self.log_p = tokens, parents, self.rows[parents], log_p
        self.trail.append((tokens, parents))

    def ended(self, at: int, log_p: float, penalty: float) -> Hypothesis:
        """The answer that hypothesis `at` has become."""
        tokens = list[int]()
        for symbols, parents in reversed(self.trail):
            tokens.append(int(symbols[at]))
            at = int(parents[at])
        return Hypothesis(tuple(reversed(tokens)), log_p, log_p / float(power(len(tokens) + 1, penalty)))


def _repeating(paths: Ints, run: int) -> tuple[Ints, Ints]:
    """paths (N, t): rows and symbols that would end a run of so many that stands in the row already."""
    t = paths.shape[1]
    if t < run:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    runs = sliding_window_view(paths, run, axis=1)
    rows, at = np.nonzero((runs[..., :-1] == paths[:, None, t - run + 1 :]).all(-1))
    return rows, runs[rows, at, -1]


def _best(log_p: Floats, following: Floats, rows: Ints, free: Ints, beam: int) -> tuple[Ints, Ints, Floats]:
    """Parents, tokens and ln p (M,) of what is kept: of each row the free[row] likeliest, in order."""
    k = min(beam, following.shape[1])
    least = np.partition(following, -k, axis=1)[:, -k, None]  # the k-th largest, and all that tie with it
    parents, tokens = np.nonzero((following >= least) & (following > -np.inf))
    total = log_p[parents] + following[parents, tokens]
    order = np.lexsort((tokens, parents, -total, rows[parents]))
    ordered = rows[parents[order]]
    rank = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    taken = order[rank < free[ordered]]
    return parents[taken], tokens[taken], total[taken]


def _hopeful(bounds: Floats, rows: Ints, wanted: Floats) -> NDArray[np.bool_]:
    """(N,) whether the example of each hypothesis has one whose score may still come above `wanted` (B,)."""
    top = np.full(len(wanted), -np.inf)
    np.maximum.at(top, rows, bounds)
    return top[rows] > wanted[rows]
