"""What a forecaster has seen: of each series all steps up to the end of its validation part. Forecasts are
judged on what comes later; what stands before may be read.

A series of another file is one of those that were seen

    by name       where a column names series: as far as the times of that series go
    by its rows   where the file has no times: it begins with all that was seen of one
    by content    whatever its name: half or more of the fingerprints that should be in it are there, and in
                  them its values change CHANGES times or more. A fingerprint is of GRAM steps of the targets,
                  and of their times where the file has times. Rows without times are compared wherever they
                  stand, LEAST_STEPS of them or more; but of VALUES different values or more a part is enough

Of all series together MOST_GRAMS fingerprints are kept, every so many steps one, and the last of each; none
that does not vary, and none that comes twice in its series: what repeats by its nature is no sign of what was
seen. So a series that hardly changes is known by its name or its rows alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.files.fingerprints import Prints, comparable, fingerprint, known, mixed, ngrams
from unrolled.files.series import Series
from unrolled.tasks.seen import Arrays, rising

GRAM = 8
VALUES, CHANGES = 8, 6
LEAST_STEPS = 32
MOST_GRAMS = 2**18

ARRAYS = ("names", "wholes", "last", "prints", "of", "at")

_MIX = np.uint64(0xD6E8FEB86659FD93)

Steps = NDArray[np.int64]


@dataclass(frozen=True)
class SeenSeries:
    """Of S series the fingerprints of their `names` (S,), and of all their steps, `wholes` (S,), and their
    `last` (S,) times or rows. Of M ngrams, whose `prints` rise, which series each is `of` (M,) and the time
    or row that it begins `at` (M,); every `stride`-th of a series was taken. `timed`: whether there are
    times; `named`: whether a column names series."""

    names: Prints
    wholes: Prints
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
        parts = list(zip(series, ends, strict=True))
        y = comparable(np.concatenate([s.target[:end] for s, end in parts]))
        clock = np.concatenate([_clock(s)[:end] for s, end in parts])
        grams, after = _grams(y, clock, timed), np.cumsum(ends)
        prints, of, at = _informative(*grams, np.asarray(ends), stride)
        prints, first = np.unique(prints, return_index=True)
        sums = _so_far(y, np.concatenate([np.arange(end) for end in ends]))[after - 1]
        wholes = np.diff(sums, prepend=np.uint64(0))
        names = np.array([fingerprint(s.name) for s in series], np.uint64)
        return cls(names, wholes, clock[after - 1], prints, of[first], at[first], stride, timed, named)

    def joined(self, other: Self) -> Self:
        """What either has seen. A fingerprint of both is of the series that goes on longer after it; names of
        series tell nothing where no column gave them."""
        pairs = [(getattr(self, name), getattr(other, name)) for name in ("wholes", "last", "prints", "at")]
        wholes, last, prints, at = map(np.concatenate, pairs)
        names = np.concatenate([one.names * np.uint64(one.named) for one in (self, other)])
        of = np.concatenate([self.of, other.of + len(self.names)])
        order = np.lexsort((at - last[of], prints))
        prints, first = np.unique(prints[order], return_index=True)
        of, at = of[order[first]], at[order[first]]
        stride, named = max(self.stride, other.stride), self.named or other.named
        return type(self)(names, wholes, last, prints, of, at, stride, self.timed, named)

    def first_new(self, series: Series) -> int:
        """The step of a series from which on nothing was seen, its length where there is none."""
        clock = _clock(series)[: len(series.target)]
        ends = [clock[0] - 1, *self._alike(series)]
        if self.named and self.timed:
            ends += self.last[self.names == fingerprint(series.name)].tolist()
        if not self.timed:
            inside = self.last < len(clock)
            so_far = _so_far(comparable(series.target), np.arange(len(clock)))
            ends += self.last[inside][self.wholes[inside] == so_far[self.last[inside]]].tolist()
        first = int(np.searchsorted(clock, max(ends), "right"))
        # Steps at times that were seen, too few for a gram.
        few = int(np.searchsorted(clock, self.last.max(), "right")) if self.timed else 0
        return max(first, few) if few < GRAM else first

    def _alike(self, series: Series) -> Iterator[int]:
        """Where those that were seen and have the same content end, as the clock of `series` tells it."""
        y = comparable(series.target)
        prints, begins = _grams(y, _clock(series)[: len(y)], self.timed)
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
        for (s, by), places in zip(pairs.tolist(), alike, strict=True):
            steps, values, changes = _content(
                series.target[places[0] : places[-1] + GRAM], places - places[0]
            )
            if not self.timed and values < VALUES and steps < LEAST_STEPS:
                continue
            a, b = (places[0], places[-1]) if values >= VALUES else (0, -1)
            at = self.at[self._grams_of[s]] + by
            if changes >= CHANGES and 2 * len(places) >= np.sum((begins[a] <= at) & (at <= begins[b])):
                end, missed = int(self.last[s]) + by, at[at > begins[places[-1]]] + GRAM - 2
                yield end if self.timed else int(missed.min(initial=end))

    @cached_property
    def _grams_of(self) -> list[Steps]:
        """(S,) which ngrams are of each series."""
        order = np.argsort(self.of, kind="stable")
        return np.split(order, np.searchsorted(self.of[order], np.arange(1, len(self.names))))

    def arrays(self) -> dict[str, NDArray[Any]]:
        how = np.array([self.stride, self.timed, self.named], np.int64)
        return {name: getattr(self, name) for name in ARRAYS} | {"how": how}

    @classmethod
    def restore(cls, arrays: Arrays) -> Self:
        names, wholes, last, prints, of, at = (arrays[name] for name in ARRAYS)
        stride, timed, named = arrays["how"].tolist()
        fits = len(names) == len(wholes) == len(last) > 0 and len(of) == len(at) == len(rising(prints))
        fits &= type(stride) is int and 0 < stride < 2**40
        if not fits or not all(one.dtype == np.int64 and one.ndim == 1 for one in (last, of, at)):
            raise ValueError(f"{len(names)} series, {len(last)} ends, {len(prints)} fingerprints")
        if len(of) and not 0 <= of.min() <= of.max() < len(names):
            raise ValueError("fingerprints of series that are not there")
        names, wholes = names.astype(np.uint64), wholes.astype(np.uint64)
        return cls(names, wholes, last, prints, of, at, stride, bool(timed), bool(named))


def _clock(series: Series) -> Steps:
    """(T + F,) its times, or its rows from 0, as whole numbers."""
    return series.times.astype(np.int64)


def _joint(y: NDArray[np.float32], clock: Steps, timed: bool, k: int) -> Prints:
    """The fingerprints of every `k` steps in a row, with their times where there are some."""
    arrays = [y.view(np.uint32), *([np.ascontiguousarray(clock)[:, None].view(np.uint32)] if timed else [])]
    words = np.concatenate(arrays, axis=1)
    columns = [ngrams(np.ascontiguousarray(words[:, i]), k) for i in range(words.shape[1])]
    prints = columns[0].copy()
    for column in columns[1:]:
        prints = (prints ^ (prints >> np.uint64(31))) * _MIX + column
    return prints


def _so_far(y: NDArray[np.float32], rows: Steps) -> Prints:
    """(T,) the fingerprints of all steps up to each, of the rows from 0 that they are."""
    prints, at = _joint(y, rows, False, 1), (rows + 1).astype(np.uint64)
    return np.cumsum(mixed(mixed(prints + at * _MIX)))


def _grams(y: NDArray[np.float32], clock: Steps, timed: bool) -> tuple[Prints, Steps]:
    """The fingerprints of all ngrams, 0 of one that does not vary, and where each begins."""
    prints = _joint(y, clock, timed, GRAM)
    if len(prints):
        changes = np.concatenate([[0], np.cumsum((y[1:] != y[:-1]).any(1))])
        prints[changes[GRAM - 1 :] == changes[: len(prints)]] = 0
    return prints, clock[: len(prints)]


def _content(y: NDArray[np.float64], begins: Steps) -> tuple[int, int, int]:
    """How many steps and values the ngrams that begin there hold, and how often these change from step to
    step."""
    inside = np.zeros(len(y), np.bool_)
    inside[(begins[:, None] + np.arange(GRAM)).reshape(-1)] = True
    changes = inside[1:] & inside[:-1] & (y[1:] != y[:-1]).any(1)
    return int(inside.sum()), len(np.unique(y[inside], axis=0)), int(np.sum(changes))


def _informative(prints: Prints, at: Steps, lengths: Steps, stride: int) -> tuple[Prints, Steps, Steps]:
    """Of series that stand one after the other, so long: every `stride`-th of each and its last, without
    those that do not vary or come twice in it; with the number of its series, and where it begins."""
    of = np.repeat(np.arange(len(lengths)), lengths)[: len(prints)]
    place = np.arange(len(prints)) - (np.cumsum(lengths) - lengths)[of]
    inside = np.flatnonzero((prints != 0) & (place + GRAM <= lengths[of]))
    order = inside[np.lexsort((prints[inside], of[inside]))]
    again = (np.diff(prints[order]) == 0) & (np.diff(of[order]) == 0)
    once = ~(np.append(again, False) | np.insert(again, 0, False))[: len(order)]
    telling = np.sort(order[once])
    last = np.append(np.diff(of[telling]) > 0, True)[: len(telling)]
    chosen = telling[(place[telling] % stride == 0) | last]
    return prints[chosen], of[chosen], at[chosen]
