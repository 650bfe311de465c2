"""What stands for a missing number in an input. It is told by the past alone: a value from behind the gap
would let a model read the future that it is judged on.

    refuse    nothing: a gap is an error
    forward   the last known value; before the first one the mean of the training part
    zero      0 in the unit of the file, for counts of events where no row means that nothing happened
    mask      as forward, and beside every column that has gaps in the training part an input w, 1 where the
              value is missing, else 0

and of streams alone, see streaming/gaps.py:

    model     the model's own forecast for a target, of other columns the last known value
    restart   nothing: the sequence begins anew

What is filled is an input and never an outcome: no loss and no figure counts it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

REFUSE, FORWARD, ZERO, MASK = GAPS = ("refuse", "forward", "zero", "mask")
RESTART, MODEL = OF_STREAMS = ("restart", "model")

Array = NDArray[Any]


def carried(z: Array, missing: NDArray[np.bool_], before: Array) -> Array:
    """z (T, …) with the last known value of each column where it is missing, and before the first `before`
    (…)."""
    steps = np.arange(len(z)).reshape(-1, *[1] * (z.ndim - 1))
    last = np.maximum.accumulate(np.where(missing, -1, steps), axis=0)
    return np.where(last < 0, before, np.take_along_axis(z, np.maximum(last, 0), 0))
