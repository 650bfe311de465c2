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

Frames may come in pieces, and rows in batches: every answer has the bits that it has whole and alone. Where
the kernels are compiled they search, else prefixes.py does, with the same bits.

Shapes   log_p (T, K) float32 or float64 -> labels (L,) int64, spans (L, 2) int64: first and last frame
Raises   ValueError for shapes that do not fit, a beam below 1, NaN or +∞ among the frames
Source   Graves et al. 2006, doi:10.1145/1143844.1143891; Graves 2012, doi:10.1007/978-3-642-24797-2;
         Hannun et al. 2014, arXiv:1408.2873
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unrolled.decoding.lexicon import Lexicon
from unrolled.decoding.ngram_model import Grams
from unrolled.decoding.prefix_search import NEVER, Options, Prefix, PrefixSearch, aligned
from unrolled.kernels import dispatch
from unrolled.kernels.compiled import cpu as _cpu

Ints = NDArray[np.int64]
Array = NDArray[Any]

LM_WEIGHT = 0.5
LABEL_BONUS = 0.0
MOST_WEIGHT = 1e6
COMPILED = dispatch.MISSING is None


class Found(NamedTuple):
    """An answer: score = log_p + α log_lm + β L. `spans` (L, 2) are those of its likeliest alignment."""

    labels: Ints
    score: float
    log_p: float
    log_lm: float
    spans: Ints


class Greedy:
    """The likeliest path, of frames that come in pieces. Of labels that tie in a frame, the lowest."""

    def __init__(self, blank: int) -> None:
        self.blank, self.last, self.frames = blank, blank, 0
        self.labels: list[int] = []
        self.spans: list[list[int]] = []

    def add(self, log_p: Array) -> Ints:
        """(N,) the labels that begin in these frames (t, K)."""
        path = _frames(log_p, self.blank).argmax(1) if len(log_p) else np.empty(0, np.int64)
        before = len(self.labels)
        for t, label in enumerate(path.tolist(), start=self.frames):
            if label != self.blank and label != self.last:
                self.labels.append(label)
                self.spans.append([t, t])
            elif label != self.blank:
                self.spans[-1][1] = t
            self.last = label
        self.frames += len(path)
        return np.array(self.labels[before:], np.int64)

    def best(self) -> tuple[Ints, Ints]:
        """labels (L,), spans (L, 2) of all frames so far."""
        return np.array(self.labels, np.int64), np.array(self.spans, np.int64).reshape(-1, 2)


class CompiledSearch:
    """prefixes.PrefixSearch in cpu/ctc.cpp. The arrays of n-grams and lexicon are held, not copied."""

    def __init__(self, K: int, options: Options, grams: Grams | None, lexicon: Lexicon | None) -> None:
        words = ("first", "labels", "targets", "final")
        self.own = _cpu.ctc_search(
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
        _cpu.ctc_add([self.own], [log_p], threads=1)

    def best(self, most: int) -> list[Prefix]:
        return [Prefix(np.array(labels, np.int64), *scores) for labels, *scores in self.own.best(most)]


class Beam:
    """Prefix beam search over frames of K labels that come in pieces: see `beam`."""

    def __init__(
        self,
        K: int,
        blank: int,
        beam: int,
        grams: Grams | None = None,
        lm_weight: float = LM_WEIGHT,
        label_bonus: float = LABEL_BONUS,
        lexicon: Lexicon | None = None,
        least: float = NEVER,
    ) -> None:
        if beam < 1 or not 0 <= blank < K:
            raise ValueError(f"wanted a beam of 1 or more and a blank in [0, {K}), got {beam} and {blank}")
        for name, own in (("n-grams", grams), ("lexicon", lexicon)):
            if own is not None and own.symbols != K:
                raise ValueError(f"the {name} know {own.symbols} labels, the frames {K}")
        if not (abs(lm_weight) <= MOST_WEIGHT and abs(label_bonus) <= MOST_WEIGHT and least <= np.inf):
            wanted = f"weights of {MOST_WEIGHT:g} or less and a least log-probability"
            raise ValueError(f"wanted {wanted}, got {lm_weight}, {label_bonus} and {least}")
        self.K, self.blank = K, blank
        options = Options(blank, beam, lm_weight, label_bonus, least)
        kind = CompiledSearch if COMPILED else PrefixSearch
        self.search: CompiledSearch | PrefixSearch = kind(K, options, grams, lexicon)

    def add(self, log_p: Array) -> None:
        """The next frames (t, K)."""
        self.search.add(_frames(log_p, self.blank, self.K))

    def best(self, most: int = 1) -> list[Prefix]:
        """The best answers to all frames so far, at most `most`; none where nothing has a probability."""
        if most < 1:
            raise ValueError(f"wanted 1 answer or more, got {most}")
        return self.search.best(most)


def greedy(log_p: Array, blank: int) -> tuple[Ints, Ints]:
    """log_p (T, K) -> labels (L,), spans (L, 2) of the likeliest path."""
    path = Greedy(blank)
    path.add(log_p)
    return path.best()


def beam(
    log_p: Array,
    blank: int,
    beam: int,
    best: int = 1,
    grams: Grams | None = None,
    lm_weight: float = LM_WEIGHT,
    label_bonus: float = LABEL_BONUS,
    lexicon: Lexicon | None = None,
    least: float = NEVER,
) -> list[Found]:
    """log_p (T, K) -> at most `best` answers, the best first; none where nothing has a probability.

    In each frame `beam` prefixes are kept; with a lexicon one more where none of these is complete, so that
    there is an answer. A label below `least` in a frame begins nothing there, which is faster and no longer
    exact; by default none is left out.
    """
    lengths = np.array([len(log_p)])
    options = grams, lm_weight, label_bonus, lexicon, least
    return beams(np.asarray(log_p)[None], lengths, blank, beam, best, *options)[0]


def beams(
    log_p: Array,
    lengths: Sequence[int] | Ints,
    blank: int,
    beam: int,
    best: int = 1,
    grams: Grams | None = None,
    lm_weight: float = LM_WEIGHT,
    label_bonus: float = LABEL_BONUS,
    lexicon: Lexicon | None = None,
    least: float = NEVER,
    threads: int = 1,
) -> list[list[Found]]:
    """log_p (B, T, K), lengths (B,) -> the answers of `beam` for each row. What stands beyond a length is
    never read."""
    if log_p.ndim != 3 or len(lengths) != len(log_p):
        raise ValueError(f"log_p is {log_p.shape} for {len(lengths)} lengths; wanted (B, T, K) and (B,)")
    for row, length in enumerate(lengths):
        if not 0 <= length <= log_p.shape[1]:
            raise ValueError(f"row {row} has length {length}; wanted 0 to {log_p.shape[1]}")
    each = [_frames(row[:length], blank) for row, length in zip(log_p, lengths, strict=True)]
    options = grams, lm_weight, label_bonus, lexicon, least
    searches = [Beam(log_p.shape[2], blank, beam, *options) for _ in each]
    _add(searches, each, threads)
    return [
        [Found(*one, align(own, one.labels, blank)) for one in search.best(best)]
        for search, own in zip(searches, each, strict=True)
    ]


def _add(searches: Sequence[Beam], each: Sequence[NDArray[np.float64]], threads: int) -> None:
    """Frames (T_i, K) to search i, rows on `threads` threads where the kernels are compiled."""
    compiled = [one.search for one in searches if isinstance(one.search, CompiledSearch)]
    if len(compiled) == len(searches):
        _cpu.ctc_add([one.own for one in compiled], list(each), threads=threads)
        return
    for search, own in zip(searches, each, strict=True):
        search.add(own)


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
    own = np.asarray(labels)
    return len(own) + int((own[1:] == own[:-1]).sum())


def _frames(log_p: Array, blank: int, K: int | None = None) -> NDArray[np.float64]:
    if log_p.ndim != 2 or log_p.dtype not in (np.float32, np.float64) or K not in (None, log_p.shape[1]):
        wanted = f"(T, {K or 'K'}) of float32 or float64"
        raise ValueError(f"log_p is {log_p.shape} of {log_p.dtype}; wanted {wanted}")
    if not 0 <= blank < log_p.shape[1]:
        raise ValueError(f"wanted a blank in [0, {log_p.shape[1]}), got {blank}")
    if not (log_p < np.inf).all():
        raise ValueError("log_p holds NaN or +∞")
    return np.ascontiguousarray(log_p, np.float64)
