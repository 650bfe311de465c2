import math

import numpy as np
import pytest

from unrolled.tasks import confusion


def test_scores_of_a_case_worked_by_hand():
    m = confusion.confusion(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 0, 0]), 4)
    assert m.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
    assert confusion.accuracy(m) == 3 / 6
    assert (
        confusion.precision(m)[:2].tolist() == [2 / 4, 1 / 2] and np.isnan(confusion.precision(m)[2:]).all()
    )
    assert confusion.recall(m)[:3].tolist() == [2 / 3, 1 / 2, 0] and math.isnan(confusion.recall(m)[3])
    assert confusion.f1(m)[:3].tolist() == [4 / 7, 2 / 4, 0] and math.isnan(confusion.f1(m)[3])
    assert confusion.macro_f1(m) == pytest.approx((4 / 7 + 2 / 4 + 0) / 3), "a class without truth is out"
    seldom = confusion.confusion(np.array([0, 0, 1]), np.array([0, 2, 1]), 4)
    assert confusion.macro_f1(seldom) == pytest.approx((2 / 3 + 1) / 2), "an answer makes no class of it"
    said = "no step that was judged has the tags 'C', 'D': no average counts them"
    assert confusion.untested("step", "tags", "ABCD", seldom) == [said]
    assert confusion.untested("step", "tags", "AB", seldom[:2, :2]) == []
