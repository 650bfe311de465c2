"""How targets are read where the options leave it open: as the base forecasts the validation part best, which
costs no training. From the origins n of that part, at even distances, a candidate has

    e_n      the sum of the errors of its forecasts, in units of the file, of each series and target over its
             deviation in the training part; squared or absolute, as in the training
    gain     1 - Σ e_n / Σ e_n of the usual one; of squares 1 - √
    noise    of Σ (e_n of the usual one - e_n): judging/noise.py

One is taken whose gain is LEAST_GAIN or more and above its noise, for a transform half of it; of several the
best. First a transform for each target is chosen, then a scale for all (docs/decisions/0164). Where no
transform is taken, a target of which many values are 0 and none is below cannot be below 0.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unrolled.batching.splits import evenly
from unrolled.codecs.gaps import carried
from unrolled.codecs.scaling import Scaler
from unrolled.codecs.windows import window_steps
from unrolled.tasks.forecast.config import OF_THEIR_KIND, ForecastOptions
from unrolled.tasks.forecast.direct import base
from unrolled.tasks.forecast.direct.bases import (
    FLOOR,
    POOLED,
    SERIES,
    WINDOW,
    fixed_frames,
    of_each_series,
)
from unrolled.tasks.forecast.direct.reading import members_of
from unrolled.tasks.forecast.direct.windows import frame_of
from unrolled.tasks.forecast.judging.noise import margin
from unrolled.tasks.forecast.targets import NONNEGATIVE, TAKEN_OF, target_scaler

Array = NDArray[np.float64]
Steps = NDArray[np.int64]
Ends = Sequence[tuple[int, int]]

LEAST_GAIN = 0.03
# Shares of the noise: a fixed scale is lost where levels shift after the validation part.
OF_TRANSFORMS, OF_SCALES = 0.5, 1.0
# Of so many series, targets and origins candidates are compared; of more targets none is.
MOST_SERIES, MOST_TARGETS, MOST_ORIGINS = 20, 16, 400
# Logarithms are taken where the least value of each series is above this share of its middle one: a smaller
# one yet, or a 0, would be so far from all others that it moved every forecast after it.
LEAST_SHARE = 1 / 20
# So many values that are 0, and this share of all, say that 0 is the least that can be: where it is only the
# least that was seen, such as of whole degrees, some of so many would lie beyond it.
LEAST_ZEROS, SHARE_OF_ZEROS = 10, 0.01


@dataclass(frozen=True)
class Trial:
    """Some series (T_i, K) up to the ends of their validation parts, `ends` of training and validation;
    how windows are read; and from where they are forecast: the steps `last` (N,) of series `of`
    (N,)."""

    series: Sequence[Array]
    ends: Ends
    horizon: int
    window: int
    frame: int
    period: int
    periods: Sequence[int]
    named: bool
    absolute: bool
    of: Steps
    last: Steps

    @property
    def trained(self) -> list[int]:
        """The series that have a training part."""
        return [i for i, (train, _) in enumerate(self.ends) if train]


@dataclass(frozen=True)
class Errors:
    """sums (N,) of `counts` (N,) errors."""

    sums: Array
    counts: Array


def choose(
    options: ForecastOptions, series: Sequence[Array], ends: Ends, periods: Sequence[int], named: bool
) -> tuple[ForecastOptions, tuple[str, ...]]:
    """The options without open choices, and notes on them. series (T_i, K) as in the file; `ends` of the
    training and the validation part of each; `named`: whether each is known by its name. Counts and 0 and 1
    have the usual ones."""
    K = series[0].shape[1]
    transforms = options.transform or ("none",) * K
    scale = options.scale or WINDOW
    trial = _trial(options, series, ends, periods, named)
    notes: tuple[str, ...] = ()
    open_ = options.transform is None and options.output not in OF_THEIR_KIND
    if trial is not None and open_:
        said = []
        for k in range(K):
            one = replace(trial, series=[y[:, k : k + 1] for y in trial.series])
            kinds = [kind for kind in ("sqrt", "log") if _possible(kind, series, ends, k)]
            said.append(
                _best(
                    one,
                    OF_TRANSFORMS,
                    "none",
                    {kind: errors(one, (kind,), scale) for kind in ["none", *kinds]},
                )
            )
        transforms = tuple(kind for kind, _ in said)
        notes += tuple(f"transform: {note}" for note in dict.fromkeys(note for _, note in said) if note)
    if open_:
        from_0 = [kind == "none" and _nonnegative(series, ends, k) for k, kind in enumerate(transforms)]
        transforms = tuple(NONNEGATIVE if at else kind for at, kind in zip(from_0, transforms, strict=True))
        notes += ("transform: nonnegative in place of none, as many values are 0 and none is below",) * any(
            from_0
        )
    if trial is not None and options.scale is None and not options.is_discrete:
        scales = [WINDOW, *([SERIES] if named else []), POOLED]
        scale, note = _best(trial, OF_SCALES, WINDOW, {one: errors(trial, transforms, one) for one in scales})
        notes += (f"scale: {note}",)
    return options.model_copy(update={"transform": transforms, "scale": scale}), notes


def _trial(
    options: ForecastOptions, series: Sequence[Array], ends: Ends, periods: Sequence[int], named: bool
) -> Trial | None:
    """None where there is nothing to choose by."""
    horizon, window, period = options.horizon or 1, options.window or 1, options.season or 1
    longest = max(end for end, _ in ends)
    frame = frame_of(members_of(options.members, window, period, longest, None))
    if series[0].shape[1] > MOST_TARGETS:
        return None
    parts = [[i for i, (train, _) in enumerate(ends) if bool(train) == one] for one in (True, False)]
    some = [part[at] for part in parts if part for at in evenly(len(part), MOST_SERIES)]
    cut, chosen = [series[i][: ends[i][1]] for i in some], [ends[i] for i in some]
    lasts = [np.arange(max(train, 1) - 1, end - horizon) for train, end in chosen]
    of, last = np.repeat(np.arange(len(some)), [len(one) for one in lasts]), np.concatenate(lasts)
    if not len(of):
        return None
    pooled = np.concatenate([y[:train] for y, (train, _) in zip(cut, chosen, strict=True)])
    if not (np.fmin.reduce(pooled) < np.fmax.reduce(pooled)).all():
        return None
    every = evenly(len(of), MOST_ORIGINS)
    absolute, places = options.error == "absolute", (of[every], last[every])
    return Trial(cut, chosen, horizon, window, frame, period, periods, named, absolute, *places)


def _possible(kind: str, series: Sequence[Array], ends: Ends, k: int) -> bool:
    """Whether the transform can be taken of target k, and later values may be like those."""
    _, fits = TAKEN_OF[kind]
    for y, (_, end) in zip(series, ends, strict=True):
        known = y[:end, k][~np.isnan(y[:end, k])]
        if not fits(known).all():
            return False
        if kind == "log" and len(known) and known.min() <= LEAST_SHARE * np.median(known):
            return False
    return True


def _nonnegative(series: Sequence[Array], ends: Ends, k: int) -> bool:
    """Whether target k says by its zeros that it cannot be below."""
    known = np.concatenate([y[:end, k] for y, (_, end) in zip(series, ends, strict=True)])
    zeros, values = int((known == 0).sum()), int((~np.isnan(known)).sum())
    return zeros >= max(LEAST_ZEROS, SHARE_OF_ZEROS * values) and not (known < 0).any()


def _best(trial: Trial, share: float, usual: str, candidates: Mapping[str, Errors]) -> tuple[str, str]:
    """The name, and a note, none where there was nothing to choose from."""
    gains = {
        name: _gain(trial, share, candidates[usual], one) for name, one in candidates.items() if name != usual
    }
    if not gains:
        return usual, ""
    best = max(gains, key=lambda name: gains[name])
    if gains[best] < LEAST_GAIN:
        return (
            usual,
            f"{usual}, as nothing else lessens the errors of the base on the validation part clearly",
        )
    return best, f"{best}, by {gains[best]:.0%} less error of the base on the validation part"


def _gain(trial: Trial, share: float, usual: Errors, other: Errors) -> float:
    """0 where it may be noise, by that share of it."""
    before, after = usual.sums.sum(), other.sums.sum()
    if not (np.isfinite([before, after]).all() and before > 0):
        return 0.0
    difference = usual.sums - other.sums
    noise = margin(difference, usual.counts, trial.of, trial.last, trial.horizon)
    if not difference.sum() / usual.counts.sum() > share * noise:
        return 0.0
    return float(1 - after / before if trial.absolute else 1 - math.sqrt(after / before))


def errors(trial: Trial, transforms: Sequence[str], scale: str = WINDOW) -> Errors:
    """Of all targets of each origin together."""
    training = [trial.series[i][: trial.ends[i][0]] for i in trial.trained]
    names = [str(k) for k in range(len(transforms))]
    scaler = target_scaler(training, names, transforms=transforms)
    scaled = [scaler.transform(y) for y in trial.series]
    said = np.stack([_forecasts(trial, [z[:, k] for z in scaled], scale) for k in range(len(names))], -1)
    return _judged(trial, scaler, said)


def _forecasts(trial: Trial, z: Sequence[Array], scale: str) -> Array:
    """Of one target, scaled series (T_i,) -> (N, H)."""
    parts = [z[i][: trial.ends[i][0]] for i in trial.trained]
    spreads = [float(np.nanstd(part)) for part in parts if (~np.isnan(part)).any()]
    floor = FLOOR * min((spread for spread in spreads if spread > 0), default=1.0)
    how = trial.horizon, trial.window, trial.periods
    if trial.named:
        bases, fixed = of_each_series(parts, *how, trial.frame, scale, quick=True)
    else:
        fixed = fixed_frames(len(parts), scale)
        bases = [base.fit(parts, *how, floor, trial.frame, fixed, quick=True)]
    number = {i: at if trial.named else -1 for at, i in enumerate(trial.trained)}
    said = np.empty((len(trial.of), trial.horizon))
    for i, one in enumerate(z):
        rows, at = np.flatnonzero(trial.of == i), number.get(i, -1)
        filled = np.nan_to_num(carried(one, np.isnan(one), np.array(0.0)))
        windows = filled[window_steps(trial.last[rows], trial.window, trial.period)]
        frames = np.repeat(fixed[at][None], len(rows), 0)
        u, mean, spread = base.framed(windows, floor, trial.frame, frames)
        said[rows] = mean + spread * (u @ bases[at].weights.T)
    return said


def _judged(trial: Trial, scaler: Scaler, said: Array) -> Errors:
    """said (N, H, K), scaled."""
    steps = trial.last[:, None] + np.arange(1, trial.horizon + 1)
    y = np.stack([trial.series[i][at] for i, at in zip(trial.of, steps, strict=True)])
    units = np.stack(
        [_unit(one[: train or end]) for one, (train, end) in zip(trial.series, trial.ends, strict=True)]
    )
    with np.errstate(over="ignore", invalid="ignore"):  # a base may grow without bound
        off = np.abs(y - scaler.inverse(said)) / units[trial.of, None]
        off = off if trial.absolute else np.square(off)
    known = ~np.isnan(y)
    return Errors(np.where(known, off, 0).sum((1, 2)), known.sum((1, 2)).astype(np.float64))


def _unit(part: Array) -> Array:
    """(T, K) -> (K,) the deviation, 1 where there is none. Squares are of numbers up to 1: none is
    infinite."""
    known = ~np.isnan(part)
    count = np.maximum(known.sum(0), 1)
    distance = np.where(known, part - np.where(known, part, 0).sum(0) / count, 0)
    largest = np.abs(distance).max(0, initial=0)
    squares = (distance / np.where(largest > 0, largest, 1)) ** 2
    deviation = largest * np.sqrt(squares.sum(0) / count)
    return np.where(deviation > 0, deviation, 1.0)
