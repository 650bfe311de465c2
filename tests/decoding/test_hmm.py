"""Hidden Markov models against the sum and the maximum over all paths, each added up by its durations."""

import itertools
import time
from math import log

import numpy as np
import pytest

from unrolled.decoding import hmm, hmm_loop
from unrolled.decoding.hmm import Counts, Moves, Topology
from unrolled.decoding.hmm_loop import decode, grammar, log_total

from .paths import spans_on

K = 3
TOPOLOGIES = [Topology(K, n, silence) for n in (1, 2, 3) for silence in (False, True)]
TRANSCRIPTS = [(1,), (2, 2), (0, 2, 1)]


@pytest.fixture(params=TOPOLOGIES, ids=lambda one: f"{one.states} states{', silence' * one.silence}")
def topology(request):
    return request.param


def drawn(topology, T, rows=1, seed=0):
    """x (B, T, S), moves and g, nothing of them alike."""
    draw = np.random.default_rng([seed, topology.size])
    moves = Moves(draw.uniform(0.2, 0.8, topology.size), 0.3)
    return draw.normal(scale=2, size=(rows, T, topology.size)), moves, draw.normal(size=(K + 1, K + 1))


def compositions(T, parts):
    for cuts in itertools.combinations(range(1, T), parts - 1):
        yield np.diff([0, *cuts, T])


def every_path(topology, moves, x, transcript):
    """(score, position at each frame) of all paths of one recording (T, S)."""
    n, quiet, L = topology.states, topology.labels * topology.states, len(transcript)
    for pauses in itertools.product([False, True], repeat=L + 1) if topology.silence else [None]:
        positions, states, gaps = [], [], 0.0
        for j in range(L + 1):
            if pauses is not None:
                gaps += log(moves.pause) if pauses[j] else log(1 - moves.pause)
                if pauses[j]:
                    positions.append(j * (n + 1))
                    states.append(quiet)
            if j < L:
                first = j * (n + topology.silence) + topology.silence
                positions += range(first, first + n)
                states += [transcript[j] * n + i for i in range(n)]
        if not states:
            continue
        for durations in compositions(len(x), len(states)):
            path, at = np.repeat(states, durations), np.repeat(positions, durations)
            a = moves.stay[states]
            score = gaps + ((durations - 1) * np.log(a) + np.log(1 - a)).sum()
            yield score + x[np.arange(len(x)), path].sum(), at


def log_sum(scores):
    return np.logaddexp.reduce(np.array(list(scores)), initial=-np.inf)


def every_transcript(topology, T):
    most = T // topology.states
    yield from itertools.chain.from_iterable(itertools.product(range(K), repeat=L) for L in range(most + 1))


@pytest.mark.parametrize("transcript", TRANSCRIPTS)
@pytest.mark.parametrize("T", [1, 3, 9])
def test_sums_and_best_path_over_all_paths(topology, transcript, T):
    x, moves, _ = drawn(topology, T)
    paths = list(every_path(topology, moves, x[0], transcript))
    chain, lengths = hmm.chains(topology, moves, [transcript]), np.array([T])
    total = hmm.forward(x, lengths, chain)[1]
    np.testing.assert_array_equal(hmm.log_total(x, lengths, chain), total)
    path, score = hmm.viterbi(x, lengths, chain)
    assert topology.fits(T, len(transcript)) == bool(paths)
    if not paths:
        assert total == score == -np.inf
        return
    np.testing.assert_allclose(total, log_sum(one for one, _ in paths), rtol=1e-12)
    best = max(one for one, _ in paths)
    np.testing.assert_allclose(score, best, rtol=1e-12)
    where = path[0]  # of a label twice in one state each several tie
    assert any(np.array_equal(where, at) and one == pytest.approx(best, rel=1e-12) for one, at in paths)


@pytest.mark.parametrize("T", [1, 4, 6])
def test_decoding_over_all_transcripts_and_paths(topology, T):
    x, moves, g = drawn(topology, T)
    each = {}
    for transcript in every_transcript(topology, T):
        scores = [score for score, _ in every_path(topology, moves, x[0], transcript)]
        if scores:
            bonus = hmm_loop.likelihood(g, [transcript])[0]
            steps = [K, *transcript, K]
            assert bonus == pytest.approx(sum(g[i, j] for i, j in itertools.pairwise(steps)))
            each[transcript] = max(scores) + bonus, log_sum(scores) + bonus
    (found,) = decode(x, np.array([T]), topology, moves, g)
    total = log_total(x, np.array([T]), topology, moves, g)
    if not each:
        assert found == ((), -np.inf) and total == -np.inf
        return
    best = max(each, key=lambda one: each[one][0])
    assert found.labels == best
    assert found.score == pytest.approx(each[best][0], rel=1e-12)
    np.testing.assert_allclose(total, log_sum(whole for _, whole in each.values()), rtol=1e-12)
    if best and (topology.states > 1 or topology.silence):
        path, _ = hmm.viterbi(x, np.array([T]), hmm.chains(topology, moves, [best]))
        assert list(found.spans) == spans_on(topology, best, path[0])


def test_a_row_has_the_bits_that_it_has_alone(topology, monkeypatch):
    x, moves, g = drawn(topology, 17, rows=3)
    lengths, several = np.array([9, 17, 12]), [(1, 1), (0, 2, 1), (2,)]
    for row, length in zip(x, lengths, strict=True):
        row[length:] = np.nan
    chain = hmm.chains(topology, moves, several)
    whole = (
        *hmm.forward(x, lengths, chain),
        *hmm.viterbi(x, lengths, chain),
        log_total(x, lengths, topology, moves, g),
    )
    together = decode(x, lengths, topology, moves, g)
    monkeypatch.setattr(hmm, "MOST", 1)  # a row at a time
    assert decode(x, lengths, topology, moves, g) == together
    np.testing.assert_array_equal(log_total(x, lengths, topology, moves, g), whole[-1])
    for b, length in enumerate(lengths):
        row, own = x[b : b + 1, :length].copy(), lengths[b : b + 1]
        alone = hmm.chains(topology, moves, [several[b]])
        P = alone.state.shape[1]
        parts = (
            *hmm.forward(row, own, alone),
            *hmm.viterbi(row, own, alone),
            log_total(row, own, topology, moves, g),
        )
        for many, one in zip(whole, parts, strict=True):
            cut = many[b : b + 1]
            if cut.ndim > 1:
                assert not (many.ndim == 3 and np.isnan(cut[:, :length, :P]).any())
                cut = cut[:, :length]
            np.testing.assert_array_equal(cut[..., :P] if cut.ndim == 3 else cut, one)
        assert decode(row, own, topology, moves, g) == [together[b]]


def test_frames_that_cannot_be_take_their_paths_with_them(topology):
    x, moves, g = drawn(topology, 7)
    x[0, 3, :] = -np.inf
    lengths, chain = np.array([7]), hmm.chains(topology, moves, [(1, 2)])
    assert hmm.forward(x, lengths, chain)[1] == hmm.viterbi(x, lengths, chain)[1] == -np.inf
    assert decode(x, lengths, topology, moves, g) == [((), -np.inf)]
    x[0, 3, 2 * topology.states - 1] = 1.0  # the last state of label 1 alone
    path, score = hmm.viterbi(x, lengths, chain)
    assert np.isfinite(score)
    assert topology.chain((1, 2))[path[0, 3]] == 2 * topology.states - 1
    assert 1 in decode(x, lengths, topology, moves, g)[0].labels


@pytest.mark.parametrize("T", [3, 4, 6, 7, 13, 20])
def test_even_paths_are_paths_and_even(topology, T):
    for L in (1, 2):
        if not topology.fits(T, L):
            continue
        path = topology.even(T, L)
        x, moves, _ = drawn(topology, T)
        all_paths = (
            [at.tolist() for _, at in every_path(topology, moves, x[0], (1, 2)[:L])] if T < 8 else None
        )
        assert all_paths is None or path.tolist() in all_paths
        durations = np.unique(path, return_counts=True)[1]
        assert len(path) == T and durations.max() - durations.min() <= 1
        assert len(durations) in (topology.positions(L), L * topology.states)
        assert (len(durations) == topology.positions(L)) == (topology.positions(L) <= T)


def test_parts_hold_all_rows_and_no_more_than_memory_allows(monkeypatch):
    monkeypatch.setattr(hmm, "MOST", 100)
    assert hmm.pieces(7, 30) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert hmm.pieces(2, 1000) == [slice(0, 1), slice(1, 2)]
    assert hmm.pieces(0, 5) == []


def test_counts_of_paths():
    topology = Topology(2, 2, True)  # positions of (1, 0): silence, 1.0, 1.1, silence, 0.0, 0.1, silence
    paths = [np.array([0, 0, 0, 1, 2, 2, 4, 5, 5, 6]), np.array([1, 2])]
    counts = Counts.of(topology, [(1, 0), (1,)], paths)
    np.testing.assert_array_equal(counts.frames, [1, 2, 2, 3, 4])
    np.testing.assert_array_equal(counts.visits, [1, 1, 2, 2, 2])
    assert (counts.pauses, counts.gaps) == (2, 5)
    moves = counts.moves()
    np.testing.assert_allclose(moves.stay, [1 / 3, 2 / 4, 1 / 4, 2 / 5, 3 / 6])
    assert moves.pause == 3 / 7
    np.testing.assert_allclose(counts.prior(), np.array([2, 3, 3, 4, 5]) / 17)


def test_the_grammar_is_weighed_and_counts_labels():
    log_p = np.log(np.random.default_rng(3).dirichlet(np.ones(K + 1), K + 1))
    g = grammar(log_p, 0.7, -1.5)
    np.testing.assert_allclose(g[:, :K], 0.7 * log_p[:, :K] - 1.5)
    np.testing.assert_allclose(g[:, K], 0.7 * log_p[:, K])
    log_p[0, 1] = -np.inf
    assert np.isfinite(grammar(log_p, 0, 0)).all()  # a weight of 0 knows no bigram


@pytest.mark.parametrize("labels, T, seconds", [(10, 300, 0.5), (40, 1000, 4.0)])
def test_decoding_takes_no_time(labels, T, seconds):
    """Bounds are ten times what was measured, and more: the machine may be busy."""
    topology = Topology(labels, 3, True)
    x = np.random.default_rng(0).normal(size=(1, T, topology.size))
    begun = time.perf_counter()
    decode(x, np.array([T]), topology, Moves.fixed(topology), np.zeros((labels + 1, labels + 1)))
    assert time.perf_counter() - begun < seconds
