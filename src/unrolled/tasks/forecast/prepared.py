"""From a configuration and its data to all that a training needs, or to the error that says what is
missing."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unrolled.files.series import SeriesFile
from unrolled.tasks.estimator import Prepared
from unrolled.tasks.forecast import base, direct, holidays
from unrolled.tasks.forecast.backtest import find_origins
from unrolled.tasks.forecast.config import ForecastConfig, Plan
from unrolled.tasks.forecast.data import Codec, Coded, calendar_names, has_part
from unrolled.tasks.forecast.defaults import Settled, settle
from unrolled.tasks.forecast.fitted import Fitted
from unrolled.tasks.forecast.network import Network, begin_at
from unrolled.tasks.forecast.windows import Validation, training_windows
from unrolled.tasks.metrics import naive_scale


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
            _named(config, file, training_ends),
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
    make = _direct if config.forecast.strategy == "direct" else _recursive
    prepared = make(settled, series, fitted, validated)
    if has_part(file, config.data, "test"):
        find_origins(series, [end for _, end in ends], plan, config.forecast.most_origins)
    return prepared


def _named(config: ForecastConfig, file: SeriesFile, ends: Sequence[int]) -> tuple[str, ...]:
    """The series that are known by their names, where each is to have a base of its own."""
    names = tuple(s.name for s, end in zip(file.series, ends, strict=True) if end)
    several = 1 < len(names) <= direct.MOST_NAMED and len(set(names)) == len(names)
    return names if several and config.forecast.strategy == "direct" and len(file.targets) == 1 else ()


def _recursive(
    settled: Settled, series: Sequence[Coded], fitted: Fitted, validated: bool
) -> Prepared[ForecastConfig, Fitted]:
    config, ends = settled.config, settled.ends
    plan, training, last_only = config.plan(), config.training, config.forecast.loss_at == "last"
    trained = [i for i, (end, _) in enumerate(ends) if end]  # the others are whole parts
    learnt, learnt_ends = [series[i] for i in trained], [ends[i] for i in trained]
    windows = training_windows(learnt, learnt_ends, plan, training.batch_size, training.seed, last_only)
    validation = Validation(series, ends, plan, last_only) if validated else None

    def begin(network: Network) -> None:
        if fitted.mean is not None:
            begin_at(network, fitted.mean / fitted.series.scalers["target"].scale)

    notes = (*settled.notes, *windows.notes)
    return Prepared(config, fitted, windows, validation, notes, begin=begin)


def _mean(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Of parts (T_i, K) the mean (K,) with half a 1 and half a 0 more: neither is ever impossible."""
    pooled = np.concatenate(parts)
    return np.asarray((np.nansum(pooled, 0) + 0.5) / ((~np.isnan(pooled)).sum(0) + 1))


def _direct(
    settled: Settled, series: Sequence[Coded], fitted: Fitted, validated: bool
) -> Prepared[ForecastConfig, Fitted]:
    config, ends = settled.config, settled.ends
    plan, training, options = config.plan(), config.training, config.forecast
    absolute = options.error == "absolute"
    parts = [s.z[:end].double().numpy() for s, (end, _) in zip(series, ends, strict=True)]
    origins = direct.Origins(series, plan.window, plan.steps, plan.season, fitted.series.ahead)
    chosen = direct.training_origins(origins, ends, plan)
    reading, bases = fitted.reading, list[base.Base]()
    if reading is None:
        reading, bases = _based(origins, chosen, parts, settled, bool(fitted.series.names))
    chosen = direct.varied(origins, chosen, reading.frame, parts)
    most = max(1, (training.steps or direct.UNLIMITED) // direct.VALIDATIONS)
    least = min(most, direct.LEAST_STEPS) if training.steps else 1
    windows = direct.Windows(origins, chosen, training.batch_size, training.seed, most, least)
    validation = direct.Validation(origins, ends, plan, absolute) if validated else None

    def begin(network: Network) -> None:
        direct.begin(network, bases)

    def tuned(network: Network) -> tuple[Fitted, str]:
        assert validation is not None
        shares = validation.share(network)
        kinds = ("the base alone", *(kind for kind, _, _ in reading.members))
        each = [f"{share:.2f} {kind}" for share, kind in zip(shares, kinds, strict=True)]
        note = f"shares of the forecast: {' + '.join(each)}"
        return fitted, f"{note}; {validation.calibrate(network)}" if reading.calibrated else note

    of = f" ({len(bases) - 1:,} series have their own; of all others)" if fitted.series.names else ""
    notes = (*settled.notes, *(f"base{of}: {one.described()}" for one in bases[-1:]))
    fitted = replace(fitted, reading=reading)
    return Prepared(config, fitted, windows, validation, notes, tuned, begin)


def _based(
    origins: direct.Origins,
    chosen: direct.Chosen,
    parts: Sequence[NDArray[np.float64]],
    settled: Settled,
    named: bool,
) -> tuple[direct.Reading, list[base.Base]]:
    """How windows are read, and the bases: of each target, of each series and all others, or one of all."""
    plan, longest, K = settled.config.plan(), max(map(len, parts)), parts[0].shape[1]
    members = direct.members_of(settled.config.forecast.members, plan.window, plan.season, longest)
    trained = [part for part in parts if len(part)]
    count = len(trained) + 1 if named else K if K <= direct.MOST_BASES else 1
    reading = direct.reading_of(
        origins, chosen, members, parts, count, bool(settled.config.forecast.calibrate)
    )

    def fitted(columns: Sequence[NDArray[np.float64]], floor: float) -> base.Base:
        return base.fit(columns, plan.steps, plan.window, settled.periods, floor, reading.frame)

    if named:
        return reading, _of_each_series([part[:, 0] for part in trained], plan, fitted)
    columns = [[part[:, k] for part in trained] for k in range(K)]
    each = columns if count == K else [[part for column in columns for part in column]]
    floors = [one[0] for one in reading.references]
    return reading, [fitted(*one) for one in zip(each, floors[: len(each)], strict=True)]


def _of_each_series(
    parts: Sequence[NDArray[np.float64]],
    plan: Plan,
    fitted: Callable[[Sequence[NDArray[np.float64]], float], base.Base],
) -> list[base.Base]:
    """That of each series which has windows enough for one of its own, and of all others that of all
    together, which is the last."""
    spreads = [float(np.nanstd(part)) if (~np.isnan(part)).any() else 0.0 for part in parts]
    scaled = [part / spread for part, spread in zip(parts, spreads, strict=True) if spread > 0]
    together, least = fitted(scaled or parts, direct.FLOOR), plan.window + plan.steps + base.LEAST_FOR_RIDGE
    each = [
        fitted([part], direct.FLOOR * spread) if spread > 0 and len(part) >= least else together
        for part, spread in zip(parts, spreads, strict=True)
    ]
    return [*each, together]
