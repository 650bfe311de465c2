"""From the frames of connectionist temporal classification to labels. Needs no torch.

A path has one of K labels in each of T frames; it says the labels that are left when repeats are merged and
then blanks removed. A label sequence y has the probability of all its paths (alignments),

    p(y|x)   = Σ Π_t exp log_p[t, path_t]                over the paths that say y
    score(y) = ln p(y|x) + α ln p_lm(y · end) + β |y|    α lm_weight, β label_bonus, p_lm: ngram_model.py

    greedy   the labels of the one likeliest path
    beam     prefix beam search for the y of largest score: exact where the beam holds every prefix
    align    the likeliest alignment of a given y

Of the same score, a shorter y stands first, then that whose first labels are lower. A search is exact in what
it holds, but it forgets alignments whose prefix was dropped on the way: `log_p` is ln p(y|x) or less. So the
best of an exhaustive beam scores no lower than that of any narrower beam; between two narrow ones the wider
nearly always finds no less, but no law says so. A beam of 1 follows one prefix with all its alignments, and
may answer better or worse than `greedy`, which follows one alignment.

Rows come in batches: every answer has the bits that it has alone. Where the kernels are compiled they search,
else prefix_search.py does, with the same bits.

Shapes   log_p (T, K) float32 or float64 -> labels (L,) int64, spans (L, 2) int64: first and last frame
Raises   ValueError for shapes that do not fit, a beam below 1, NaN or +∞ among the frames
Source   Graves et al. 2006, doi:10.1145/1143844.1143891; Graves 2012, doi:10.1007/978-3-642-24797-2;
         Hannun et al. 2014, arXiv:1408.2873
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.decoding.prefix_search import Options, Prefix, PrefixSearch, aligned
from unrolled.kernels import dispatch
from unrolled.kernels.compiled import cpu as _cpu

Ints = NDArray[np.int64]
Array = NDArray[Any]

MOST_WEIGHT = 1e6
COMPILED = dispatch.MISSING is None


class Found(NamedTuple):
    """An answer: score = log_p + α log_lm + β L. `spans` (L, 2) are those of its likeliest alignment."""

    labels: Ints
    score: float
    log_p: float
    log_lm: float
    spans: Ints


class CompiledSearch:
    """PrefixSearch in cpu/ctc.cpp. The arrays of n-grams and lexicon are held, not copied."""

    def __init__(self, K: int, options: Options) -> None:
        grams, lexicon = options.grams, options.lexicon
        words = ("first", "labels", "targets", "final")
        self.search = _cpu.ctc_search(
            K,
            options.blank,
            options.beam,
            options.lm_weight,
            options.label_bonus,
            options.least,
            0 if grams is None else grams.start,
            None if grams is None else grams.arrays(),
            None if lexicon is None else {name: getattr(lexicon, name) for name in words},
        )

    def add(self, log_p: NDArray[np.float64]) -> None:
        _cpu.ctc_add([self.search], [log_p], threads=1)

    def best(self, most: int) -> list[Prefix]:
        return [Prefix(np.array(labels, np.int64), *scores) for labels, *scores in self.search.best(most)]


def greedy(log_p: Array, blank: int) -> tuple[Ints, Ints]:
    """log_p (T, K) -> labels (L,), spans (L, 2) of the likeliest path. Of labels that tie in a frame, the
    lowest."""
    frames = _frames(log_p, blank)
    path = frames.argmax(1) if len(frames) else np.empty(0, np.int64)
    starts = np.flatnonzero(np.diff(path, prepend=blank))
    ends = np.append(starts, len(path))[1:] - 1
    labelled = path[starts] != blank
    return path[starts][labelled], np.stack([starts, ends], 1)[labelled]


def beams(
    log_p: Array, lengths: Sequence[int] | Ints, options: Options, best: int = 1, threads: int = 1
) -> list[list[Found]]:
    """log_p (B, T, K), lengths (B,) -> at most `best` answers to each row, the best first; none where nothing
    has a probability. What stands beyond a length is never read."""
    if log_p.ndim != 3 or len(lengths) != len(log_p):
        raise ValueError(f"log_p is {log_p.shape} for {len(lengths)} lengths; wanted (B, T, K) and (B,)")
    for row, length in enumerate(lengths):
        if not 0 <= length <= log_p.shape[1]:
            raise ValueError(f"row {row} has length {length}; wanted 0 to {log_p.shape[1]}")
    if best < 1:
        raise ValueError(f"wanted 1 answer or more, got {best}")
    rows = [_frames(row[:length], options.blank) for row, length in zip(log_p, lengths, strict=True)]
    searches = [searching(log_p.shape[2], options) for _ in rows]
    _add(searches, rows, threads)
    return [
        [Found(*prefix, align(row, prefix.labels, options.blank)) for prefix in search.best(best)]
        for search, row in zip(searches, rows, strict=True)
    ]


def searching(K: int, options: Options) -> CompiledSearch | PrefixSearch:
    """Before the first frame, of K labels each."""
    blank, beam, grams, weight, bonus, lexicon, least = options
    if beam < 1 or not 0 <= blank < K:
        raise ValueError(f"wanted a beam of 1 or more and a blank in [0, {K}), got {beam} and {blank}")
    for name, known in (("n-grams", grams), ("lexicon", lexicon)):
        if known is not None and known.symbols != K:
            raise ValueError(f"the {name} know {known.symbols} labels, the frames {K}")
    if not (abs(weight) <= MOST_WEIGHT and abs(bonus) <= MOST_WEIGHT and least <= np.inf):
        wanted = f"weights of {MOST_WEIGHT:g} or less and a least log-probability"
        raise ValueError(f"wanted {wanted}, got {weight}, {bonus} and {least}")
    return CompiledSearch(K, options) if COMPILED else PrefixSearch(K, options)


def _add(
    searches: Sequence[CompiledSearch | PrefixSearch], rows: Sequence[NDArray[np.float64]], threads: int
) -> None:
    """Frames (T_i, K) to search i, rows on `threads` threads where the kernels are compiled."""
    compiled = [search.search for search in searches if isinstance(search, CompiledSearch)]
    if compiled:
        _cpu.ctc_add(compiled, list(rows), threads=threads)
        return
    for search, row in zip(searches, rows, strict=True):
        search.add(row)


def align(log_p: Array, labels: Sequence[int] | Ints, blank: int) -> Ints:
    """log_p (T, K), labels (L,) -> (L, 2) the first and last frame of each label in the likeliest alignment;
    of those that tie, the one that, from the last frame backwards, stays longest where it is, and ends in a
    label rather than a blank.

    ValueError where T frames cannot say so many labels, or no alignment has a probability.
    """
    x = _frames(log_p, blank)
    wanted = np.ascontiguousarray(labels, np.int64)
    if len(wanted) and not (wanted.min() >= 0 and wanted.max() < x.shape[1] and (wanted != blank).all()):
        raise ValueError(f"wanted labels in [0, {x.shape[1]}) without the blank {blank}")
    least = needed(wanted)
    if least > len(x):
        raise ValueError(
            f"{len(wanted)} labels need {least} frames or more, a blank between equal ones; got {len(x)}"
        )
    spans = np.empty((len(wanted), 2), np.int64)
    if not len(wanted):
        return spans
    if COMPILED:
        _cpu.ctc_align(x, wanted, blank, spans)
    else:
        spans = aligned(x, wanted, blank)
    if (spans < 0).any():
        raise ValueError("no alignment of the labels has a probability above 0")
    return spans


def needed(labels: Sequence[int] | Ints) -> int:
    """How many frames can just say `labels`: one for each, and a blank between equal neighbours."""
    y = np.asarray(labels)
    return len(y) + int((y[1:] == y[:-1]).sum())


def _frames(log_p: Array, blank: int) -> NDArray[np.float64]:
    if log_p.ndim != 2 or log_p.dtype not in (np.float32, np.float64):
        raise ValueError(f"log_p is {log_p.shape} of {log_p.dtype}; wanted (T, K) of float32 or float64")
    if not 0 <= blank < log_p.shape[1]:
        raise ValueError(f"wanted a blank in [0, {log_p.shape[1]}), got {blank}")
    if not (log_p < np.inf).all():
        raise ValueError("log_p holds NaN or +∞")
    return np.ascontiguousarray(log_p, np.float64)
