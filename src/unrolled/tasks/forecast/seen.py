"""What a forecaster has seen: of each series all steps up to the end of its validation part. Forecasts are
judged on what comes later; what stands before may be read.

A series of another file is one of those that were seen

    by name       where a column names series: as far as the times of that series go
    by content    whatever its name: half or more of the fingerprints that should be in it are there, and in
                  them its values change CHANGES times or more. A fingerprint is of GRAM steps of the targets,
                  and of their times where the file has times. Rows without times are compared wherever they
                  stand; and of a series of VALUES different values or more a part is enough

Of all series together MOST_GRAMS fingerprints are kept, every so many steps one, and the last of each; none
that does not vary. A series that hardly changes is known by its name alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.files.fingerprints import Prints, comparable, fingerprint, grams, known
from unrolled.files.series import Series
from unrolled.tasks.seen import Arrays, rising

GRAM = 8
VALUES, CHANGES = 8, 6
MOST_GRAMS = 2**18

Steps = NDArray[np.int64]


@dataclass(frozen=True)
class SeenSeries:
    """Of S series the fingerprints of their `names` (S,) and their `last` (S,) times or rows. Of M grams,
    whose `prints` rise, which series each is `of` (M,) and the time or row that it begins `at` (M,); every
    `stride`-th of a series was taken.
    `timed`: whether there are times; `named`: whether a column names series."""

    names: Prints
    last: Steps
    prints: Prints
    of: Steps
    at: Steps
    stride: int
    timed: bool
    named: bool

    @classmethod
    def of_parts(cls, series: Sequence[Series], ends: Sequence[int], timed: bool, named: bool) -> Self:
        """Each series up to its end."""
        stride = max(1, -(-sum(ends) // MOST_GRAMS))
        found = [_grams(s, end, timed) for s, end in zip(series, ends, strict=True)]
        kept = [_informative(*grams, stride) for grams in found]
        prints, at = (np.concatenate([one[k] for one in kept]) for k in range(2))
        of = np.repeat(np.arange(len(series)), [len(one[0]) for one in kept])
        prints, first = np.unique(prints, return_index=True)
        last = np.array([_clock(s)[end - 1] for s, end in zip(series, ends, strict=True)], np.int64)
        names = np.array([fingerprint(s.name) for s in series], np.uint64)
        return cls(names, last, prints, of[first], at[first], stride, timed, named)

    def first_new(self, series: Series) -> int:
        """The step of a series from which on nothing was seen, its length where there is none."""
        clock = _clock(series)[: len(series.target)]
        ends = [clock[0] - 1, *self._alike(series)]
        if self.named and self.timed:
            ends += self.last[self.names == fingerprint(series.name)].tolist()
        first = int(np.searchsorted(clock, max(ends), "right"))
        # Steps at times that were seen, too few for a gram.
        few = int(np.searchsorted(clock, self.last.max(), "right")) if self.timed else 0
        return max(first, few) if few < GRAM else first

    def _alike(self, series: Series) -> Iterator[int]:
        """Where those that were seen and have the same content end, as the clock of `series` tells it."""
        prints, begins = _grams(series, len(series.target), self.timed)
        hits = known(prints, self.prints)
        here = np.flatnonzero(hits >= 0)
        if not len(here):
            return
        of = self.of[hits[here]]
        moved = begins[here] - self.at[hits[here]]  # 0 where there are times
        pairs, group, counts = np.unique(
            np.stack([of, moved], 1), axis=0, return_inverse=True, return_counts=True
        )
        alike = np.split(here[np.argsort(group.reshape(-1), kind="stable")], np.cumsum(counts)[:-1])
        for (s, by), own in zip(pairs.tolist(), alike, strict=True):
            values, changes = _content(series.target[own[0] : own[-1] + GRAM], own - own[0])
            a, b = (own[0], own[-1]) if values >= VALUES else (0, -1)
            at = self.at[self._grams_of[s]] + by
            if changes >= CHANGES and 2 * len(own) >= np.sum((begins[a] <= at) & (at <= begins[b])):
                end = int(self.last[s]) + by
                yield end if self.timed else min(end, int(begins[own[-1]]) + GRAM + self.stride - 2)

    @cached_property
    def _grams_of(self) -> list[Steps]:
        """(S,) which grams are of each series."""
        order = np.argsort(self.of, kind="stable")
        return np.split(order, np.searchsorted(self.of[order], np.arange(1, len(self.names))))

    def arrays(self) -> dict[str, NDArray[Any]]:
        own = {"names": self.names, "last": self.last, "prints": self.prints, "of": self.of, "at": self.at}
        return own | {"how": np.array([self.stride, self.timed, self.named], np.int64)}

    @classmethod
    def restore(cls, arrays: Arrays) -> Self:
        names, last, prints, of, at = (arrays[name] for name in ("names", "last", "prints", "of", "at"))
        stride, timed, named = arrays["how"].tolist()
        fits = len(names) == len(last) > 0 and len(of) == len(at) == len(rising(prints))
        fits &= type(stride) is int and 0 < stride < 2**40
        if not fits or not all(one.dtype == np.int64 and one.ndim == 1 for one in (last, of, at)):
            raise ValueError(f"{len(names)} series, {len(last)} ends, {len(prints)} fingerprints")
        if len(of) and not 0 <= of.min() <= of.max() < len(names):
            raise ValueError("fingerprints of series that are not there")
        return cls(names.astype(np.uint64), last, prints, of, at, stride, bool(timed), bool(named))


def _clock(series: Series) -> Steps:
    """(T + F,) its times, or its rows from 0, as whole numbers."""
    return series.times.astype(np.int64)


def _grams(series: Series, end: int, timed: bool) -> tuple[Prints, Steps]:
    """The fingerprints of all grams before `end`, 0 of one that does not vary, and where each begins."""
    y, clock = comparable(series.target[:end]), _clock(series)[:end]
    parts = [y.view(np.uint32), *([np.ascontiguousarray(clock)[:, None].view(np.uint32)] if timed else [])]
    words = np.concatenate(parts, axis=1)
    columns = [grams(np.ascontiguousarray(words[:, k]), GRAM) for k in range(words.shape[1])]
    prints = columns[0].copy()
    for column in columns[1:]:
        prints = (prints ^ (prints >> np.uint64(31))) * np.uint64(0xD6E8FEB86659FD93) + column
    if len(prints):
        windows = np.lib.stride_tricks.sliding_window_view(y, GRAM, axis=0)
        prints[(windows == windows[..., :1]).all((1, 2))] = 0
    return prints, clock[: len(prints)]


def _content(y: NDArray[np.float64], begins: Steps) -> tuple[int, int]:
    """How many values the grams that begin there hold, and how often these change from step to step."""
    inside = np.zeros(len(y), np.bool_)
    inside[(begins[:, None] + np.arange(GRAM)).reshape(-1)] = True
    changes = inside[1:] & inside[:-1] & (y[1:] != y[:-1]).any(1)
    return len(np.unique(y[inside], axis=0)), int(np.sum(changes))


def _informative(prints: Prints, at: Steps, stride: int) -> tuple[Prints, Steps]:
    """Every `stride`-th and the last, without those that do not vary."""
    chosen = np.flatnonzero((np.arange(len(prints)) % stride == 0) & (prints != 0))
    chosen = np.union1d(chosen, np.flatnonzero(prints)[-1:])
    return prints[chosen], at[chosen]
