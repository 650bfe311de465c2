"""From a configuration and its data to all that a training needs, or to the error that says what is
missing."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unrolled.files.series import SeriesFile
from unrolled.tasks.estimator import Prepared
from unrolled.tasks.forecast import holidays
from unrolled.tasks.forecast.config import ForecastConfig
from unrolled.tasks.forecast.data import Codec, calendar_names, has_part
from unrolled.tasks.forecast.defaults import settle
from unrolled.tasks.forecast.direct import prepared as direct
from unrolled.tasks.forecast.fitted import Fitted
from unrolled.tasks.forecast.judging.backtest import find_origins
from unrolled.tasks.forecast.recursive import prepared as recursive
from unrolled.tasks.metrics import naive_scale

# Up to so many series have a base each.
MOST_NAMED = 1000


def prepare(
    config: ForecastConfig, file: SeriesFile, start: Fitted | None = None
) -> Prepared[ForecastConfig, Fitted]:
    """DataError for whatever the data lack; touches no file. `start`: what was fitted for the model that the
    training starts from."""
    settled = settle(config, file)
    config, ends = settled.config, settled.ends
    plan = config.plan()
    training_ends = [end for end, _ in ends]
    calendar = calendar_names(file, training_ends) if config.data.calendar == "auto" else ()
    more: tuple[str, ...] = ()
    if start:
        codec = start.series
    else:
        place = config.data.holidays
        days = None if place is None else holidays.holidays_of(place, file)
        more = () if days is None or place is None else (holidays.told(place, days, file),)
        how = (
            calendar,
            plan.steps,
            config.data.gaps,
            named_series(config, file, training_ends),
            config.data.id or "series",
            config.forecast.output,
            days,
        )
        codec = Codec.fit(file, training_ends, *how)
    settled = replace(settled, notes=(*settled.notes, *more))
    series = [codec.encode(s, plan.steps) for s in file.series]
    validated = has_part(file, config.data, "validation")
    training_parts = [s.y[:end] for s, end in zip(series, training_ends, strict=True)]
    ended = [(s, len(s.target) - 1) for s in file.series]
    last = max((int(s.times[end].astype(np.int64)), int(s.offsets[end])) for s, end in ended)
    fitted = Fitted(codec, naive_scale(training_parts, plan.season), *last, start.reading if start else None)
    if config.forecast.is_discrete:
        fitted = replace(fitted, mean=_mean(training_parts))
    make = direct.prepare if config.forecast.strategy == "direct" else recursive.prepare
    prepared = make(settled, series, fitted, validated)
    if has_part(file, config.data, "test"):
        find_origins(series, [end for _, end in ends], plan, config.forecast.most_origins)
    return prepared


def named_series(config: ForecastConfig, file: SeriesFile, ends: Sequence[int]) -> tuple[str, ...]:
    """The series that are known by their names, where each is to have a base of its own."""
    names = tuple(s.name for s, end in zip(file.series, ends, strict=True) if end)
    several = 1 < len(names) <= MOST_NAMED and len(set(names)) == len(names)
    return names if several and config.forecast.is_direct and len(file.targets) == 1 else ()


def _mean(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Of parts (T_i, K) the mean (K,) with half a 1 and half a 0 more: neither is ever impossible."""
    pooled = np.concatenate(parts)
    return np.asarray((np.nansum(pooled, 0) + 0.5) / ((~np.isnan(pooled)).sum(0) + 1))
