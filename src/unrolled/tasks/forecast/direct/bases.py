"""The bases of several series, and the frames that stay when a window's own does not frame it:

    window    every window by its own mean and spread
    series    those of a series that has its own base by the mean and the spread of its training part
    pooled    all alike: scaled values as they are

Shapes   series (T_i,) -> fixed (N + 1, 2), mean and spread of each and of all others; a spread of 0 is none
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unrolled.tasks.forecast.direct import base

Array = NDArray[np.float64]

WINDOW, SERIES, POOLED = "window", "series", "pooled"
# A spread below this share of a series' own is its floor.
FLOOR = 0.05
# A series of fewer counts has no base of its own: they tell less of it than all others do.
LEAST_COUNTS = 100


def of_each_series(
    parts: Sequence[Array],
    horizon: int,
    length: int,
    periods: Sequence[int],
    frame: int,
    scale: str,
    quick: bool = False,
) -> tuple[list[base.Base], Array]:
    """That of each series which has windows enough for one of its own, and of all others that of all
    together, which is the last; and the fixed frames of each, (N + 1, 2), by the `scale`."""
    known = [part[~np.isnan(part)] for part in parts]
    moments = np.array([(part.mean(), part.std()) if len(part) else (0.0, 0.0) for part in known])
    least = length + horizon + base.LEAST_FOR_RIDGE
    alone = [spread > 0 and len(part) >= least for part, (_, spread) in zip(parts, moments, strict=True)]
    fixed = fixed_frames(len(parts) + 1, scale)
    if scale == SERIES:
        fixed[:-1][alone] = moments[alone]
    scaled = list(parts)
    if scale != POOLED:
        pairs = zip(parts, moments, strict=True)
        scaled = [part / spread for part, (_, spread) in pairs if spread > 0] or scaled

    def fitted(parts: Sequence[Array], floor: float, fixed: Array) -> base.Base:
        return base.fit(parts, horizon, length, periods, floor, frame, fixed, quick)

    together = fitted(scaled, FLOOR, np.repeat(fixed[-1:], len(scaled), 0))
    each = [
        fitted([part], FLOOR * spread, frames[None]) if one else together
        for part, (_, spread), frames, one in zip(parts, moments, fixed[:-1], alone, strict=True)
    ]
    return [*each, together], fixed


def of_each_count(
    parts: Sequence[Array],
    horizon: int,
    length: int,
    periods: Sequence[int],
    frame: int,
    floor: float,
    one: float,
) -> tuple[list[base.Base], Array]:
    """The same of counts, whose windows' spreads have one floor, and which must be enough themselves; `one`:
    what 1 is, scaled."""

    def fitted(parts: Sequence[Array]) -> base.Base:
        return base.fit(parts, horizon, length, periods, floor, frame, by_mean=True)

    together, least = fitted(parts), length + horizon + base.LEAST_FOR_RIDGE
    enough = [np.nansum(part) >= LEAST_COUNTS * one and len(part) >= least for part in parts]
    each = [
        fitted([part]) if one_of_its_own else together
        for part, one_of_its_own in zip(parts, enough, strict=True)
    ]
    return [*each, together], fixed_frames(len(parts) + 1, WINDOW)


def fixed_frames(count: int, scale: str) -> Array:
    """Of so many series, which are not known by themselves: (count, 2)."""
    return np.tile((0.0, 1.0) if scale == POOLED else (0.0, 0.0), (count, 1))
