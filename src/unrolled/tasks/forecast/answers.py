"""What follows a series, as a table: forecasts with their quantiles, drawn futures, or a continuation made
value by value."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from unrolled.blocks.outputs import Output
from unrolled.errors import ConfigError, DataError
from unrolled.files.messages import every, listed, option, shown
from unrolled.files.series import Series, SeriesFile
from unrolled.files.times import as_precise, column_of
from unrolled.models.forecast import check_finite
from unrolled.tasks.forecast.data import Codec, Coded, usable
from unrolled.tasks.forecast.network import run_on
from unrolled.tasks.forecast.paths import Forecast, Predictor
from unrolled.tasks.outputs import criterion
from unrolled.tasks.sampling import Sampling

# So many drawn paths lie beyond the outermost quantile that is asked for, of this many at the most.
PATHS_BEYOND, MOST_PATHS = 10, 10**5


def forecastable(predictor: Predictor, file: SeriesFile, horizon: int, skip: bool) -> SeriesFile:
    """Without the series that are too short, or lack covariates, where these may be left out. DataError where
    they may not, and where none is left."""
    codec, least = predictor.codec, predictor.least
    ahead = max(horizon, codec.steps)
    return usable(file, lambda series: check_history(codec, series, least, ahead), skip)


def forecasts(predictor: Predictor, file: SeriesFile, horizon: int) -> pl.DataFrame:
    """A row for every series, target and step: columns "series" (where there are several), "time" (as exact
    as in the file), "target", "forecast", and for distributions one for each level, "q0.05".

    DataError where a series is too short, or its covariates are; TrainingError where a forecast is not
    finite.
    """
    ahead = max(horizon, predictor.codec.steps)
    for series in file.series:
        check_history(predictor.codec, series, predictor.least, ahead)
    coded = predictor.codec.encode_each(file.series, ahead)
    each = predictor.forecast_each(coded, [np.array([len(one) - 1]) for one in coded], horizon)
    return pl.concat(
        [_forecast(predictor, *one, file, horizon) for one in zip(file.series, each, strict=True)]
    )


def _forecast(
    predictor: Predictor, series: Series, forecast: Forecast, file: SeriesFile, horizon: int
) -> pl.DataFrame:
    codec = predictor.codec
    check_finite(forecast.point[0], f"forecast of series {shown(series.name)}", horizon > codec.steps)
    K = len(codec.targets)
    columns: dict[str, Any] = {"series": [series.name] * (K * horizon)} if file.several else {}
    columns |= {
        "time": pl.concat([_ahead(codec, series, file, horizon)] * K),
        "target": np.repeat(np.array(codec.targets), horizon),
        "forecast": forecast.point[0].T.reshape(-1),
    }
    if forecast.quantiles is not None:
        columns |= {
            f"q{level:g}": forecast.quantiles[0, :, :, i].T.reshape(-1)
            for i, level in enumerate(predictor.levels)
        }
    return pl.DataFrame(columns)


def paths(predictor: Predictor, file: SeriesFile, horizon: int, count: int, seed: int) -> pl.DataFrame:
    """A row for every series, path, target and step of `count` drawn futures: columns "series" (where there
    are several), "path", "step", "time", "target" and "value". Each series is drawn by itself.

    Errors as of `forecasts`.
    """
    draws = torch.Generator().manual_seed(seed)
    return pl.concat([_paths(predictor, series, file, horizon, count, draws) for series in file.series])


def _paths(
    predictor: Predictor,
    series: Series,
    file: SeriesFile,
    horizon: int,
    count: int,
    draws: torch.Generator,
) -> pl.DataFrame:
    codec = predictor.codec
    coded = continued(codec, series, predictor.least, max(horizon, codec.steps))
    futures = predictor.futures(coded, len(coded) - 1, horizon, count, draws)
    values = np.concatenate(list(futures))
    steps, what = values.swapaxes(0, 1).reshape(horizon, -1), f"drawn future of series {shown(series.name)}"
    check_finite(steps, what, horizon > 1)
    K, rows = len(codec.targets), count * horizon * len(codec.targets)
    columns: dict[str, Any] = {"series": [series.name] * rows} if file.several else {}
    return pl.DataFrame(
        columns
        | {
            "path": np.repeat(np.arange(1, count + 1), K * horizon),
            "step": np.tile(np.arange(1, horizon + 1), count * K),
            "time": pl.concat([_ahead(codec, series, file, horizon)] * (count * K)),
            "target": np.tile(np.repeat(np.array(codec.targets), horizon), count),
            "value": values.swapaxes(1, 2).reshape(-1),
        }
    )


def _ahead(codec: Codec, series: Series, file: SeriesFile, horizon: int) -> pl.Series:
    """The times of the steps after the last target, as exact as in the file."""
    T = len(series.target)
    times, offsets = codec.continued(series.times[:T], series.offsets, horizon)
    return as_precise(column_of(times[T:], offsets[T:], codec.zone, codec.step), file.precision)


def generate(
    predictor: Predictor, start: Coded, steps: int, temperature: float | None, seed: int
) -> pl.DataFrame:
    """`steps` values after `start`, each fed back for the next: the forecasts, or draws whose distance from
    them is multiplied by the temperature. Columns "step", "target" and "value"."""
    output, draws = criterion(predictor.output), torch.Generator().manual_seed(seed)

    def choose(raw: Tensor) -> Tensor:
        if temperature is None:
            likeliest: Tensor = predictor.output.fed(output.point(raw))
            return likeliest
        return output.tempered(raw, draws, temperature)

    end = len(start)
    with torch.no_grad():
        raw, state = predictor.context(start, np.array([end - 1]))
        z = run_on(predictor.network, raw, state, start.k[None, end:], steps, choose)
    values, targets = predictor.codec.values(z[0]), np.array(predictor.codec.targets)
    check_finite(values, "continuation", steps > 1)
    step = np.tile(np.arange(1, steps + 1), len(targets))
    return pl.DataFrame({"step": step, "target": np.repeat(targets, steps), "value": values.T.reshape(-1)})


def primed(predictor: Predictor, file: SeriesFile, steps: int) -> Coded:
    """The only series of `file`, to go on from for `steps` steps."""
    if len(file.series) > 1:
        raise DataError(f"wanted one series to go on from, got {len(file.series)}; give the rows of one")
    codec = predictor.codec
    return continued(codec, file.series[0], predictor.least, steps + codec.steps - 1)


def continued(codec: Codec, series: Series, window: int, ahead: int) -> Coded:
    """The series with all that is known of `ahead` steps after its end. DataError where that is not
    enough."""
    check_history(codec, series, window, ahead)
    return codec.encode(series, ahead)


def check_history(codec: Codec, series: Series, window: int, ahead: int) -> None:
    """DataError where less is known of a series than `continued` needs."""
    have, target = len(series.times) - len(series.target), codec.targets[0]
    columns = codec.covariates.future
    if columns and have < ahead:
        raise DataError(
            f"series {shown(series.name)} has {have} rows of {listed(columns)} after its last {target}; "
            f"wanted {ahead}, the steps to forecast; append rows with these columns and an empty {target}"
        )
    if len(series.target) < window:
        raise DataError(
            f"series {shown(series.name)} has {len(series.target)} steps; this model reads the last {window} "
            f"of them; give more history, or train with a smaller {option('window')}"
        )


def at_levels(predictor: Predictor, quantiles: Sequence[float], drawn: bool) -> Predictor:
    """The same that tells these quantiles. Where they are of `drawn` paths, so many are drawn that
    PATHS_BEYOND of them lie beyond the outermost quantile.

    ConfigError for what is no level, where there is no distribution, and for a level that a network trained
    on quantiles knows nothing of.
    """
    output, levels = predictor.output, tuple(sorted({float(f"{level:g}") for level in quantiles}))
    if not levels or not all(0 < level < 1 for level in levels):
        raise ConfigError(
            f"{option('quantiles')}: wanted numbers between 0 and 1, such as 0.1,0.5,0.9, got "
            f"{', '.join(map(str, quantiles)) or 'none'}"
        )
    if not output.is_distribution:
        raise ConfigError(
            f"{option('quantiles')}: this model forecasts points, which have none; leave it out, or train "
            f"with {option('output', 'gaussian')}"
        )
    outside = [f"{level:g}" for level in levels if not output.levels[0] <= level <= output.levels[-1]]
    if outside and output.kind == "quantiles":
        raise ConfigError(
            f"{option('quantiles')}: this model learnt the quantiles from {output.levels[0]:g} to "
            f"{output.levels[-1]:g}, and knows nothing of {every(outside)}; ask for others, or train with "
            f"other {option('quantile_levels')}"
        )
    paths = math.ceil(PATHS_BEYOND / min(levels[0], 1 - levels[-1]))
    if drawn and paths > MOST_PATHS:
        raise ConfigError(
            f"{option('quantiles')}: these are quantiles of drawn paths, which tell levels from "
            f"{PATHS_BEYOND / MOST_PATHS:g} to {1 - PATHS_BEYOND / MOST_PATHS:g}; ask for such"
        )
    return replace(predictor, paths=max(predictor.paths, min(paths, MOST_PATHS)), other_levels=levels)


def interpolated(output: Output, quantiles: Sequence[float]) -> list[str]:
    """A line on the levels between those that a network was trained on, where there are some."""
    between = [level for level in quantiles if level not in output.levels]
    if output.kind != "quantiles" or not between:
        return []
    names = (every([f"{level:g}" for level in levels]) for levels in (between, output.levels))
    return ["{}: interpolated between the quantiles that the model learnt, {}".format(*names)]


def check_paths(output: Output, count: int, horizon: int, feeds_back: bool) -> None:
    """ConfigError where futures cannot be drawn as wholes."""
    if count < 1:
        raise ConfigError(f"{option('paths')}: wanted 1 or more, got {count}")
    if not output.is_distribution:
        raise ConfigError(
            f"{option('paths')}: this model forecasts points, which cannot be drawn from; train with "
            f"{option('output', 'gaussian')}"
        )
    if horizon > 1 and not feeds_back:
        raise ConfigError(
            f"{option('paths')}: this model gives the distribution of each step by itself, not how steps go "
            f"together; train with {option('strategy', 'recursive')}, or ask for "
            f"{option('quantiles')} or {option('horizon', 1)}"
        )


def check_sampling(possible: bool, sample: bool, temperature: float) -> None:
    """ConfigError where there is nothing to sample from, or a temperature without sampling."""
    if sample and not possible:
        raise ConfigError(
            f"this model forecasts points, which cannot be drawn from; leave {option('sample')} out, or "
            f"train with {option('output', 'gaussian')}"
        )
    Sampling(sample, temperature)
