"""The compiled prefix search and alignment against their twins in plain Python: the same bits."""

import math

import numpy as np
import pytest

from unrolled.decoding import ctc
from unrolled.decoding.lexicon import Lexicon
from unrolled.decoding.ngram_model import Grams
from unrolled.decoding.prefix_search import NEVER, Options, PrefixSearch, aligned, log_add

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def frames(T, K, seed, peak, forbid=0.0):
    draw = np.random.default_rng([T, K, seed])
    x = peak * draw.normal(size=(T, K))
    x[draw.random((T, K)) < forbid] = -np.inf
    x -= np.logaddexp.reduce(np.append(x, np.full((T, 1), -9.0), 1), axis=1, keepdims=True)
    return x.astype(np.float32).astype(np.float64)


def grams(K, order, seed):
    draw = np.random.default_rng([K, order, seed])
    return Grams.fit([draw.integers(0, K, size) for size in draw.integers(0, 12, 40)], order, K)


def lexicon(K, blank, seed):
    """Of words in the labels but the blank, the last of which is the space."""
    symbols = [" " if k == K - 1 else LETTERS[k] for k in range(K)]
    symbols[blank] = "<blank>"
    draw, letters = np.random.default_rng([K, seed]), [one for one in symbols if len(one) == 1 and one != " "]
    words = ["".join(draw.choice(letters, draw.integers(1, 5))) for _ in range(9)] if letters else [" "]
    return Lexicon.spelled(symbols, words)


def bits(hypotheses):
    return [(one.labels.tolist(), one.score, one.log_p, one.log_lm) for one in hypotheses]


def assert_twins_agree(x, options):
    kinds = [kind(x.shape[1], options) for kind in (ctc.CompiledSearch, PrefixSearch)]
    cut = len(x) // 3
    for part in (x[:cut], x[cut:]):
        for search in kinds:
            search.add(np.ascontiguousarray(part))
        hypotheses, want = (bits(search.best(options.beam + 1)) for search in kinds)
        assert hypotheses == want
    return hypotheses


@pytest.mark.parametrize("seed", range(60))
def test_random_searches_have_the_same_bits(seed):
    draw = np.random.default_rng(seed)
    T, K, beam = int(draw.integers(0, 40)), int(draw.integers(1, 9)), int(draw.integers(1, 20))
    blank = int(draw.integers(0, K))
    x = frames(T, K, seed, peak=draw.choice([0.0, 1.0, 4.0]), forbid=draw.choice([0.0, 0.3]))
    least = float(draw.choice([NEVER, -3.0]))
    weights = float(draw.normal()), float(draw.normal())
    model = grams(K, int(draw.integers(1, 5)), seed) if draw.random() < 0.6 else None
    words = lexicon(K, blank, seed) if K > 2 and blank < K - 1 and draw.random() < 0.5 else None
    for one in assert_twins_agree(x, Options(blank, beam, model, *weights, words, least)):
        spans = np.empty((len(one[0]), 2), np.int64)
        if len(spans):
            spans = ctc.align(x, one[0], blank)
        assert words is None or words.accepts(one[0])
        assert not len(spans) or np.array_equal(spans, aligned(x, one[0], blank))


def test_a_tree_that_forgets_keeps_every_bit():
    """Flat frames make several thousand prefixes, more than are kept before the first are forgotten."""
    hypotheses = assert_twins_agree(frames(900, 12, 0, peak=0.7), Options(3, 14, None, 0.0, 0.4))
    assert len(hypotheses) == 14 and len(hypotheses[0][0]) > 100


def test_many_labels_share_no_row_of_the_n_grams():
    hypotheses = assert_twins_agree(frames(60, 25, 1, peak=1.0), Options(0, 9, grams(25, 3, 1), 0.7, 0.1))
    assert len({tuple(one[0]) for one in hypotheses}) == 9


@pytest.mark.parametrize("base", [0.0, -3.7, -700.0])
def test_sums_of_logarithms_are_right_to_the_last_digits(base):
    for d in [0.0, 1e-300, 1e-9, 0.3, math.log(2), 1.0, 7.7, 36.0, 39.99, 40.0, 745.0, math.inf]:
        want = base + math.log1p(math.exp(-d))
        assert log_add(base, base - d) == log_add(base - d, base) == pytest.approx(want, rel=4e-16, abs=4e-16)
    assert log_add(-math.inf, -math.inf) == -math.inf
