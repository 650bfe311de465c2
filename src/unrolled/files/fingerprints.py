"""Fingerprints: 64 bits of what an example holds, by which it is known again in another file; and of all
pieces of k steps of a long text or series.

Examples that are equal have one fingerprint whatever their file and format: numbers count in float32, texts
without regard to their blanks. Two that differ share one by a chance of 2^-64: one of a million new examples
is taken for one of a million known ones by a chance of 10^-7.
"""

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

Prints = NDArray[np.uint64]
Part = str | NDArray[np.generic] | None

# What is never known again.
NONE = 0

_MIX = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)


def fingerprint(*parts: Part) -> int:
    """Of one example, in the parts that it consists of."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        if part is None or isinstance(part, str):
            digest.update(repr(None if part is None else " ".join(part.split())).encode())
        else:
            digest.update(repr(part.shape).encode())
            digest.update(comparable(part).tobytes())
    return int.from_bytes(digest.digest(), "little") or 1


def fingerprints(examples: Iterable[tuple[Part, ...]]) -> Prints:
    """(N,) of N examples."""
    return np.fromiter((fingerprint(*parts) for parts in examples), np.uint64)


def comparable(numbers: NDArray[np.generic]) -> NDArray[np.float32]:
    """In float32, with one zero and one NaN."""
    with np.errstate(over="ignore"):
        plain = numbers.astype(np.float32)
    return np.asarray(np.where(np.isnan(plain), np.float32(np.nan), plain + np.float32(0)))


def ngrams(steps: NDArray[np.uint32], k: int) -> Prints:
    """steps (T,) -> (T - k + 1,) of every k in a row, none where T < k; k is a power of two."""
    if len(steps) < k:
        return np.empty(0, np.uint64)
    prints = mixed(steps.astype(np.uint64) + np.uint64(1))
    size = 1
    while size < k:
        prints = mixed(prints[:-size] * np.uint64(2 * size + 1) + prints[size:])
        size *= 2
    return prints


def mixed(prints: Prints) -> Prints:
    """(N,) of which each bit depends on many."""
    prints = (prints ^ (prints >> _SHIFT)) * _MIX
    return prints ^ (prints >> _SHIFT)


def known(prints: Prints, sorted_: Prints) -> NDArray[np.int64]:
    """prints (N,), sorted_ (M,) rising -> (N,) where each stands in it, -1 where it does not."""
    if not len(sorted_):
        return np.full(len(prints), -1)
    at = np.minimum(np.searchsorted(sorted_, prints), len(sorted_) - 1)
    return np.where(sorted_[at] == prints, at, -1)
