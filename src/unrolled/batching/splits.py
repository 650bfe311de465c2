"""Training, validation and test parts: of a series in this order in time, so that no later step ever trains;
of sequences that do not follow one another, by lot."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigError, DataError


def chronological(length: int, validation: float, test: float, unit: str = "steps") -> tuple[int, int]:
    """(train_end, validation_end): steps before the first train, those between validate, the rest test.

    validation, test: a share of the series (below 1, and at least one step unless 0) or a number of steps.
    Raises ConfigError for what is neither, DataError where nothing is left to train on.
    """
    test_steps, validation_steps = _steps("test", test, length), _steps("validation", validation, length)
    train_end = length - validation_steps - test_steps
    if train_end < 1:
        raise DataError(
            f"validation ({validation_steps}) and test ({test_steps}) leave nothing to train on of {length} "
            f"{unit}; lower them, or give more"
        )
    return train_end, train_end + validation_steps


def _steps(part: str, size: float, length: int) -> int:
    if not (math.isfinite(size) and size >= 0 and (size < 1 or size == int(size))):
        raise ConfigError(f"{part}: wanted a share below 1 or a whole number of steps, got {size}")
    if size >= 1 or size == 0:
        return int(size)
    return max(1, round(size * length))


def by_sequence(
    count: int, validation: float, test: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Which of `count` sequences train, validate and test, drawn from `seed`; each part in rising order.

    validation, test: a share of the sequences (below 1, and at least one unless 0) or a number of them.
    """
    test_count, validation_count = _steps("test", test, count), _steps("validation", validation, count)
    if validation_count + test_count >= count:
        raise DataError(
            f"validation ({validation_count} sequences) and test ({test_count}) leave nothing to train on of "
            f"{count}; lower them, or give more sequences"
        )
    order = np.random.default_rng(seed).permutation(count)
    ends = [0, test_count, test_count + validation_count, count]
    tests, validations, trains = (np.sort(order[first:end]) for first, end in pairwise(ends))
    return trains, validations, tests


def by_class(
    labels: Sequence[str], validation: float, test: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """`by_sequence`, but each class has about the same share of every part, and at least one sequence of it
    trains: a class with a single one is in no other part."""
    count = len(labels)
    test_count, validation_count = _steps("test", test, count), _steps("validation", validation, count)
    free = _behind_the_first(labels, np.random.default_rng(seed).permutation(count))
    if (held := validation_count + test_count) > len(free):
        raise DataError(
            f"validation ({validation_count} sequences) and test ({test_count}) leave too few to train on: "
            f"{count - len(free)} of the {count} are needed, one of every class; lower them, or give more "
            "sequences"
        )
    # Every k-th of the sequences sorted by class, and of these again every k-th.
    chosen = free[_spread(held, len(free))]
    at = _spread(test_count, held)
    tests, validations = chosen[at], np.delete(chosen, at)
    trains = np.setdiff1d(np.arange(count), chosen)
    return trains, np.sort(validations), np.sort(tests)


def _behind_the_first(labels: Sequence[str], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """The indices of `order` sorted by class, without the first of each."""
    members: dict[str, list[int]] = {}
    for index in order:
        members.setdefault(labels[index], []).append(int(index))
    return np.array([index for label in sorted(members) for index in members[label][1:]], np.int64)


def _spread(count: int, among: int) -> NDArray[np.int64]:
    """`count` of the numbers 0 … among - 1, evenly."""
    return (np.arange(count) * 2 + 1) * among // max(1, 2 * count)
