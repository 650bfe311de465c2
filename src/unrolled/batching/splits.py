"""Training, validation and test parts: of a series in this order in time, so that no later step ever trains;
of sequences that do not follow one another, by lot, or so that all parts have about the same shares of
classes, labels or sizes; groups of them, where there are any, whole (group_splits.py). What is drawn follows
from the seed alone.

Source   Sechidis, Tsoumakas and Vlahavas 2011, On the stratification of multi-label data: the rarest first
Differs  quotas are whole numbers, by largest remainders, and a part has exactly the size that was asked for
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray

from unrolled.batching.group_splits import by_group
from unrolled.errors import ConfigError, DataError
from unrolled.files.messages import option

Parts = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]

# Numbers are split in so many equal parts of their order.
STRATA = 10


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
        raise ConfigError(f"{option(part)}: wanted a share below 1 or a whole number, got {size:g}")
    if size >= 1 or size == 0:
        return int(size)
    return max(1, round(size * length))


def by_sequence(
    count: int, validation: float, test: float, seed: int, groups: Sequence[str] | None = None
) -> Parts:
    """Which of `count` sequences train, validate and test, drawn from `seed`; each part in rising order.

    validation, test: a share of the sequences (below 1, and at least one unless 0) or a number of them.
    groups (count,): those of one group are in one part.
    """
    test_count, validation_count = _held_out(count, validation, test)
    if groups is not None:
        return by_group(groups, [()] * count, validation_count, test_count, seed)
    order = np.random.default_rng(seed).permutation(count)
    ends = [0, test_count, test_count + validation_count, count]
    tests, validations, trains = (np.sort(order[first:end]) for first, end in pairwise(ends))
    return trains, validations, tests


def by_class(
    labels: Sequence[str], validation: float, test: float, seed: int, groups: Sequence[str] | None = None
) -> Parts:
    """`by_sequence`, but each class has its share of every part, to within one sequence wherever the parts
    have room for all classes: of one with a single sequence this trains, of one with two one trains and the
    other is tested on, of one with three or more every part has one. Where a part is smaller than the number
    of classes, the frequent ones are in it."""
    count, needed = len(labels), len(set(labels))
    test_count, validation_count = _held_out(count, validation, test)
    if groups is not None:
        return by_group(groups, [(label,) for label in labels], validation_count, test_count, seed)
    if validation_count + test_count > count - needed:
        raise DataError(
            f"validation ({validation_count} sequences) and test ({test_count}) leave too few to train on: "
            f"{needed} of the {count} are needed, one of every class; lower them, or give more sequences"
        )
    return _stratified([(label,) for label in labels], validation_count, test_count, seed)


def by_label(
    labels: Sequence[Iterable[str]],
    validation: float,
    test: float,
    seed: int,
    groups: Sequence[str] | None = None,
) -> Parts:
    """`by_class` as far as possible, of sequences (N,) that have any number of labels each. It heeds labels
    of three sequences or more, and of these the most frequent, as many as the smaller part has sequences:
    parts that are chosen for their rare labels are no fair sample."""
    sizes = test_count, validation_count = _held_out(len(labels), validation, test)
    names = [sorted(set(one)) for one in labels]
    counts = Counter(chain.from_iterable(names))
    often = sorted((name for name in counts if counts[name] >= 3), key=lambda name: (-counts[name], name))
    heeded = set(often[: min((size for size in sizes if size), default=0)])
    frequent = [tuple(label for label in one if label in heeded) for one in names]
    if groups is not None:
        return by_group(groups, frequent, validation_count, test_count, seed)
    return _stratified(frequent, validation_count, test_count, seed)


def by_size(
    values: NDArray[np.float64],
    validation: float,
    test: float,
    seed: int,
    groups: Sequence[str] | None = None,
) -> Parts:
    """`by_class` of numbers (N,): their classes are at most STRATA equal parts of their order, of STRATA
    sequences or more each."""
    count = len(values)
    free = count - sum(_held_out(count, validation, test))
    strata = max(1, min(STRATA, count // STRATA, free))
    ranks = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    return by_class([str(k) for k in ranks * strata // count], validation, test, seed, groups)


def evenly(count: int, most: int) -> NDArray[np.int64]:
    """At most so many of `count`, at even distances."""
    return np.unique(np.linspace(0, count - 1, most).round().astype(np.int64))


def _held_out(count: int, validation: float, test: float) -> tuple[int, int]:
    """How many sequences test and validate."""
    train_end, validation_end = chronological(count, validation, test, "sequences")
    return count - validation_end, validation_end - train_end


def _stratified(labels: Sequence[Sequence[str]], validation: int, test: int, seed: int) -> Parts:
    """Labels (N,) of distinct ones each. The last sequence of a label stays in training where it can."""
    draft = _Draft(labels, seed)
    tests, validations = draft.part(test, then=validation), draft.part(validation)
    return np.setdiff1d(np.arange(len(labels)), [*tests, *validations]), validations, tests


class _Draft:
    """The sequences that no part has yet, and how many of them have each label."""

    def __init__(self, labels: Sequence[Sequence[str]], seed: int) -> None:
        draw = np.random.default_rng(seed)
        self.labels, self.free = labels, dict.fromkeys(draw.permutation(len(labels)).tolist())
        self.members: dict[str, list[int]] = {}
        for index in self.free:
            for label in labels[index]:
                self.members.setdefault(label, []).append(index)
        names = [sorted(self.members)[k] for k in draw.permutation(len(self.members))]
        self.rarest_first = sorted(names, key=lambda name: len(self.members[name]))
        self.left = {name: len(self.members[name]) for name in self.rarest_first}

    def part(self, size: int, then: int = 0) -> NDArray[np.int64]:
        """So many of them, drawn label by label, so that rare ones find room; what is left, by lot. One of
        three or more of a label is left for a part of `then`."""
        counts = np.array([len(self.members[name]) for name in self.rarest_first], np.int64)
        room = np.array([max(0, self.left[name] - 1) for name in self.rarest_first], np.int64)
        spared = np.where(room > 1, room - min(then, 1), room)
        room = spared if spared.sum() >= size else room
        part, found = list[int](), Counter[str]()
        for name, quota in zip(self.rarest_first, _quotas(size, len(self.labels), counts, room), strict=True):
            wanted = min(int(quota) - found[name], size - len(part))
            part += self._taken(self.members[name], wanted, found)
        part += self._taken(list(self.free), size - len(part), found)
        part += self._taken(list(self.free), size - len(part), found, last=True)
        return np.sort(np.array(part, np.int64))

    def _taken(
        self, among: Iterable[int], most: int, found: Counter[str], last: bool = False
    ) -> Iterator[int]:
        for index in among:
            if most <= 0:
                return
            if index in self.free and (last or all(self.left[label] > 1 for label in self.labels[index])):
                del self.free[index]
                found.update(self.labels[index])
                for label in self.labels[index]:
                    self.left[label] -= 1
                most -= 1
                yield index


def _quotas(size: int, among: int, counts: NDArray[np.int64], room: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many of `among` sequences with each label, counts (K,), come into a part of `size`: by largest
    remainders, no more than `room` (K,) has, and one at least where every label that has room finds some."""
    least = np.minimum(room, 1)
    least = least if least.sum() <= size else np.zeros_like(least)
    ideal = counts * (size / among)
    total = min(max(round(float(ideal.sum())), int(least.sum())), int(room.sum()))
    quotas: NDArray[np.int64] = np.clip(np.floor(ideal).astype(np.int64), least, room)
    while quotas.sum() < total:
        quotas[np.where(quotas < room, ideal - quotas, -np.inf).argmax()] += 1
    while quotas.sum() > total:
        quotas[np.where(quotas > least, quotas - ideal, -np.inf).argmax()] -= 1
    return quotas
