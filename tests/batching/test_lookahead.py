"""Windows with context and look-ahead: each step is answered once, from enough steps on both sides."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.batching.lookahead import Lookahead, LookaheadBatches, side_by_side

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=9)
LOOKAHEADS = st.builds(Lookahead, st.integers(1, 12), st.integers(0, 9))


@given(LENGTHS, LOOKAHEADS, st.data())
def test_each_step_is_answered_once_from_all_steps_near_it(lengths, lookahead, data):
    S, L = lookahead.steps, lookahead.margin
    shorter = [data.draw(st.integers(0, S - 1)) for _ in lengths]
    seen = [np.zeros(T, int) for T in lengths]
    for one in lookahead.of(lengths, shorter):
        seen[one.sequence][one.first : one.last] += 1
        assert one.last - one.first <= S
        assert one.begin == max(0, one.first - L)
        assert one.end == min(lengths[one.sequence], one.last + L)
    assert all((one == 1).all() for one in seen)


@given(LENGTHS, LOOKAHEADS)
def test_answers_of_windows_stand_where_their_steps_do(lengths, lookahead):
    """Each step says its own sequence and place."""
    said = [np.stack([np.full(T, k), np.arange(T)], 1) for k, T in enumerate(lengths)]
    outputs = [said[one.sequence][one.steps] for one in lookahead.of(lengths)]
    for joined, outputs_of_one in zip(lookahead.joined(lengths, outputs), said, strict=True):
        assert np.array_equal(joined, outputs_of_one)


@given(LENGTHS, LOOKAHEADS, st.integers(1, 7))
def test_windows_side_by_side_are_of_one_length(lengths, lookahead, most):
    windows = lookahead.of(lengths)
    groups = list(side_by_side(windows, most))
    assert sorted(k for some in groups for k in some) == list(range(len(windows)))
    for some in groups:
        assert len(some) <= most and len({windows[k].end - windows[k].begin for k in some}) == 1


@given(LENGTHS, LOOKAHEADS, st.integers(1, 9), st.integers(0, 99))
def test_an_epoch_has_as_many_batches_and_follows_from_its_number(lengths, lookahead, rows, seed):
    batches = LookaheadBatches(lengths, lookahead, list, rows, seed)
    first = list(batches.batches(1))
    assert len(first) == len(list(batches.batches(2))) == batches.steps_per_epoch
    assert list(batches.batches(1, skip=1)) == first[1:]
    windows = [one for batch in first for one in batch]
    assert len(windows) == len(set(windows)) == sum(-(-T // lookahead.steps) for T in lengths)


def test_borders_differ_from_epoch_to_epoch():
    batches = LookaheadBatches([1000], Lookahead(100, 10), list, 4, 0)
    borders = {
        frozenset(one.first for batch in batches.batches(epoch) for one in batch) for epoch in range(1, 9)
    }
    assert len(borders) == 8


@pytest.mark.parametrize(
    "about", [{"steps": 0, "margin": 1}, {"steps": 2.0, "margin": 1}, {"steps": 3, "margin": -1}]
)
def test_damaged_windows_are_refused(about):
    with pytest.raises(ValueError, match="windows of"):
        Lookahead.restored(about)
