"""Stretches of long sequences: each step once an epoch, rows that begin where a sequence does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unrolled.batching.stretches import Stretches


def walked(walks, epoch, skip=0):
    return list(walks.batches(epoch, skip))


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=30),
    st.integers(1, 12),
    st.integers(1, 9),
    st.integers(0, 99),
)
def test_every_step_comes_once_and_goes_on_where_its_row_was(lengths, window, rows, seed):
    walks = Stretches(lengths, window, lambda stretch: stretch, rows, seed)
    for epoch in (1, 2):
        seen = [np.zeros(length, int) for length in lengths]
        batches = walked(walks, epoch)
        assert len(batches) == walks.steps_per_epoch
        before = None
        for one in batches:
            assert len(one.indices) == min(rows, len(lengths)) and (one.lengths > 0).any()
            for row, (i, start, length, begins) in enumerate(zip(*one, strict=True)):
                seen[i][start : start + length] += 1
                assert 0 <= length <= window
                if begins:
                    assert start == 0
                else:
                    was = before.indices[row], before.starts[row] + before.lengths[row]
                    assert was == (i, start), "the state belongs to this place"
            before = one
        assert all((one == 1).all() for one in seen)


def test_an_epoch_follows_from_its_number_and_can_be_entered_anywhere():
    walks = Stretches([30, 7, 12, 12, 5, 1], 4, lambda stretch: stretch, 3, seed=5)
    for skip in range(walks.steps_per_epoch + 1):
        for a, b in zip(walked(walks, 2, skip), walked(walks, 2)[skip:], strict=True):
            assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    orders = {epoch: [tuple(one.indices) for one in walked(walks, epoch)] for epoch in range(1, 6)}
    assert len(set(map(tuple, orders.values()))) > 1, "the order is drawn for each epoch"


def test_rows_have_about_as_much_to_do():
    draw = np.random.default_rng(0)
    lengths = draw.integers(1, 500, 200).tolist()
    walks = Stretches(lengths, 50, lambda stretch: stretch, 8, seed=0)
    stretches = sum(-(-length // 50) for length in lengths)
    assert walks.steps_per_epoch == pytest.approx(stretches / 8, rel=0.01)
