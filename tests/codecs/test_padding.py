"""Rows of different lengths as one array."""

import numpy as np

from unrolled.codecs.padding import padded


def test_rows_stand_at_the_beginning_and_the_fill_behind_them():
    rows = [np.arange(6.0).reshape(3, 2), np.empty((0, 2)), np.full((1, 2), 7.0)]
    x = padded(rows, np.nan)
    assert x.shape == (3, 3, 2) and np.isnan(x[1]).all() and np.isnan(x[2, 1:]).all()
    assert np.array_equal(x[0], rows[0]) and np.array_equal(x[2, :1], rows[2])
    assert padded([np.array([1, 2, 3]), np.array([4])]).tolist() == [[1, 2, 3], [4, 0, 0]]
    filled = padded([rows[0].astype(np.int64), rows[1].astype(np.int64)], [8, 9])
    assert filled.dtype == np.int64 and filled[1].tolist() == [[8, 9]] * 3
