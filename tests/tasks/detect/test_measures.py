"""Episodes and what they are judged by, on small examples done by hand."""

import math

import numpy as np
import pytest

from unrolled.tasks.detect.episodes import joined, touched
from unrolled.tasks.detect.measures import average_precision, counts


def flags(text):
    return np.array([c == "x" for c in text])


@pytest.mark.parametrize(
    "text, join, wanted",
    [
        ("......", 3, []),
        ("x", 0, [(0, 0)]),
        ("xx..x.", 0, [(0, 1), (4, 4)]),
        ("xx..x.", 1, [(0, 1), (4, 4)]),
        ("xx..x.", 2, [(0, 4)]),
        (".x.x...x", 1, [(1, 3), (7, 7)]),
        (".x.x...x", 3, [(1, 7)]),
    ],
)
def test_alarms_with_few_steps_between_them_are_one_episode(text, join, wanted):
    begins, ends = joined(flags(text), join)
    assert list(zip(begins.tolist(), ends.tolist(), strict=True)) == wanted


def test_an_episode_is_touched_by_any_of_its_steps():
    begins, ends = joined(flags("xx..xxx"), 0)
    assert touched(begins, ends, flags(".......")).tolist() == [False, False]
    assert touched(begins, ends, flags("..xx..x")).tolist() == [False, True]


def test_episodes_are_counted_from_both_sides():
    """Two episodes of alarms lie in one window, one beside all, and one window has none."""
    alarm, truth = flags("x....xx..x....x...."), flags("....xxxxxxx......xx")
    found = counts([alarm], [truth], 0)
    assert found == (4, 2, 2, 1)
    assert (found.precision, found.recall) == (0.5, 0.5) and found.f1 == 0.5
    both = counts([alarm, flags("xx")], [truth, flags(".x")], 0)
    assert both == (5, 3, 3, 2) and both.f1 == pytest.approx(2 * 0.6 * (2 / 3) / (0.6 + 2 / 3))


def test_an_episode_that_spans_a_window_finds_it():
    """Its alarms stand before and after the window."""
    assert counts([flags("x...x")], [flags("..x..")], 3) == (1, 1, 1, 1)


def test_measures_without_alarms_or_windows():
    none = counts([flags("...")], [flags(".x.")], 0)
    assert math.isnan(none.precision) and (none.recall, none.f1) == (0.0, 0.0)
    quiet = counts([flags("x..")], [flags("...")], 0)
    assert quiet.precision == 0.0 and math.isnan(quiet.recall) and math.isnan(quiet.f1)


def test_average_precision_by_hand():
    score, truth = np.array([5.0, 4.0, 3.0, 2.0, 1.0]), flags("x.x..")
    assert average_precision(score, truth) == pytest.approx((1 / 1 + 2 / 3) / 2)
    assert average_precision(-score, truth) == pytest.approx((1 / 3 + 2 / 5) / 2)
    assert average_precision(np.zeros(5), truth) == pytest.approx(2 / 5), "ties tell nothing"
    assert math.isnan(average_precision(score, flags(".....")))
