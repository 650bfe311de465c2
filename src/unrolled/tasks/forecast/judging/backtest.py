"""Forecasts from many origins of known stretches, beside the baselines' from the same origins.

A stretch gives origins at one stride, so that there are about as many as are asked for, but one of each
series at the least. The stride has no common divisor with the season, so that every phase of the season is an
origin; where there are several series, each begins at another place within the stride, by the golden ratio,
so that the origins of all are spread over the whole time that is judged.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unrolled.errors import DataError
from unrolled.files.messages import option, shown
from unrolled.tasks import metrics
from unrolled.tasks.baselines import BASELINES, SEASONAL, Baseline
from unrolled.tasks.evaluation import MODEL
from unrolled.tasks.forecast.config import Plan
from unrolled.tasks.forecast.data import Coded
from unrolled.tasks.forecast.judging.naive2 import NAIVE2, naive2
from unrolled.tasks.forecast.paths import Forecast, Predictor

Array = NDArray[np.float64]
Steps = NDArray[np.int64]

GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True)
class Origins:
    """of[i] (N_i,) are the origins of series i; every `stride`-th of those possible."""

    of: tuple[Steps, ...]
    stride: int

    def __len__(self) -> int:
        return sum(map(len, self.of))


@dataclass(frozen=True)
class Backtest:
    """Outcomes y (N, H, K), NaN where none was observed, and forecasts by name, the model's and each
    baseline's, from N origins; `series` (N,) and `origins` (N,) tell where each stands. Of the S series
    `names` (S,) and `scale` (S, K), the MAE of the seasonal naive in the steps up to the first origin, NaN
    where there is none; `naive`: the forecast that it is of; `adaptive` (N, H, K, L): the model's quantiles
    as they would have been had they followed the errors (adaptive.py)."""

    names: tuple[str, ...]
    series: Steps
    origins: Steps
    stride: int
    y: Array
    forecasts: Mapping[str, Forecast]
    scale: Array
    naive: str
    adaptive: Array | None = None


def find_origins(series: Sequence[Coded], first: Sequence[int], plan: Plan, most: int) -> Origins:
    """`first`: the first step of each series that is judged. Two values of every target are known up to an
    origin, and one or more is observed in the horizon after it. DataError where no series has a whole horizon
    of steps."""
    least = max(plan.least, plan.season, 2) - 1
    possible = possible_origins(series, first, least, plan.horizon)
    if not sum(map(len, possible)):
        s, begin = max(zip(series, first, strict=True), key=lambda pair: len(pair[0]) - pair[1])
        if np.isnan(s.y[begin:]).all():
            raise DataError(
                f"series {shown(s.name)}: none of the {len(s) - begin} steps to be judged has a value; use a "
                "longer series or test part"
            )
        name = "window" if plan.least > plan.season else "season"
        asked, lower = ("", "") if least < 2 else (f" ({option(name, least + 1)})", f" or {option(name)}")
        raise DataError(
            f"series {shown(s.name)} has {len(s)} steps, of which {len(s) - begin} are to be judged; wanted "
            f"{plan.horizon} or more ({option('horizon')}) after {least + 1} or more{asked}; use a longer "
            f"series or test part, or lower {option('horizon')}{lower}"
        )
    return spread(possible, plan.season, most)


def possible_origins(series: Sequence[Coded], first: Sequence[int], least: int, horizon: int) -> list[Steps]:
    """Of each series all origins from step `least` on, as of `find_origins`."""
    return [
        _with_values(s, np.arange(max(begin - 1, least), len(s) - horizon), horizon)
        for s, begin in zip(series, first, strict=True)
    ]


def spread(possible: Sequence[Steps], season: int, most: int) -> Origins:
    """About `most` of all that are possible, but one of each series at the least."""
    count = sum(map(len, possible))
    stride = math.ceil(count / max(most, sum(len(part) > 0 for part in possible)))
    while math.gcd(stride, season) > 1:
        stride += 1
    begins = [int(stride * (i * GOLDEN % 1)) for i in range(len(possible))]
    of = (part[begin % max(1, len(part)) :: stride] for part, begin in zip(possible, begins, strict=True))
    return Origins(tuple(of), stride)


def _with_values(series: Coded, origins: Steps, horizon: int) -> Steps:
    """Those of `origins` (N,) that have something to go by and something to be judged by."""
    known = ~np.isnan(series.y)
    enough = np.asarray((np.cumsum(known, 0) >= 2).all(1))
    observed = np.concatenate([[0], np.cumsum(known.any(1))])
    return origins[enough[origins] & (observed[origins + 1 + horizon] > observed[origins + 1])]


def backtest(predictor: Predictor, series: Sequence[Coded], origins: Origins, plan: Plan) -> Backtest:
    """The model and every baseline from every origin."""
    judged = [
        (s, at, outcomes(s.y, at, plan.horizon)) for s, at in zip(series, origins.of, strict=True) if len(at)
    ]
    coded, of, y = zip(*judged, strict=True)
    forecasts = predictor.forecast_each(coded, of, plan.horizon, y)
    return beside_baselines(forecasts, series, origins, plan, predictor.codec.step.periods())


def outcomes(y: Array, origins: Steps, horizon: int) -> Array:
    """y (T, K) -> (N, H, K) what came after each origin."""
    return np.asarray(y[origins[:, None] + np.arange(1, horizon + 1)])


def beside_baselines(
    model: Sequence[Forecast], series: Sequence[Coded], origins: Origins, plan: Plan, periods: Sequence[int]
) -> Backtest:
    """`model`: its forecasts of each series that has origins; `periods`: the natural ones of the step."""
    horizon, judged = plan.horizon, [(s, at) for s, at in zip(series, origins.of, strict=True) if len(at)]
    baselines = _baselines(plan.season, periods, min(int(at[0]) for _, at in judged))
    # Factors of a season need values above 0 (and no gaps, whose comparison is false).
    if len(judged) > 1 and plan.season > 1 and all((s.y > 0).all() for s, _ in judged):
        baselines[NAIVE2] = naive2, plan.season
    forecasts = {MODEL: model} | {
        name: [Forecast(make(s.y, at, horizon, season)) for s, at in judged]
        for name, (make, season) in baselines.items()
    }
    history = [s.y[: at[0] + 1] if len(at) else s.y[:0] for s, at in zip(series, origins.of, strict=True)]
    return Backtest(
        names=tuple(s.name for s in series),
        series=np.repeat(np.arange(len(series)), [len(at) for at in origins.of]),
        origins=np.concatenate(origins.of),
        stride=origins.stride,
        y=np.concatenate([outcomes(s.y, at, horizon) for s, at in judged]),
        forecasts={name: Forecast.joined(each) for name, each in forecasts.items()},
        scale=np.stack([own_scale(y, plan.season) for y in history]),
        naive=SEASONAL if plan.season > 1 else "persistence",
    )


def _baselines(season: int, periods: Sequence[int], first: int) -> dict[str, tuple[Baseline, int]]:
    """Each with its season: the one that was found, and the natural ones of the step, a year of days too,
    that the first origin has behind it. Without a season, seasonal naive is persistence and left out."""
    chosen = {name: (make, season) for name, make in BASELINES.items() if season > 1 or name != SEASONAL}
    more = [m for m in periods if m not in (1, season) and m <= first + 1]
    return chosen | {f"{SEASONAL} ({m})": (BASELINES[SEASONAL], m) for m in more}


def own_scale(history: Array, season: int) -> Array:
    """history (T, K) of a series -> (K,) the MAE of its seasonal naive; NaN where there is none, or it is
    0."""
    if len(history) <= season:
        return np.full(history.shape[1], np.nan)
    scale = metrics.naive_scale([history], season)
    return np.where(scale == 0, np.nan, scale)
