"""What follows a series, as a table: forecasts with their quantiles, or a continuation made value by
value."""

from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from unrolled.errors import ConfigError, DataError
from unrolled.files.messages import listed, option, shown
from unrolled.files.series import Series, SeriesFile
from unrolled.files.times import as_precise, column_of
from unrolled.models.forecast import check_finite
from unrolled.tasks.forecast.data import Codec, Coded
from unrolled.tasks.forecast.network import run_on
from unrolled.tasks.forecast.paths import Predictor
from unrolled.tasks.outputs import criterion
from unrolled.tasks.sampling import Sampling


def forecasts(predictor: Predictor, file: SeriesFile, horizon: int) -> pl.DataFrame:
    """A row for every series, target and step: columns "series" (where there are several), "time" (as exact
    as in the file), "target", "forecast", and for distributions one for each level, "q0.05".

    DataError where a series is too short, or its covariates are; TrainingError where a forecast is not
    finite.
    """
    frames = [_forecast(predictor, series, file, horizon) for series in file.series]
    return pl.concat(frames)


def _forecast(predictor: Predictor, series: Series, file: SeriesFile, horizon: int) -> pl.DataFrame:
    codec = predictor.codec
    coded = continued(codec, series, predictor.window, horizon)
    forecast = predictor.forecast(coded, np.array([len(coded) - 1]), horizon)
    check_finite(forecast.point[0], f"forecast of series {shown(series.name)}")
    K, T = len(codec.targets), len(coded)
    times, offsets = codec.continued(series.times[:T], series.offsets, horizon)
    ahead = as_precise(column_of(times[T:], offsets[T:], codec.zone, codec.step), file.precision)
    columns: dict[str, Any] = {"series": [series.name] * (K * horizon)} if len(file.series) > 1 else {}
    columns |= {
        "time": pl.concat([ahead] * K),
        "target": np.repeat(np.array(codec.targets), horizon),
        "forecast": forecast.point[0].T.reshape(-1),
    }
    if forecast.quantiles is not None:
        levels = predictor.output.levels
        columns |= {
            f"q{level:g}": forecast.quantiles[0, :, :, i].T.reshape(-1) for i, level in enumerate(levels)
        }
    return pl.DataFrame(columns)


def generate(
    predictor: Predictor, start: Coded, steps: int, temperature: float | None, seed: int
) -> pl.DataFrame:
    """`steps` values after `start`, each fed back for the next: the forecasts, or draws whose distance from
    them is multiplied by the temperature. Columns "step", "target" and "value"."""
    output, draws = predictor.output, torch.Generator().manual_seed(seed)

    def choose(raw: Tensor) -> Tensor:
        point: Tensor = output.point(raw)
        if temperature is None:
            return point
        return point + temperature * (criterion(output).sample(raw, draws) - point)

    end, window = len(start), min(predictor.window, len(start))
    with torch.no_grad():
        raw, state = predictor.network(start.x[None, end - window : end])
        z = run_on(predictor.network, raw[:, -1, 0], state, start.k[None, end:], steps, choose)
    values, targets = predictor.codec.values(z[0]), np.array(predictor.codec.targets)
    check_finite(values, "continuation")
    step = np.tile(np.arange(1, steps + 1), len(targets))
    return pl.DataFrame({"step": step, "target": np.repeat(targets, steps), "value": values.T.reshape(-1)})


def primed(predictor: Predictor, file: SeriesFile, steps: int) -> Coded:
    """The only series of `file`, to go on from for `steps` steps."""
    if len(file.series) > 1:
        raise DataError(f"wanted one series to go on from, got {len(file.series)}; give the rows of one")
    codec = predictor.codec
    return continued(codec, file.series[0], predictor.window, steps + codec.steps - 1)


def continued(codec: Codec, series: Series, window: int, ahead: int) -> Coded:
    """The series with all that is known of `ahead` steps after its end. DataError where that is not
    enough."""
    have, target = len(series.times) - len(series.target), codec.targets[0]
    if codec.future and have < ahead:
        raise DataError(
            f"series {shown(series.name)} has {have} rows of {listed(codec.future)} after its last {target}; "
            f"wanted {ahead}, the steps to forecast; append rows with these columns and an empty {target}"
        )
    if len(series.target) < window:
        raise DataError(
            f"series {shown(series.name)} has {len(series.target)} steps; this model reads the last {window} "
            f"of them; give more history, or train with a smaller {option('window')}"
        )
    return codec.encode(series, ahead)


def check_sampling(possible: bool, sample: bool, temperature: float) -> None:
    """ConfigError where there is nothing to sample from, or a temperature without sampling."""
    if sample and not possible:
        raise ConfigError(
            f"this model forecasts points, which cannot be drawn from; leave {option('sample')} out, or "
            f"train with {option('output', 'gaussian')}"
        )
    Sampling(sample, temperature)
