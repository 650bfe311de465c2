"""Long sequences are cut where they are quiet, and what is said of the pieces is said once."""

import itertools

import numpy as np
import pytest

from unrolled.decoding.ctc import Found
from unrolled.decoding.pieces import Pieces, bounds, joined


def sound(T, gaps, seed=0):
    """(T, 3) loud noise, with quiet stretches of 9 steps around `gaps`."""
    x = np.random.default_rng(seed).normal(4, 1, (T, 3)).astype(np.float32)
    for gap in gaps:
        x[gap - 4 : gap + 5] -= 6
    return x


def test_cuts_are_in_the_middle_of_quiet_stretches():
    gaps = [70, 160, 230, 290]
    assert bounds(sound(360, gaps), Pieces(100, 200, 9), 1).tolist() == [0, *gaps, 360]
    in_fours = bounds(sound(360, gaps), Pieces(100, 200, 9), 4)
    assert not (in_fours[:-1] % 4).any() and np.abs(in_fours[1:-1] - gaps).max() <= 2


def test_a_short_click_of_silence_is_no_pause():
    x = sound(150, [75])
    x[60] -= 40
    assert bounds(x, Pieces(100, 100, 9), 1)[1] in range(72, 79)


@pytest.mark.parametrize("T", [1, 99, 200, 201, 355, 1000])
@pytest.mark.parametrize("most, stride", [(7, 1), (7, 3), (100, 1), (100, 3)])
def test_pieces_are_neither_longer_nor_shorter_than_they_may_be(T, most, stride):
    x = sound(T, [], seed=T)
    cuts = bounds(x, Pieces(most, 2 * most, 5), stride)
    sizes = np.diff(cuts)
    assert cuts[0] == 0 and cuts[-1] == T and not (cuts[:-1] % stride).any()
    if 2 * most >= T:
        assert len(cuts) == 2
    else:
        least = max(1, most // (2 * stride)) * stride
        assert len(cuts) > 2 and sizes.min() >= least and sizes.max() <= 2 * least
    assert bounds(x, Pieces(), stride).tolist() == [0, T]


def found(labels, score):
    spans = np.arange(len(labels))[:, None] * 2 + np.array([0, 1])
    return Found(np.array(labels, np.int64), score, score - 1, 0.5, spans)


def test_answers_are_joined_once_with_their_places():
    parts = [[found([1, 2], -1.0)], [found([], -0.5)], [found([2], -2.0)]]
    (one,) = joined([0, 10, 20], parts, 1, 0)
    assert one.labels.tolist() == [1, 2, 2] and one.spans.tolist() == [[0, 1], [2, 3], [20, 21]]
    assert (one.score, one.log_p, one.log_lm) == (-3.5, -6.5, 1.5)
    (spaced,) = joined([0, 10, 20], parts, 1, 3)
    assert spaced.labels.tolist() == [1, 2, 3, 2] and spaced.spans[2].tolist() == [20, 20]
    silent = joined([0, 5], [[found([], -1.0)]] * 2, 1, 3)[0]
    assert len(silent.labels) == 0 and silent.spans.shape == (0, 2)


def test_the_best_of_all_ways_to_join_are_taken():
    draw = np.random.default_rng(2)
    parts = [
        [found([k], score) for k, score in enumerate(sorted(draw.normal(size=n), reverse=True), 1)]
        for n in (3, 1, 4)
    ]
    ways = sorted(
        (-sum(one.score for one in way), [one.labels[0] for one in way]) for way in itertools.product(*parts)
    )
    best = joined([0, 4, 8], parts, 5, 0)
    assert [one.labels.tolist() for one in best] == [labels for _, labels in ways[:5]]
    np.testing.assert_allclose([one.score for one in best], [-score for score, _ in ways[:5]])
