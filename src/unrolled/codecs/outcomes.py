"""What targets can be, by the output that forecasts them. This module needs numpy alone."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from unrolled.blocks.outputs import COUNTS

Array = NDArray[np.float64]

# Up to here float32 has all whole numbers.
LARGEST = 2**24
# In words, and which values (T, K) are.
WANTED: dict[str, tuple[str, Callable[[Array], NDArray[np.bool_]]]] = {
    "bernoulli": ("0 or 1", lambda y: (y == 0) | (y == 1)),
    "lognormal": ("numbers above 0", lambda y: y > 0),
}
WANTED |= {
    kind: (f"whole numbers from 0 to {LARGEST:,}", lambda y: (y >= 0) & (y <= LARGEST) & (y % 1 == 0))
    for kind in COUNTS
}


def first_wrong(output: str, values: Array) -> tuple[int, int, str] | None:
    """The row and the column of the first of values (T, K) that can be no outcome, and what is wanted. NaN,
    which is missing, can be one."""
    if output not in WANTED:
        return None
    wanted, fits = WANTED[output]
    wrong = np.argwhere(~fits(values) & ~np.isnan(values))
    return (int(wrong[0, 0]), int(wrong[0, 1]), wanted) if len(wrong) else None
