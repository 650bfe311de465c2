"""Which steps of a series a window holds."""

import numpy as np
from numpy.typing import NDArray

Steps = NDArray[np.int64]


def window_steps(last: Steps, length: int, period: int) -> Steps:
    """last (N,) -> (N, length) the steps of the windows that end there. Before the first step of the series,
    0, stand its first ones again, in whole periods, or as many as there are: [0, 1, 2, 3] with a period of 3
    becomes [… 1, 2, 0, 1, 2, 0, 1, 2, 3]."""
    steps = last[:, None] + np.arange(1 - length, 1)
    whole = np.minimum(period, last + 1)[:, None]
    return np.where(steps < 0, steps % whole, steps)
