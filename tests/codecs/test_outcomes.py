"""What targets can be, by the output that forecasts them."""

import numpy as np
import pytest

from unrolled.codecs.outcomes import LARGEST, first_wrong

CAN_BE = {
    "bernoulli": ([0, 1], [0.5, 2, -1]),
    "poisson": ([0, 7, LARGEST], [2.5, -1, LARGEST + 1]),
    "negbinomial": ([0, 7, LARGEST], [2.5, -1, LARGEST + 1]),
    "lognormal": ([1e-300, 2.5], [0, -1]),
    "gaussian": ([-1, 0.5], []),
}


@pytest.mark.parametrize("output", CAN_BE)
def test_the_first_value_that_can_be_no_outcome_is_named(output):
    right, wrong = CAN_BE[output]
    values = np.array([[np.nan, value] for value in right])
    assert first_wrong(output, values) is None
    for value in wrong:
        row, column, wanted = first_wrong(output, np.concatenate([values, [[value, right[0]]]]))
        assert (row, column) == (len(right), 0) and wanted
