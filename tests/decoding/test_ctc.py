"""CTC decoding against every path there is: sums, n-grams, lexica, ties; laws bit by bit."""

import itertools
import math

import numpy as np
import pytest

from unrolled.decoding import ctc
from unrolled.decoding.lexicon import Lexicon
from unrolled.decoding.ngram_model import Grams
from unrolled.decoding.prefix_search import Options

# (T, K, blank): odd on purpose; one frame, one label beside the blank, the blank alone.
CASES = [(1, 3, 0), (5, 2, 1), (4, 4, 2), (6, 3, 0), (7, 3, 2), (3, 1, 0), (0, 3, 1)]
WIDE = 10**4


@pytest.fixture(autouse=True, params=["compiled", "plain"])
def kind(request, monkeypatch):
    monkeypatch.setattr(ctc, "COMPILED", request.param == "compiled")


def beam(x, blank, size, best=1, *more, **options):
    """The answers to one row."""
    return ctc.beams(x[None], [len(x)], Options(blank, size, *more, **options), best)[0]


def drawn(T, K, seed=0, forbid=0.0, peak=1.5):
    """log_p (T, K) that add up to one in each frame, some of them -∞."""
    draw = np.random.default_rng([T, K, seed])
    x = peak * draw.normal(size=(T, K))
    x[draw.random((T, K)) < forbid] = -np.inf
    x[:, :1][np.isneginf(x).all(1)] = 0.0
    return x - np.logaddexp.reduce(x, axis=1, keepdims=True)


def said(path, blank):
    return tuple(label for label, _ in itertools.groupby(path) if label != blank)


def every_answer(x, blank):
    """{labels: (ln p, the likeliest path's log p)} over all paths in float64."""
    sums, most = {}, {}
    for path in itertools.product(range(x.shape[1]), repeat=len(x)):
        p = math.fsum(x[t, k] for t, k in enumerate(path)) if len(x) else 0.0
        if p > -math.inf:
            labels = said(path, blank)
            sums.setdefault(labels, []).append(math.exp(p))
            most[labels] = max(most.get(labels, -math.inf), p)
    return {labels: (math.log(math.fsum(terms)), most[labels]) for labels, terms in sums.items()}


def ranked(x, blank, grams=None, alpha=0.0, beta=0.0, accepts=lambda labels: True):
    """[(score, labels, log_p, log_lm)] of every answer, the best first."""
    hypotheses = []
    for labels, (log_p, _) in every_answer(x, blank).items():
        log_lm = 0.0 if grams is None else grams.score(labels)
        if accepts(labels):
            hypotheses.append((log_p + alpha * log_lm + beta * len(labels), labels, log_p, log_lm))
    return sorted(hypotheses, key=lambda one: (-one[0], len(one[1]), one[1]))


def assert_all_found(hypotheses, want):
    """The same answers with the same numbers, but for roundings of sums of numbers around ten."""
    numbers = {tuple(one.labels.tolist()): (one.score, one.log_p, one.log_lm) for one in hypotheses}
    assert len(hypotheses) == len(numbers) == len(want)
    for score, labels, log_p, log_lm in want:
        np.testing.assert_allclose(numbers[labels], (score, log_p, log_lm), rtol=0, atol=1e-12)
    assert [one.score for one in hypotheses] == sorted((one.score for one in hypotheses), reverse=True)


def grams_for(K, order=3, seed=0):
    draw = np.random.default_rng([K, order, seed])
    sequences = [draw.integers(0, K, size) for size in draw.integers(0, 9, 25)]
    return Grams.fit(sequences, order, K)


@pytest.mark.parametrize("forbid", [0.0, 0.3])
@pytest.mark.parametrize(("T", "K", "blank"), CASES)
def test_a_wide_beam_finds_every_answer(T, K, blank, forbid):
    x = drawn(T, K, forbid=forbid)
    hypotheses = beam(x, blank, WIDE, WIDE)
    assert_all_found(hypotheses, ranked(x, blank))
    # As long as it is no answer that has been dropped, all of p is shared out.
    assert math.fsum(math.exp(one.log_p) for one in hypotheses) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(("T", "K", "blank"), CASES)
def test_a_wide_beam_finds_every_answer_with_n_grams(T, K, blank, order):
    x, grams = drawn(T, K, forbid=0.1), grams_for(K, order)
    hypotheses = beam(x, blank, WIDE, WIDE, grams, 0.7, 0.3)
    assert_all_found(hypotheses, ranked(x, blank, grams, 0.7, 0.3))


SYMBOLS = ("<blank>", "a", " ", "b")
WORDS = ("a", "ab", "bab", "bb")


def spells(labels):
    """Whether labels of SYMBOLS are words of WORDS with one space between any two."""
    text = "".join(SYMBOLS[label] for label in labels)
    return text == "" or all(word in WORDS for word in text.split(" "))


@pytest.mark.parametrize("weight", [0.0, 0.6])
@pytest.mark.parametrize("T", [1, 4, 6])
def test_a_wide_beam_finds_every_answer_of_a_lexicon(T, weight):
    x, grams, lexicon = drawn(T, 4), grams_for(4), Lexicon.spelled(SYMBOLS, WORDS)
    hypotheses = beam(x, 0, WIDE, WIDE, grams, weight, lexicon=lexicon)
    want = ranked(x, 0, grams, weight, accepts=spells)
    assert_all_found(hypotheses, want)
    assert 1 < len(want) < len(ranked(x, 0))


def test_whole_words_are_kept_to_those_allowed():
    x, lexicon = drawn(5, 4), Lexicon.allowed(SYMBOLS, ["b", " "])
    want = ranked(x, 0, accepts=lambda labels: set(labels) <= {2, 3})
    assert_all_found(beam(x, 0, WIDE, WIDE, lexicon=lexicon), want)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_answer_of_a_narrow_beam_is_complete(size):
    lexicon = Lexicon.spelled(SYMBOLS, ["abba"])
    for seed in range(20):
        hypotheses = beam(drawn(9, 4, seed), 0, size, size, lexicon=lexicon)
        assert hypotheses and all(lexicon.accepts(one.labels) for one in hypotheses)


def test_no_beam_scores_its_best_above_the_exhaustive_one_nor_any_answer_above_its_sum():
    lost = 0
    for seed in range(30):
        x, grams = drawn(6, 4, seed, forbid=0.1), grams_for(4, 2, seed)
        want = {labels: log_p for _, labels, log_p, _ in ranked(x, 1)}
        best = beam(x, 1, WIDE, 1, grams, 0.5)[0].score
        for size in range(1, 12):
            hypotheses = beam(x, 1, size, size, grams, 0.5)
            assert len(hypotheses) <= size and hypotheses[0].score <= best + 1e-12
            assert all(one.log_p <= want[tuple(one.labels.tolist())] + 1e-12 for one in hypotheses)
            lost += hypotheses[0].score < best - 1e-9
    assert lost  # else narrow beams were not narrow


def test_least_leaves_out_what_begins_with_less():
    x = np.log([[0.6, 0.3, 0.1], [0.5, 0.25, 0.25]])
    hypotheses = beam(x, 0, WIDE, WIDE, least=math.log(0.2))
    assert {tuple(one.labels) for one in hypotheses} == {(), (1,), (2,), (1, 2)}
    only = next(one for one in hypotheses if tuple(one.labels) == (2,))
    assert only.log_p == pytest.approx(math.log(0.6 * 0.25))
    assert beam(x, 0, WIDE, WIDE, least=-99.0)[0].score == beam(x, 0, WIDE, WIDE)[0].score


def test_of_answers_that_tie_the_shorter_then_the_lower_is_first():
    x = np.zeros((2, 3))
    hypotheses = beam(x, 0, WIDE, WIDE)
    # 2 frames: one path says (), three say (1,), three (2,), one each (1, 2) and (2, 1).
    assert [tuple(one.labels.tolist()) for one in hypotheses] == [(1,), (2,), (), (1, 2), (2, 1)]
    # Of the three prefixes that tie after the first frame, (2,) is dropped.
    assert [tuple(one.labels.tolist()) for one in beam(x, 0, 2, 2)] == [(1,), ()]
    x[0, 1:] = -np.inf
    assert [tuple(one.labels.tolist()) for one in beam(x, 0, 2, 9)] == [(), (1,)]


def test_where_nothing_has_a_probability_there_is_no_answer():
    assert beam(np.full((2, 3), -np.inf), 0, 4, 4) == []


@pytest.mark.parametrize(("T", "K", "blank"), CASES)
def test_greedy_is_the_likeliest_path(T, K, blank):
    for seed in range(5):
        x = drawn(T, K, seed)
        paths = itertools.product(range(K), repeat=T)
        path = max(paths, key=lambda path: sum(x[t, k] for t, k in enumerate(path)))
        labels, spans = ctc.greedy(x, blank)
        assert tuple(labels.tolist()) == said(path, blank)
        runs = [(k, [t for t, _ in group]) for k, group in itertools.groupby(enumerate(path), lambda p: p[1])]
        assert spans.tolist() == [[ts[0], ts[-1]] for k, ts in runs if k != blank]


def test_spans_are_those_of_the_likeliest_alignment():
    tried = 0
    for seed, (T, K, blank) in itertools.product(range(3), CASES):
        x = drawn(T, K, seed, forbid=0.1)
        for labels, (_, most) in every_answer(x, blank).items():
            spans = ctc.align(x, labels, blank)
            path = np.full(T, blank)
            for label, (first, last) in zip(labels, spans, strict=True):
                assert (path[first : last + 1] == blank).all() and first <= last
                path[first : last + 1] = label
            assert said(path.tolist(), blank) == labels
            assert x[np.arange(T), path].sum() == pytest.approx(most, abs=1e-12)
            tried += len(labels) > 1
    assert tried > 100


def test_of_alignments_that_tie_one_stays_longest_from_the_end():
    assert ctc.align(np.zeros((5, 3)), [1, 2], 0).tolist() == [[0, 0], [1, 4]]
    assert ctc.align(np.zeros((5, 3)), [1, 1], 0).tolist() == [[0, 0], [2, 4]]


def test_answers_carry_their_alignment():
    x = drawn(9, 4)
    for one in beam(x, 0, 5, 5):
        assert one.spans.tolist() == ctc.align(x, one.labels, 0).tolist()


def bits(hypotheses):
    return [(one.labels.tolist(), one.score, one.log_p, one.log_lm) for one in hypotheses]


OPTIONS = {
    "plain": {},
    "n-grams": {"grams": grams_for(4), "lm_weight": 0.8, "label_bonus": 0.25},
    "lexicon": {"grams": grams_for(4), "lexicon": Lexicon.spelled(SYMBOLS, WORDS)},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("cuts", [(1,), (13,), (0, 5, 5, 38), tuple(range(1, 41))])
def test_pieces_equal_the_whole(options, cuts):
    x = drawn(41, 4, peak=2.5).astype(np.float32)
    whole = beam(x, 0, 7, 7, **options)
    search = ctc.searching(4, Options(0, 7, **options))
    for part in np.split(x.astype(np.float64), cuts):
        search.add(part)
    assert bits(search.best(7)) == bits(whole)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_rows_of_a_batch_have_the_bits_they_have_alone(options, threads):
    lengths = [23, 0, 1, 40, 17]
    x = np.full((5, 40, 4), np.nan, np.float32)
    for b, length in enumerate(lengths):
        x[b, :length] = drawn(length, 4, b, peak=2.5)
    hypotheses = ctc.beams(x, lengths, Options(0, 6, **options), 6, threads=threads)
    for b, length in enumerate(lengths):
        alone = beam(x[b, :length].copy(), 0, 6, 6, **options)
        assert bits(hypotheses[b]) == bits(alone) and alone
        assert [one.spans.tolist() for one in hypotheses[b]] == [one.spans.tolist() for one in alone]


def test_what_does_not_fit_is_refused():
    x = drawn(4, 3)
    nan, two = x.copy(), [1, 2]
    nan[2, 1] = np.nan
    for call, said_so in {
        "beam of 1": lambda: beam(x, 0, 0, 1),
        "1 answer or more": lambda: beam(x, 0, 1, 0),
        "a blank in": lambda: beam(x, 3, 1, 1),
        "blank in .0, 3": lambda: ctc.greedy(x, -1),
        "weights of": lambda: beam(x, 0, 1, lm_weight=math.nan),
        "NaN": lambda: beam(nan, 0, 1, 1),
        "float32 or float64": lambda: ctc.greedy(x.astype(np.int64), 0),
        "n-grams know 4": lambda: beam(x, 0, 1, 1, grams_for(4)),
        "lexicon know 4": lambda: beam(x, 0, 1, 1, lexicon=Lexicon.spelled(SYMBOLS, WORDS)),
        "wanted .B, T, K": lambda: ctc.beams(x, [4], Options(0, 1)),
        "length 5": lambda: ctc.beams(x[None], [5], Options(0, 1)),
        "need 5 frames": lambda: ctc.align(x, [1, 1, 2, 1], 0),
        "without the blank": lambda: ctc.align(x, [0], 0),
        "no alignment": lambda: ctc.align(np.full((3, 3), -np.inf), two, 0),
    }.items():
        with pytest.raises(ValueError, match=call):
            said_so()
