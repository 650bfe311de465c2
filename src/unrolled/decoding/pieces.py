"""Where a long recording is cut in pieces that are answered one by one, at its quietest places, and how their
answers are joined.

    l_t = Σ_f x_tf                     how loud step t is, of log-mel bands that are scaled
    q_t = Σ_u l_u                      over the W steps around t
    c_0 = 0,  c_{i+1} = argmin q_t     over t with ⌈M/2⌉ ≤ t - c_i ≤ M and ⌈M/2⌉ or more steps behind t,
                                       the first of those that tie, while more than M steps stand behind c_i

Each piece has M steps at most, and half of them at least. Cuts stand where the k steps do that become one of
the network, and follow from the sequence alone, so that its answer does too. What is answered to the pieces,
one after another, is the answer: nothing is said twice.

Shapes   x (T, F) -> bounds (N + 1,): 0, the first step of each further piece, T
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.decoding.ctc import Found

Ints = NDArray[np.int64]


class Pieces(NamedTuple):
    """`most` M; a sequence of `whole` steps or fewer is not cut, none where that is 0; `quiet` W."""

    most: int = 0
    whole: int = 0
    quiet: int = 1


def bounds(x: NDArray[np.float32], pieces: Pieces, stride: int) -> Ints:
    """Of x that may be cut at every `stride` steps."""
    T, least = len(x), max(1, pieces.most // (2 * stride)) * stride
    if not pieces.whole or max(pieces.whole, 2 * least) >= T:
        return np.array([0, T])
    quiet, cuts = _around(_loudness(x), pieces.quiet), [0]
    while T - cuts[-1] > 2 * least:
        first, last = cuts[-1] + least, min(cuts[-1] + 2 * least, T - least)
        cuts.append(first + int(quiet[first : last + 1 : stride].argmin()) * stride)
    return np.array([*cuts, T])


def _loudness(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """(T,) the sum over features, one after another: the same bits on every processor."""
    loud = np.zeros(len(x))
    for feature in x.T:
        loud += feature
    return loud


def _around(loud: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """(T,) the sum of the `width` numbers around each, the first and the last again where some lack."""
    padded = np.pad(loud, (width // 2, width - width // 2 - 1), mode="edge")
    sums = np.concatenate([[0.0], np.cumsum(padded)])
    around: NDArray[np.float64] = sums[width:] - sums[:-width]
    return around


def joined(starts: Sequence[int], answers: Sequence[Sequence[Found]], best: int, between: int) -> list[Found]:
    """The `best` answers to the whole, of those to each of its pieces, which begin at the steps `starts`. The
    label `between`, where it is not 0, stands between the labels of two pieces, at the cut."""
    if len(answers) == 1:
        return list(answers[0])
    return [
        _one(starts, [each[k] for each, k in zip(answers, picked, strict=True)], between)
        for picked in _likeliest([[one.score for one in each] for each in answers], best)
    ]


def _likeliest(scores: Sequence[Sequence[float]], best: int) -> list[list[int]]:
    """Which answer to take of each piece, for the `best` sums; of those that tie the first ones."""
    total, picked = np.zeros(1), np.zeros((1, 0), np.int64)
    for each in scores:
        sums = (total[:, None] + np.asarray(each)).ravel()
        order = np.argsort(-sums, kind="stable")[:best]
        total = sums[order]
        picked = np.concatenate([picked[order // len(each)], (order % len(each))[:, None]], 1)
    chosen: list[list[int]] = picked.tolist()
    return chosen


def _one(starts: Sequence[int], parts: Sequence[Found], between: int) -> Found:
    labels, spans = list[Ints](), list[Ints]()
    for start, part in zip(starts, parts, strict=True):
        if between and labels and len(part.labels):
            labels.append(np.array([between]))
            spans.append(np.array([[start, start]]))
        if len(part.labels):
            labels.append(part.labels)
            spans.append(part.spans + start)
    score, log_p, log_lm = (float(sum(one)) for one in zip(*(part[1:4] for part in parts), strict=True))
    if not labels:
        return Found(np.empty(0, np.int64), score, log_p, log_lm, np.empty((0, 2), np.int64))
    return Found(np.concatenate(labels), score, log_p, log_lm, np.concatenate(spans))
