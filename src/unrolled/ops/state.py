"""The state between two steps: an ordered list of named arrays, a row for each sequence.

    {"layer0.forward.h": (rows, H), "layer0.forward.c": (rows, H), "pooling.sum": (rows, H), …}

Layers name theirs as unrolled.nn does; tasks add what they carry themselves. Rows know nothing of one
another: a state can be cut and joined by rows at any time.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
State = dict[str, Array]

POOLED, ANCHOR, STEPS = "pooling", "series.anchor", "series.steps"


def rows_of(state: Mapping[str, Array]) -> int:
    """How many rows there are."""
    return len(next(iter(state.values())))


def joined(states: Sequence[Mapping[str, Array]]) -> State:
    """The rows of the first, then of the second, …"""
    return {name: np.concatenate([state[name] for state in states]) for name in states[0]}


def selected(state: Mapping[str, Array], rows: Array | Sequence[int]) -> State:
    """A new state of these rows, in this order; a row may come more than once."""
    at = np.asarray(rows, np.int64)
    return {name: array[at] for name, array in state.items()}


def replaced(state: Mapping[str, Array], rows: Array | Sequence[int], fresh: Mapping[str, Array]) -> State:
    """`state` with those rows taken, in order, from `fresh`."""
    at = np.asarray(rows, np.int64)
    after = {name: array.copy() for name, array in state.items()}
    for name, array in after.items():
        array[at] = fresh[name]
    return after
