"""Which steps a window holds, of long and of short histories."""

import numpy as np
import pytest

from unrolled.codecs.windows import window_steps


def steps(last, length, period):
    return window_steps(np.array([last]), length, period)[0].tolist()


def test_a_window_is_the_last_steps():
    assert window_steps(np.array([4, 9]), 3, 2).tolist() == [[2, 3, 4], [7, 8, 9]]
    assert steps(2, 3, 7) == [0, 1, 2]


def test_before_the_first_step_stand_the_first_ones_in_whole_periods():
    assert steps(3, 9, 3) == [1, 2, 0, 1, 2, 0, 1, 2, 3]
    assert steps(3, 6, 4) == [2, 3, 0, 1, 2, 3]


def test_of_less_than_a_period_stands_what_there_is():
    assert steps(1, 7, 5) == [1, 0, 1, 0, 1, 0, 1]
    assert steps(0, 4, 24) == [0, 0, 0, 0]
    assert steps(4, 8, 1) == [0, 0, 0, 0, 1, 2, 3, 4]


@pytest.mark.parametrize("length, period", [(1, 1), (7, 3), (13, 24)])
def test_no_window_holds_what_was_not_seen_and_phases_are_kept(length, period):
    last = np.arange(40)
    found = window_steps(last, length, period)
    assert found.shape == (40, length) and found.dtype == np.int64
    assert (found >= 0).all() and (found <= last[:, None]).all() and np.array_equal(found[:, -1], last)
    distance = found - (last[:, None] + np.arange(1 - length, 1))
    seen = last >= period - 1
    assert (distance[seen] % period == 0).all()
