"""From scores to tags, step by step: the last answer of the kernels for every beginning of a sequence."""

import numpy as np
import pytest

from unrolled.decoding.tags import NUMPY, Bound, Chain, Single, decoder, masks
from unrolled.ops.state import joined, selected
from unrolled.tasks.tag import TORCH


def drawn(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def scores(K, dtype=np.float32, scale=1.0):
    a, start, end = (
        scale * drawn(*shape, seed=s, dtype=dtype) for s, shape in enumerate(((K, K), (K,), (K,)), 1)
    )
    return a.astype(dtype), start.astype(dtype), end.astype(dtype)


def bound(K):
    """Tag 0 alone may always come first and last."""
    draw, first = np.random.default_rng(4), np.arange(K) == 0
    transitions = draw.random((K, K)) < 0.6
    start, end = draw.random(K) < 0.7, draw.random(K) < 0.4
    return masks(start | first, transitions | np.eye(K, dtype=np.bool_), end | first)


def chain_of(K, whole_numbers):
    own = tuple(s.round() if whole_numbers else s for s in scores(K))
    return decoder(K, np.dtype(np.float32), bound(K), own)


MADE = {"single": lambda K, _: Single(), "bound": lambda K, _: Bound(bound(K)), "crf": chain_of}


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("K", [2, 5, 33])
@pytest.mark.parametrize("whole_numbers", [False, True])
def test_every_step_is_the_end_of_the_whole_answer_so_far(kind, K, whole_numbers):
    """With whole numbers paths tie."""
    made, o = MADE[kind](K, whole_numbers), drawn(12, 3, K)
    o = o.round() if whole_numbers else o
    tag, p, state = made.running(o, made.start(3))
    for b in range(3):
        for T in range(1, 13):
            path, own = (one[0] for one in made.decode(np.ascontiguousarray(o[None, :T, b])))
            assert tag[T - 1, b] == path[-1] and np.array_equal(p[T - 1, b], own[-1])
    first, own, between = made.running(o[:5], made.start(3))
    second, other, after = made.running(o[5:], between)
    assert np.array_equal(np.concatenate([first, second]), tag)
    assert np.array_equal(np.concatenate([own, other]), p)
    assert all(np.array_equal(after[name], state[name]) for name in state)


@pytest.mark.parametrize("kind", MADE)
@pytest.mark.parametrize("kernels", [NUMPY, TORCH], ids=["numpy", "torch"])
def test_a_padded_row_has_the_answers_that_it_has_alone(kind, kernels):
    made, o, lengths = MADE[kind](5, False), drawn(4, 9, 5), np.array([9, 1, 4, 7])
    path, p = made.decode(o, lengths, kernels)
    for b, T in enumerate(lengths):
        alone, own = made.decode(o[b : b + 1, :T])
        assert np.array_equal(path[b, :T], alone[0]) and np.array_equal(p[b, :T], own[0])


@pytest.mark.parametrize("kind", MADE)
def test_rows_that_begin_stand_beside_rows_that_go_on(kind):
    made, o = MADE[kind](5, False), drawn(9, 2, 5)
    _, _, state = made.running(o[:4, :1], made.start(1))
    rows = joined([state, made.start(1)]) if state else {}
    tag, p, after = made.running(o[4:], rows)
    for b, before in enumerate((state, made.start(1))):
        own, each, last = made.running(o[4:, b : b + 1], before)
        assert np.array_equal(tag[:, b], own[:, 0]) and np.array_equal(p[:, b], each[:, 0])
        assert all(np.array_equal(selected(after, [b])[name], last[name]) for name in last)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_long_stream_of_large_scores_keeps_its_digits(dtype):
    """Sums of these scores would stand 0.06 apart in float32, more than the scores of two tags do."""
    made, o = Chain(scores(4, dtype, 1 / 8)), (drawn(3000, 1, 4) / 8 + 250).astype(dtype)
    tag, p, state = made.running(o, made.start(1))
    for T in range(1, 3001, 101):
        path, own = (one[0] for one in made.decode(np.ascontiguousarray(o[None, :T, 0])))
        assert tag[T - 1, 0] == path[-1] and np.array_equal(p[T - 1, 0], own[-1])
    wide = Chain(tuple(s.astype(np.float64) for s in made.scores))
    assert np.array_equal(wide.running(o.astype(np.float64), wide.start(1))[0], tag)
    assert all(array.max() == 0 for name, array in state.items() if array.dtype == dtype), state


def test_where_nothing_is_allowed_all_is_nan_and_no_warning(recwarn):
    nowhere = masks(np.zeros(3, np.bool_), np.ones((3, 3), np.bool_), np.ones(3, np.bool_))
    made = decoder(3, np.dtype(np.float32), nowhere, scores(3))
    _, p, _ = made.running(drawn(4, 2, 3), made.start(2))
    assert np.isnan(p).all() and np.isnan(made.decode(drawn(1, 4, 3))[1]).all() and not recwarn.list


def test_scores_of_other_sizes_are_refused():
    for given in (scores(4), (scores(3)[0], *scores(4)[1:])):
        with pytest.raises(ValueError, match="for 3 tags"):
            decoder(3, np.dtype(np.float32), None, given)
        with pytest.raises(ValueError, match="for 3 tags"):
            decoder(3, np.dtype(np.float32), given, None)
    with pytest.raises(ValueError, match="scores of float64; wanted float32"):
        decoder(3, np.dtype(np.float32), None, scores(3, np.float64))
