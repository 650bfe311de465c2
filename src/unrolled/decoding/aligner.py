"""Where the labels of a transcript begin and end: the best path through its states, a Gaussian each.

    ln p(x_t | s) = -½ Σ_d ((x_td - μ_sd)² / v_sd + ln v_sd) + …     v is one for all states of labels; that
                                                                     of silence the mean of this and its own:
                                                                     rooms differ from those of training
                  = A_s · [x_t, x_t²] + b_s
    path          hmm.py's, with silence before, between and after labels, on ln p

A network that learns by connectionist temporal classification says what a label is, not where: it may put a
word anywhere near it. The order of the labels and what each step is like say where. Fitted on the training
part: states equally long at first, then ROUNDS times μ, v and the moves of the paths, and paths by these. A
state's mean counts that of all labels FEW times beside its own steps.

Shapes   x (T, D), labels (L,) from 1 -> spans (L, 2): first and last step
Source   Viterbi training of hidden Markov models, Rabiner 1989, Proceedings of the IEEE 77(2)
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.codecs import padding
from unrolled.decoding import hmm
from unrolled.decoding.hmm import Counts, Moves, Topology
from unrolled.files.typed import shaped
from unrolled.kernels.numpy import heads

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Steps = NDArray[np.float32]

ROUNDS, FEW, LEAST_VARIANCE = 3, 2, 1e-2
MOST_STATES = 2
MOST_STEPS = 2**19  # of training sequences are looked at, about
# Steps times positions of what is aligned in one, and of a training sequence.
MOST_CELLS, MOST_FITTED = 2**22, 2**24
TOGETHER = 64  # sequences


@dataclass(frozen=True)
class Aligner:
    """`weight` A (S, 2 D), `bias` b (S,)."""

    topology: Topology
    weight: Array
    bias: Array
    moves: Moves

    @classmethod
    def fit(cls, rows: Sequence[Steps], transcripts: Sequence[Ints], labels: int) -> Self | None:
        """Of `rows` (T_i, D) with labels from 1 to `labels` each. None where none of them has steps enough,
        or all have too many."""
        steps, count = sum(map(len, rows)), max(1, sum(map(len, transcripts)))
        topology = Topology(labels, int(np.clip(steps // (3 * count), 1, MOST_STATES)), True)
        some = list(_chosen(rows, transcripts, topology))
        if not any(len(transcripts[i]) for i in some):
            return None
        x, said = [rows[i] for i in some], [(transcripts[i] - 1).tolist() for i in some]
        paths = [topology.even(len(row), len(one)) for row, one in zip(x, said, strict=True)]
        for n in range(ROUNDS):
            aligner = cls._of(topology, x, said, paths)
            paths = aligner._paths(x, said) if n < ROUNDS - 1 else paths
        return aligner

    @classmethod
    def _of(
        cls,
        topology: Topology,
        rows: Sequence[Steps],
        said: Sequence[Sequence[int]],
        paths: Sequence[Ints],
    ) -> Self:
        S, D = topology.size, rows[0].shape[1]
        count, sums, squares = np.zeros(S), np.zeros((S, D)), np.zeros((S, D))
        for row, one, path in zip(rows, said, paths, strict=True):
            states, x = topology.chain(one)[path], row.astype(np.float64)
            order = np.argsort(states, kind="stable")
            each, first = np.unique(states[order], return_index=True)
            count[each] += np.diff(first, append=len(states))
            sums[each] += np.add.reduceat(x[order], first)
            squares[each] += np.add.reduceat(np.square(x[order]), first)
        kinds = np.arange(S) // (S - 1)  # 0 a label's, 1 silence
        total = np.maximum([count[:-1].sum(), count[-1]], 1)[:, None]
        centre = np.stack([sums[:-1].sum(0), sums[-1]]) / total
        mean = (sums + FEW * centre[kinds]) / (count + FEW)[:, None]
        within = squares - 2 * mean * sums + count[:, None] * np.square(mean)
        spread = np.stack([within[:-1].sum(0), within[-1]]) / total
        spread[1] = spread.mean(0)
        v = np.maximum(spread, LEAST_VARIANCE)[kinds]
        bias = -0.5 * (np.square(mean) / v + heads.log(v)).sum(1)
        moves = Counts.of(topology, said, paths).moves()
        return cls(topology, np.concatenate([mean / v, -0.5 / v], 1), bias, moves)

    def fits(self, labels: int, width: int) -> bool:
        """Whether it aligns so many labels by steps of so many numbers."""
        return self.topology.labels == labels and self.weight.shape[1] == 2 * width

    def placed(self, rows: Sequence[Steps], each: Sequence[Ints], spans: Sequence[Ints]) -> list[Ints]:
        """(B,) of (L_i, 2) for labels (L_i,); as in `spans`, where a network found them, where the steps do
        not suffice. Where a sequence is too long to be aligned in one, it is cut between these."""
        parts = [part for i in range(len(rows)) for part in self._parts(i, len(rows[i]), each[i], spans[i])]
        said = [(each[part.row][part.labels] - 1).tolist() for part in parts]
        fits = [n for n, part in enumerate(parts) if said[n] and self.topology.fits(part.size, len(said[n]))]
        some = [rows[parts[n].row][parts[n].steps] for n in fits]
        out = [one.copy() for one in spans]
        for n, path in zip(fits, self._paths(some, [said[n] for n in fits]), strict=True):
            part = parts[n]
            out[part.row][part.labels] = self._spans(path, len(said[n])) + part.steps.start
        return out

    def _parts(self, row: int, T: int, labels: Ints, spans: Ints) -> Iterator["_Part"]:
        """The whole sequence, or halves of its labels so often that each is short enough."""
        waiting = [_Part(row, slice(0, len(labels)), slice(0, T))]
        while waiting:
            part = waiting.pop()
            first, last = part.labels.start, part.labels.stop
            if last - first < 2 or part.size * self.topology.positions(last - first) <= MOST_CELLS:
                yield part
                continue
            middle = (first + last) // 2
            cut = int(spans[middle - 1, 1] + spans[middle, 0] + 1) // 2
            waiting += [
                _Part(row, slice(middle, last), slice(cut, part.steps.stop)),
                _Part(row, slice(first, middle), slice(part.steps.start, cut)),
            ]

    def _spans(self, path: Ints, count: int) -> Ints:
        """(L, 2) of a path (T,) of positions."""
        at, stride = np.arange(count) * self.topology.stride + 1, self.topology.stride
        first = np.searchsorted(path, at)
        return np.stack([first, np.searchsorted(path, at + stride - 1) - 1], 1)

    def _paths(self, rows: Sequence[Steps], said: Sequence[Sequence[int]]) -> list[Ints]:
        """(B,) of (T_i,) the positions of the best paths."""
        paths: list[Ints] = [np.empty(0, np.int64)] * len(rows)
        sizes = [len(row) * self.topology.positions(len(one)) for row, one in zip(rows, said, strict=True)]
        for indices in _together(sizes):
            chain = hmm.chains(self.topology, self.moves, [said[i] for i in indices])
            P = chain.state.shape[1]
            scores = [self._scores(rows[i], chain.state[n]) for n, i in enumerate(indices)]
            everywhere = chain._replace(state=np.tile(np.arange(P), (len(indices), 1)))
            lengths = np.array([len(rows[i]) for i in indices])
            each, _ = hmm.viterbi(padding.padded(scores), lengths, everywhere)
            for i, path, length in zip(indices, each, lengths, strict=True):
                paths[i] = path[:length]
        return paths

    def _scores(self, x: Steps, states: Ints) -> Array:
        """(T, P) of ln p at each position."""
        x = x.astype(np.float64)
        features = np.concatenate([x, np.square(x)], 1)
        scores: Array = heads.linear(features, self.weight[states], self.bias[states])
        return scores

    def about(self) -> dict[str, Any]:
        return {"labels": self.topology.labels, "states": self.topology.states}

    def arrays(self) -> dict[str, NDArray[Any]]:
        stay, pause = self.moves.stay, np.array(self.moves.pause)
        return {"weight": self.weight, "bias": self.bias, "stay": stay, "pause": pause}

    @classmethod
    def restore(cls, about: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The reverse. LookupError, TypeError or ValueError for what does not fit."""
        labels, states = about["labels"], about["states"]
        if not all(type(number) is int and number >= 1 for number in (labels, states)):
            raise ValueError(f"an aligner of {labels!r:.40} labels with {states!r:.40} states")
        topology = Topology(labels, states, True)
        weight, bias = shaped(arrays["weight"], topology.size, None), shaped(arrays["bias"], topology.size)
        stay, pause = shaped(arrays["stay"], topology.size), shaped(arrays["pause"])
        if not all(np.isfinite(array).all() for array in (weight, bias)):
            raise ValueError("an aligner with a number that is not finite")
        if not all(((p > 0) & (p < 1)).all() for p in (stay, pause)):
            raise ValueError("an aligner with a probability that is not between 0 and 1")
        return cls(topology, weight, bias, Moves(stay, float(pause)))


@dataclass(frozen=True)
class _Part:
    """Some labels of a row, and the steps that they are in."""

    row: int
    labels: slice
    steps: slice

    @property
    def size(self) -> int:
        return int(self.steps.stop - self.steps.start)


def _chosen(rows: Sequence[Steps], transcripts: Sequence[Ints], topology: Topology) -> Iterator[int]:
    """The sequences to fit on: by lot those that fit, until they are many."""
    steps = 0
    for i in np.random.default_rng(0).permutation(len(rows)).tolist():
        T, L = len(rows[i]), len(transcripts[i])
        if steps < MOST_STEPS and topology.fits(T, L) and T * topology.positions(L) <= MOST_FITTED:
            steps += T
            yield i


def _together(sizes: Sequence[int]) -> Iterator[list[int]]:
    """The indices of all sequences, those of like size together, as many as memory allows."""
    some: list[int] = []
    for i in sorted(range(len(sizes)), key=lambda i: (sizes[i], i)):
        if some and (len(some) == TOGETHER or (len(some) + 1) * sizes[i] > MOST_CELLS):
            yield some
            some = []
        some.append(i)
    if some:
        yield some
