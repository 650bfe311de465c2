"""From a configuration and its data to all that a training needs, or to the error that says what is
missing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unrolled.batching.windows import Windows
from unrolled.files.series import SeriesFile
from unrolled.tasks.forecast.backtest import find_origins
from unrolled.tasks.forecast.config import ForecastConfig
from unrolled.tasks.forecast.data import Codec, calendar_names
from unrolled.tasks.forecast.learning import Validation, training_windows
from unrolled.tasks.forecast.settle import settle
from unrolled.tasks.metrics import naive_scale


@dataclass(frozen=True)
class Prepared:
    """`config` is complete; `naive_scale` (K,) is the seasonal naive's MAE in the training parts, the unit of
    MASE; `last_time`: where the last series ends, as a whole number."""

    config: ForecastConfig
    codec: Codec
    windows: Windows
    validation: Validation
    naive_scale: NDArray[np.float64]
    last_time: int
    notes: tuple[str, ...]


def prepare(config: ForecastConfig, file: SeriesFile) -> Prepared:
    """DataError for whatever the data lack; touches no file."""
    settled = settle(config, file)
    config, ends = settled.config, settled.ends
    plan, training = config.plan(), config.training
    training_ends = [end for end, _ in ends]
    calendar = calendar_names(file, training_ends) if config.data.calendar == "auto" else ()
    codec = Codec.fit(file, training_ends, calendar, plan.steps)
    series = [codec.encode(s, plan.steps) for s in file.series]
    windows = training_windows(series, ends, plan, training.batch_size, training.seed)
    validation = Validation(series, ends, plan, config.forecast.loss_at == "last")
    if config.data.test:
        find_origins(series, [end for _, end in ends], plan, config.forecast.most_origins)
    return Prepared(
        config=config,
        codec=codec,
        windows=windows,
        validation=validation,
        naive_scale=naive_scale(
            [s.y[:end] for s, end in zip(series, training_ends, strict=True)], plan.season
        ),
        last_time=max(int(s.times[len(s.target) - 1].astype(np.int64)) for s in file.series),
        notes=(*settled.notes, *windows.notes),
    )
