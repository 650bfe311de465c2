"""What follows a series, as a table: forecasts with their quantiles, or a continuation made value by
value."""

from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from unrolled.errors import DataError
from unrolled.files.series import Series, SeriesFile
from unrolled.tasks.forecast.data import Codec, Coded
from unrolled.tasks.forecast.forecasting import Predictor
from unrolled.tasks.forecast.network import run_on


def forecasts(predictor: Predictor, file: SeriesFile, horizon: int, id: str | None) -> pl.DataFrame:
    """A row for every series, target and step: columns `id` (where there is one), the time, "target",
    "forecast", and for distributions one for each level, "q0.05". DataError where a series is too short, or
    its covariates are."""
    frames = [_forecast(predictor, series, file, horizon, id) for series in file.series]
    return pl.concat(frames)


def _forecast(
    predictor: Predictor, series: Series, file: SeriesFile, horizon: int, id: str | None
) -> pl.DataFrame:
    codec = predictor.codec
    coded = continued(codec, series, predictor.window, horizon)
    found = predictor.forecast(coded, np.array([len(coded) - 1]), horizon)
    K, times = len(codec.targets), file.step.extend(series.times[: len(coded)], horizon)
    columns: dict[str, Any] = {} if id is None else {id: [series.name] * K * horizon}
    columns |= {
        file.time or "step": np.tile(times, K),
        "target": np.repeat(np.array(codec.targets), horizon),
        "forecast": found.point[0].T.reshape(-1),
    }
    if found.quantiles is not None:
        levels = predictor.network.output.levels
        columns |= {
            f"q{level:g}": found.quantiles[0, :, :, i].T.reshape(-1) for i, level in enumerate(levels)
        }
    return pl.DataFrame(columns)


def continued(codec: Codec, series: Series, window: int, ahead: int) -> Coded:
    """The series with all that is known of `ahead` steps after its end. DataError where that is not
    enough."""
    have = len(series.times) - len(series.target)
    if codec.future and have < ahead:
        raise DataError(
            f"series '{series.name}' has {have} rows of {', '.join(codec.future)} after its last "
            f"{codec.targets[0]}; wanted {ahead}, the steps to forecast; append rows with these columns and "
            f"an empty {codec.targets[0]}"
        )
    if len(series.target) < window:
        raise DataError(
            f"series '{series.name}' has {len(series.target)} steps; this model reads the last {window} "
            "(window); give more history, or train with a smaller window"
        )
    return codec.encode(series, ahead)


def generate(
    predictor: Predictor, start: Coded, steps: int, temperature: float | None, seed: int
) -> pl.DataFrame:
    """`steps` values after `start`, each fed back for the next: the forecasts, or draws whose distance from
    them is multiplied by the temperature. Columns "step" and the targets."""
    output, draws = predictor.network.output, torch.Generator().manual_seed(seed)

    def choose(raw: Tensor) -> Tensor:
        point = output.point(raw)
        return point if temperature is None else point + temperature * (output.sample(raw, draws) - point)

    end, window = len(start), min(predictor.window, len(start))
    with torch.no_grad():
        raw, state = predictor.network(start.rows()[None, end - window : end])
        z = run_on(predictor.network, raw[:, -1, 0], state, start.k[None, end:], steps, choose)
    values = predictor.codec.values(z[0])
    columns = {name: values[:, k] for k, name in enumerate(predictor.codec.targets)}
    return pl.DataFrame({"step": np.arange(1, steps + 1), **columns})
