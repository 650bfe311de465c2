"""Parts of sequences that belong to groups, each whole in one part: as near as whole groups come to the size
that is asked for, and to equal shares of labels. With n_k of the N_k sequences of label k in a part, and all
sequences as one label more, k = 0, that counts as much as the K others together,

    distance = Σ_k w_k (n_k / N_k - share)²      w_0 = max(1, K), else 1

Groups come in an order that is drawn, and each joins a part that it brings nearer; the nearest of several
draws counts. A group without which training had none of a label stays in training where it can.

Source   StratifiedGroupKFold of scikit-learn, which puts each group where shares of classes come nearest
Differs  parts of unequal size; groups are drawn, not taken by size, so that a part is a fair sample of them
"""

from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.messages import counted, option

Array = NDArray[np.float64]
Indices = NDArray[np.int64]

# Labels that are heeded, the most frequent; draws, and groups that are drawn in all of them.
MOST_LABELS, MOST_DRAWS, MOST_DRAWN = 200, 60, 6_000
_LEAST = 1e-9  # share of a label, for rounding


def by_group(
    groups: Sequence[str], labels: Sequence[Sequence[str]], validation: int, test: int, seed: int
) -> tuple[Indices, Indices, Indices]:
    """`splits.by_label` of sequences (N,) in groups (N,): which train, validate and test, about so many. It
    does not depend on the order of the sequences. DataError for fewer groups than parts."""
    names, number = np.unique(np.array(groups, object), return_inverse=True)
    sizes = [size for size in (test, validation) if size]
    _require_enough(len(names), 1 + len(sizes))
    shares = _shares(number, labels)
    draw, draws = np.random.default_rng(seed), min(MOST_DRAWS, max(1, MOST_DRAWN // len(names)))
    drafts = [_drawn(shares, [size / len(groups) for size in sizes], draw) for _ in range(draws)]
    parts = iter(min(drafts, key=lambda draft: draft[0])[1])
    tests, validations = (np.isin(number, next(parts) if size else []) for size in (test, validation))
    train, validating, testing = map(np.flatnonzero, (~(tests | validations), validations, tests))
    return train, validating, testing


def _require_enough(groups: int, parts: int) -> None:
    if groups < parts:
        raise DataError(
            f"{counted(groups, 'group')} for {parts} parts of the data, each of which has whole ones; give "
            f"more, leave a part out ({option('validation', 0)} or {option('test', 0)}), or name files of "
            f"others for it ({option('test_files')})"
        )


def _shares(number: Indices, labels: Sequence[Sequence[str]]) -> Array:
    """(G, 1 + K) of all sequences, and of each label, the share that each group has, times √w_k."""
    often = Counter(chain.from_iterable(labels))
    heeded = sorted(often, key=lambda label: (-often[label], label))[:MOST_LABELS]
    column = {label: k for k, label in enumerate(heeded, 1)}
    counts = np.zeros((number.max() + 1, 1 + len(heeded)))
    counts[:, 0] = np.bincount(number)
    for group, one in zip(number, labels, strict=True):
        for label in one:
            if label in column:
                counts[group, column[label]] += 1
    shares: Array = counts / counts.sum(0)
    return shares * _weights(shares)


def _weights(shares: Array) -> Array:
    """(1 + K,) √w_k."""
    weights = np.ones(shares.shape[1])
    weights[0] = np.sqrt(max(1, shares.shape[1] - 1))
    return weights


def _drawn(shares: Array, sizes: Sequence[float], draw: np.random.Generator) -> tuple[float, list[list[int]]]:
    """The distance of parts of these sizes, and the groups of each."""
    free, left = draw.permutation(len(shares)).tolist(), shares.sum(0)
    distance, parts, smallest = 0.0, list[list[int]](), shares[:, 0].min()
    for later, size in zip(range(len(sizes), 0, -1), sizes, strict=True):
        rest = size * _weights(shares)  # what the part still lacks
        part = list[int]()
        for group in free:
            if rest[0] < smallest / 2:
                break
            there = len(free) - len(part) > later
            if there and _spares(left, shares[group]) and _nearer(rest, shares[group]):
                part.append(group)
                rest, left = rest - shares[group], left - shares[group]
        if not part:
            spared = [group for group in free if _spares(left, shares[group])] or free
            part = [min(spared, key=lambda group: float(np.square(rest - shares[group]).sum()))]
            rest, left = rest - shares[part[0]], left - shares[part[0]]
        taken = set(part)
        free = [group for group in free if group not in taken]
        distance += float(np.square(rest).sum())
        parts.append(part)
    return distance, parts


def _spares(left: Array, shares: Array) -> bool:
    """Whether something of every label of a group is left without it."""
    return bool(((left - shares > _LEAST) | (shares == 0)).all())


def _nearer(rest: Array, shares: Array) -> bool:
    return bool(np.square(rest - shares).sum() < np.square(rest).sum())
