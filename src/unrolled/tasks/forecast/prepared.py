"""From a configuration and its data to all that a training needs, or to the error that says what is
missing."""

import numpy as np

from unrolled.files.series import SeriesFile
from unrolled.tasks.estimator import Prepared
from unrolled.tasks.forecast.backtest import find_origins
from unrolled.tasks.forecast.config import ForecastConfig
from unrolled.tasks.forecast.data import Codec, calendar_names
from unrolled.tasks.forecast.defaults import settle
from unrolled.tasks.forecast.fitted import Fitted
from unrolled.tasks.forecast.windows import Validation, training_windows
from unrolled.tasks.metrics import naive_scale


def prepare(
    config: ForecastConfig, file: SeriesFile, start: Fitted | None = None
) -> Prepared[ForecastConfig, Fitted]:
    """DataError for whatever the data lack; touches no file. `start`: what was fitted for the model that the
    training starts from."""
    settled = settle(config, file)
    config, ends = settled.config, settled.ends
    plan, training = config.plan(), config.training
    training_ends = [end for end, _ in ends]
    calendar = calendar_names(file, training_ends) if config.data.calendar == "auto" else ()
    codec = start.series if start else Codec.fit(file, training_ends, calendar, plan.steps, config.data.gaps)
    series = [codec.encode(s, plan.steps) for s in file.series]
    last_only = config.forecast.loss_at == "last"
    windows = training_windows(series, ends, plan, training.batch_size, training.seed, last_only)
    validation = Validation(series, ends, plan, last_only) if config.data.validation else None
    if config.data.test:
        find_origins(series, [end for _, end in ends], plan, config.forecast.most_origins)
    training_parts = [s.y[:end] for s, end in zip(series, training_ends, strict=True)]
    ended = [(s, len(s.target) - 1) for s in file.series]
    last = max((int(s.times[end].astype(np.int64)), int(s.offsets[end])) for s, end in ended)
    fitted = Fitted(codec, naive_scale(training_parts, plan.season), *last)
    return Prepared(config, fitted, windows, validation, (*settled.notes, *windows.notes))
