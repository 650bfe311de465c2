"""Alarms with few steps between them are one episode.

Shapes   flags (T,) of the steps of a series -> E episodes, begins and ends (E,), their first and last steps
"""

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
Steps = NDArray[np.int64]


def joined(flags: Flags, join: int) -> tuple[Steps, Steps]:
    """The runs of flags that have at most `join` steps between them."""
    at = np.flatnonzero(flags)
    if not len(at):
        return at, at
    apart = np.flatnonzero(np.diff(at) > join + 1)
    return at[np.concatenate([[0], apart + 1])], at[np.concatenate([apart, [len(at) - 1]])]


def touched(begins: Steps, ends: Steps, flags: Flags) -> Flags:
    """(E,) whether a step of each is flagged."""
    count = np.concatenate([[0], np.cumsum(flags)])
    return np.asarray(count[ends + 1] > count[begins])
