"""A backtest of a model that is trained again on the way: every so many steps of what is judged, on all that
is known by then. Of a series whose judged part begins at step b, origin o belongs to training

    n = ⌊(o + 1 - b) / every⌋        whose model has seen the steps before b + n every ≤ o + 1
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import ConfigError
from unrolled.files.messages import counted, option
from unrolled.files.series import Series, SeriesFile
from unrolled.tasks.forecast.config import Plan
from unrolled.tasks.forecast.judging.backtest import Origins, outcomes
from unrolled.tasks.forecast.paths import Forecast, Predictor

Steps = NDArray[np.int64]


@dataclass(frozen=True)
class Refit:
    """`ends` (S,): how many steps of each series are known to it; `of` (S,) (N_i,): the origins that it is
    asked from."""

    ends: tuple[int, ...]
    of: tuple[Steps, ...]


def check_refits(every: int, on_test: bool) -> None:
    """ConfigError where a model cannot be trained again every so many steps."""
    if every < 1:
        raise ConfigError(f"{option('refit_every')}: wanted 1 or more, got {every}")
    if not on_test:
        raise ConfigError(
            f"{option('refit_every')} goes through the test part of the training data; leave out the data to "
            "judge on, or the option"
        )


def refits_sentence(every: int, trainings: int, steps: int) -> str:
    """`steps` of each training, for a verdict."""
    return (
        f"judged with {counted(trainings, 'model')}: trained anew every {counted(every, 'step')} of the test "
        f"part on all that was known by then, each for {counted(steps, 'gradient step')}"
    )


def refits(origins: Origins, first: Sequence[int], every: int) -> Iterator[Refit]:
    """Those that have origins; `first`: the first step of each series that is judged."""
    number = [(at + 1 - begin) // every for at, begin in zip(origins.of, first, strict=True)]
    for n in np.unique(np.concatenate(number)).tolist():
        yield Refit(
            tuple(begin + n * every for begin in first),
            tuple(at[of == n] for at, of in zip(origins.of, number, strict=True)),
        )


def refitted_forecasts(
    refits: Sequence[Refit],
    train: Callable[[SeriesFile], Predictor],
    file: SeriesFile,
    plan: Plan,
    note: Callable[[str], None],
) -> list[Forecast]:
    """Of each series that has origins, one after the other; `note` tells how far it is."""
    parts: list[list[Forecast]] = [[] for _ in file.series]
    for n, refit in enumerate(refits, start=1):
        known = known_of(file, refit.ends)
        steps = sum(len(s.target) for s in known.series)
        note(f"training {n:,} of {len(refits):,}, on {counted(steps, 'step')}")
        predictor = train(known)
        for s, at, forecasts in zip(file.series, refit.of, parts, strict=True):
            if len(at):
                coded = predictor.codec.encode(s, plan.steps)
                y = outcomes(coded.y, at, plan.horizon)
                forecasts.append(predictor.forecast(coded, at, plan.horizon, y))
    return [Forecast.joined(forecasts) for forecasts in parts if forecasts]


def known_of(file: SeriesFile, ends: Sequence[int]) -> SeriesFile:
    """Each series up to its end, all of them to train on, but for those of which nothing is known yet."""
    pairs = zip(file.series, ends, strict=True)
    return replace(file, series=tuple(_up_to(s, end) for s, end in pairs if end))


def _up_to(series: Series, end: int) -> Series:
    names = "times", "offsets", "target", "past", "future"
    return replace(series, part="", **{name: getattr(series, name)[:end] for name in names})
