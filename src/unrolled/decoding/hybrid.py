"""From what a network says of the states of a hidden Markov model to transcripts, without torch.

    x_t[s]     = ln p(s | x_t) - ln p(s)             the likelihood of a step, but for what all states share
    P(y | x)   = Σ e^score over the paths of y / Σ e^score over all paths of all transcripts
    answer     = the path of the largest score

Scores of paths are those of hmm.py and hmm_loop.py: for P with the bigram of labels as it is, for the answer
with its weight and the bonus of a label. Labels have numbers 1 … K here and 0 … K - 1 there.

Shapes   log p (B, S, O), steps (B,) -> x (B, S, O); O = S of hmm.py
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.decoding import hmm, hmm_loop
from unrolled.decoding.ctc import Found
from unrolled.decoding.hmm import Array, Moves, Numbers, Topology
from unrolled.decoding.ngram_model import Grams
from unrolled.kernels.numpy import heads

MOST_LABELS = 4096  # the bigram is of all pairs of them, 128 MB then


class States:
    """`prior` (O,) is p(s); `grams`, of order 1 or 2, has a symbol 0 which is no label. ValueError for more
    than MOST_LABELS."""

    def __init__(self, topology: Topology, moves: Moves, prior: Array, grams: Grams | None) -> None:
        if topology.labels > MOST_LABELS:
            raise ValueError(f"{topology.labels:,} labels; at most {MOST_LABELS:,} have a bigram")
        self.topology, self.moves, self.log_prior = topology, moves, heads.log(prior)
        self.bigram = _bigram(topology.labels, grams)

    @classmethod
    def of(cls, topology: Topology, grams: Grams | None, stay: Array, pause: Array, prior: Array) -> Self:
        """Of a network's chain (blocks/transcriber.py). ValueError for arrays that do not fit."""
        if topology.states < 1 or len(stay) != topology.size:
            raise ValueError(f"{len(stay)} states; wanted {topology.size}")
        if not (all(((p > 0) & (p < 1)).all() for p in (stay, pause)) and ((prior > 0) & (prior <= 1)).all()):
            raise ValueError("a probability of the states is not between 0 and 1")
        return cls(topology, Moves(stay, float(pause)), prior, grams)

    def scaled(self, log_p: NDArray[np.floating[Any]]) -> Array:
        x: Array = log_p.astype(np.float64) - self.log_prior
        return x

    def found(
        self, log_p: NDArray[np.floating[Any]], steps: Numbers, weight: float, bonus: float
    ) -> list[Found]:
        """The answer to each row."""
        x = self.scaled(log_p)
        best = hmm_loop.decode(x, steps, self.topology, self.moves, self._grammar(weight, bonus))
        each = [one.labels for one in best]
        log_lm, log_posterior = hmm_loop.likelihood(self.bigram, each), self.log_p(x, steps, each)
        return [
            Found(np.array(one.labels, np.int64) + 1, one.score, float(log), float(lm), _spans(one.spans))
            for one, log, lm in zip(best, log_posterior, log_lm, strict=True)
        ]

    def aligned(self, x: Array, steps: Numbers, each: Sequence[Sequence[int]]) -> list[Numbers]:
        """(B,) of (S_i,) the positions on the best path of each transcript, for which its steps suffice."""
        positions: list[Numbers] = []
        for rows in self._pieces(x, each):
            chain = hmm.chains(self.topology, self.moves, each[rows])
            paths, _ = hmm.viterbi(x[rows], steps[rows], chain)
            positions += [path[:count] for path, count in zip(paths, steps[rows].tolist(), strict=True)]
        return positions

    def log_p(self, x: Array, steps: Numbers, each: Sequence[Sequence[int]]) -> Array:
        """(B,) ln P(y | x) of transcripts; minus infinity of one that no path says."""
        log_p = np.full(len(x), hmm.NEVER)
        said = np.array([self.topology.fits(int(T), len(one)) for T, one in zip(steps, each, strict=True)])
        x, steps, some = x[said], steps[said], [one for one, fits in zip(each, said, strict=True) if fits]
        if not some:
            return log_p
        g = self._grammar(1.0, 0.0)
        of_paths = [
            hmm.log_total(x[rows], steps[rows], hmm.chains(self.topology, self.moves, some[rows]))
            for rows in self._pieces(x, some)
        ]
        total = hmm_loop.log_total(x, steps, self.topology, self.moves, g)
        log_p[said] = np.minimum(np.concatenate(of_paths) + hmm_loop.likelihood(g, some) - total, 0)
        return log_p

    def _pieces(self, x: Array, each: Sequence[Sequence[int]]) -> list[slice]:
        return hmm.pieces(len(x), x.shape[1] * max(self.topology.positions(len(one)) for one in each))

    def _grammar(self, weight: float, bonus: float) -> Array:
        return hmm_loop.grammar(self.bigram, weight, bonus)


def _bigram(labels: int, grams: Grams | None) -> Array:
    """ln p (K + 1, K + 1) of the label after each, row K of the first, column K of the end; 0 where there is
    no n-gram model."""
    if grams is None:
        return np.zeros((labels + 1, labels + 1))
    if grams.order > 2 or grams.symbols != labels + 1:
        raise ValueError(f"an n-gram model of order {grams.order} for {grams.symbols} symbols")
    first, contexts = grams.next(grams.start)
    rows = [*(grams.next(context)[0] for context in contexts[1 : grams.symbols]), first]
    return np.stack(rows)[:, 1:]


def _spans(spans: Sequence[hmm.Span]) -> Numbers:
    """(L, 2) the first and the last step of each."""
    return np.array([(one.start, one.stop - 1) for one in spans], np.int64).reshape(-1, 2)
