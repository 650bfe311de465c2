"""What a configuration leaves open, chosen from the training parts and written into it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unrolled.batching.splits import chronological
from unrolled.errors import ConfigError, DataError
from unrolled.files.messages import option
from unrolled.files.roles import ROWS
from unrolled.files.series import Series, SeriesFile
from unrolled.files.zones import OFFSETS
from unrolled.tasks.baselines import Season, find_season
from unrolled.tasks.forecast.config import (
    FEWEST_STEPS,
    LEAST_HORIZONS,
    MANY,
    MOST_STEPS,
    DataConfig,
    ForecastConfig,
    ForecastOptions,
    ForecastTraining,
)
from unrolled.tasks.forecast.data import checksum
from unrolled.tasks.forecast.direct import base
from unrolled.tasks.forecast.direct.bases import SERIES, WINDOW
from unrolled.tasks.forecast.direct.choice import choose
from unrolled.tasks.forecast.level import found_level
from unrolled.tasks.forecast.targets import of_each, target_scaler

# Where neither the time step nor the data suggest a period.
DEFAULT_HORIZON = 10
# Of steps without a calendar a longer period is looked for, so many seasons.
SEASONS_WITHOUT_CALENDAR = 7
# Up to so many series have a base each.
MOST_NAMED = 1000
# Values from which on a training has most steps.
LARGE = 20_000
# The window of the recursive strategy holds two natural periods within these bounds, and at most a quarter of
# the longest training part.
LEAST_WINDOW, MOST_WINDOW = 48, 200

Parts = Sequence[NDArray[np.float64]]


@dataclass(frozen=True)
class Settled:
    """`config` without open choices; `ends` of the training and the validation part of every series;
    `periods` after which the series repeat, the season first, where the strategy asks for them; notes on what
    was chosen and why."""

    config: ForecastConfig
    ends: tuple[tuple[int, int], ...]
    periods: tuple[int, ...]
    notes: tuple[str, ...]


def settle(config: ForecastConfig, file: SeriesFile) -> Settled:
    """DataError where the data are others than the checksum says, or a season is longer than they are."""
    ends = ends_of(config.data, file)
    training = [s.target[:end] for s, (end, _) in zip(file.series, ends, strict=True) if end]
    season = _season(config.forecast.season, training, file)
    periods = file.step.periods()
    test = max(len(s.target) - end for s, (_, end) in zip(file.series, ends, strict=True))
    options = _options(config.forecast, training, min(periods, default=season.steps), season, test)
    if options.strategy == "direct":
        options, repeated = _direct(options, training, periods)
        options, intervals = _calibrated(options, ends)
        options, forms = _forms(options, file, ends, repeated)
    else:
        forms, intervals = (), ()
        options = options.model_copy(
            update={"transform": of_each("transform", options.transform or ("none",), len(file.targets))}
        )
        curved = _curved(training, options.transform or (), file.targets)
        options, repeated = _recursive(options, curved, min(periods, default=season.steps)), ()
    dropout = config.model.output_dropout
    if dropout is None:
        dropout = 0.3 if options.is_direct else 0.5 if options.output == "bernoulli" else 0.0
    settled = config.model_copy(
        update={
            "data": _data(config.data, file),
            "model": config.model.model_copy(update={"output_dropout": dropout}),
            "forecast": options,
            "training": _steps(config.training, sum(map(len, training)), training[0].shape[1]),
        }
    )
    chosen = ["strategy"] if options.is_discrete and config.forecast.strategy is None else []
    chosen += [name for name in ("horizon", "window", "level") if getattr(config.forecast, name) is None]
    choices = [
        f"{name}: {_shown(getattr(options, name))}" for name in chosen if getattr(options, name) is not None
    ]
    notes = (*choices, *forms, f"season: {season.why}", *intervals)
    return Settled(settled, ends, repeated, notes)


def _shown(value: int | str | tuple[str, ...]) -> str:
    """("relative", "relative") -> "relative"."""
    return (
        str(value) if isinstance(value, int | str) else ", ".join(value if len(set(value)) > 1 else value[:1])
    )


def ends_of(data: DataConfig, file: SeriesFile) -> tuple[tuple[int, int], ...]:
    """(train_end, validation_end) of every series, each cut at its own shares, but for those that are whole
    parts."""
    separate = {s.part for s in file.series}
    validation = 0 if "validation" in separate else data.validation
    test = 0 if "test" in separate else data.test
    return tuple(_whole(s) if s.part else chronological(len(s.target), validation, test) for s in file.series)


def _whole(series: Series) -> tuple[int, int]:
    """The ends of one that is a part by itself."""
    return 0, len(series.target) if series.part == "validation" else 0


def _data(data: DataConfig, file: SeriesFile) -> DataConfig:
    sha256 = checksum(file)
    if data.sha256 not in (None, sha256):
        raise DataError(
            f"the data have changed: wanted sha256 {data.sha256}, got {sha256}; give the data that the "
            "configuration was made with, or delete its line 'sha256' to train on these"
        )
    zone = None if file.zone == OFFSETS else file.zone
    target = data.target if data.wide else file.targets  # columns are series: other data may have others
    update = {"target": target, "time": file.time or ROWS, "zone": zone, "sha256": sha256}
    return data.model_copy(update=update | {"date_format": file.date_format, "decimal": file.decimal})


def _options(
    options: ForecastOptions, training: Parts, period: int, season: Season, test: int
) -> ForecastOptions:
    """`period`: the shortest natural one, 1 where there is none; `test`: steps of the longest test part."""
    horizon = period if period > 1 else DEFAULT_HORIZON
    horizon = options.horizon or (max(1, min(horizon, test // 2)) if test else horizon)
    strategy = "direct" if options.is_direct else "recursive"
    residual = options.is_direct or not options.is_discrete if options.residual is None else options.residual
    chosen = {"strategy": strategy, "residual": residual, "season": season.steps, "horizon": horizon}
    return options.model_copy(update=chosen)


def _direct(
    options: ForecastOptions, training: Parts, natural: Sequence[int]
) -> tuple[ForecastOptions, tuple[int, ...]]:
    """And the periods after which the series repeat."""
    K, season, horizon = training[0].shape[1], options.season or 1, options.horizon or 1
    columns = [part[:, k] for part in training for k in range(K)]
    natural = natural or (SEASONS_WITHOUT_CALENDAR * season,)  # days have weeks, though no calendar says so
    periods = base.natural_periods(columns, natural, season, horizon)
    window = options.window or base.length(periods, horizon, max(map(len, training)))
    many = K > 1 or len(training) >= MANY
    error = options.error or ("absolute" if many and options.output == "point" else "squared")
    return options.model_copy(update={"window": window, "error": error}), periods


def _forms(
    options: ForecastOptions, file: SeriesFile, ends: Sequence[tuple[int, int]], periods: Sequence[int]
) -> tuple[ForecastOptions, tuple[str, ...]]:
    """With transforms and a scale, and notes on what was chosen. ConfigError where series are not known by
    their names, which have the scales."""
    named = bool(named_series(options, file, [end for end, _ in ends]))
    if options.scale == SERIES and not named and sum(end > 0 for end, _ in ends) > 1:
        raise ConfigError(
            f"{option('scale', SERIES)} knows series by their names, of one target and of {MOST_NAMED:,} "
            f"series at most; set {option('scale', WINDOW)}, or leave it out"
        )
    if options.transform:
        transforms = of_each("transform", options.transform, len(file.targets))
        options = options.model_copy(update={"transform": transforms})
    return choose(options, [s.target for s in file.series], ends, periods, named)


def named_series(options: ForecastOptions, file: SeriesFile, ends: Sequence[int]) -> tuple[str, ...]:
    """The series that are known by their names, where each is to have a base of its own."""
    names = tuple(s.name for s, end in zip(file.series, ends, strict=True) if end)
    several = 1 < len(names) <= MOST_NAMED and len(set(names)) == len(names)
    return names if several and options.is_direct and len(file.targets) == 1 else ()


def _calibrated(
    options: ForecastOptions, ends: Sequence[tuple[int, int]]
) -> tuple[ForecastOptions, tuple[str, ...]]:
    """Points have intervals where the validation part is long enough to tell them; a note where there is one
    that is not."""
    if options.calibrate is not None:
        return options, ()
    horizons = sum(end - train for train, end in ends) / (options.horizon or 1)
    points, few = options.output == "point", horizons < LEAST_HORIZONS
    why = (
        f"intervals: none; the validation part spans {horizons:.3g} horizons, too few to calibrate: "
        f"{LEAST_HORIZONS} are wanted"
    )
    calibrated = options.model_copy(update={"calibrate": points and not few})
    return calibrated, (why,) if points and few and horizons else ()


def _curved(training: Parts, transforms: Sequence[str], names: Sequence[str]) -> Parts:
    """As the network reads them."""
    if set(transforms) <= {"none"}:
        return training
    scaler = target_scaler(training, names, transforms=transforms)
    return [scaler.transform(part) for part in training]


def _recursive(options: ForecastOptions, training: Parts, period: int) -> ForecastOptions:
    longest = max(map(len, training))
    window = min(max(2 * period, LEAST_WINDOW), MOST_WINDOW, longest // 4)
    if options.is_discrete:  # no level is learnt from windows: of several series a window is all of one
        window = min(MOST_WINDOW, longest - 1) if len(training) > 1 else window
        return options.model_copy(update={"window": options.window or max(window, 1)})
    window, named = options.window or max(window, 1), options.level
    level = of_each("level", named, training[0].shape[1]) if named else found_level(training, window)
    return options.model_copy(update={"window": window, "level": level})


def _steps(training: ForecastTraining, values: int, targets: int) -> ForecastTraining:
    """With the gradient steps that data of this size are worth, where no other limit is set."""
    if training.steps or training.epochs or training.minutes:
        return training
    share = min(1, values * targets / LARGE)
    steps = FEWEST_STEPS + share * (MOST_STEPS - FEWEST_STEPS)
    return training.model_copy(update={"steps": round(steps / 100) * 100})


def _season(named: int | None, training: Parts, file: SeriesFile) -> Season:
    if named is None:
        return find_season(training, file.step.periods(), file.step.name)
    longest = max(map(len, training))
    if named >= longest:
        raise DataError(
            f"{option('season', named)} needs more than {named} steps of training data, there are {longest}; "
            "lower it"
        )
    return Season(named, f"{named} steps, as configured")
