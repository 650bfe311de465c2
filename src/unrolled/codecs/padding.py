"""Rows of different lengths as one array. Needs no torch.

Shapes   rows (T_i, …) -> x (B, T, …), T the longest T_i
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def padded(rows: Sequence[NDArray[Any]], fill: ArrayLike = 0) -> NDArray[Any]:
    """Behind the shorter rows stands `fill`, a number or a step (…). ValueError for no rows."""
    x = np.empty((len(rows), max(map(len, rows)), *rows[0].shape[1:]), rows[0].dtype)
    x[:] = fill
    for one, row in zip(x, rows, strict=True):
        one[: len(row)] = row
    return x
