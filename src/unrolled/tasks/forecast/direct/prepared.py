"""From the data to a training of the direct strategy."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unrolled.tasks.estimator import Prepared
from unrolled.tasks.forecast.config import ForecastConfig, Plan
from unrolled.tasks.forecast.data import Coded
from unrolled.tasks.forecast.defaults import Settled
from unrolled.tasks.forecast.direct import base
from unrolled.tasks.forecast.direct import reading as read
from unrolled.tasks.forecast.direct.reading import Reading
from unrolled.tasks.forecast.direct.validation import Validation
from unrolled.tasks.forecast.direct.windows import (
    FLOOR,
    Chosen,
    Numbers,
    Origins,
    Windows,
    reading_of,
    training_origins,
    varied,
)
from unrolled.tasks.forecast.fitted import Fitted
from unrolled.tasks.forecast.network import Network

# Of up to so many targets each has a base of its own.
MOST_BASES = 16
# Between two validations there are so many steps, where the training has a number of them.
LEAST_STEPS = 10
# A training is validated so often, and where nothing limits its steps, as if it had so many.
VALIDATIONS, UNLIMITED = 25, 1500


def prepare(
    settled: Settled, series: Sequence[Coded], fitted: Fitted, validated: bool
) -> Prepared[ForecastConfig, Fitted]:
    config, ends = settled.config, settled.ends
    plan, training, options = config.plan(), config.training, config.forecast
    absolute = options.error == "absolute"
    parts = [s.z[:end].double().numpy() for s, (end, _) in zip(series, ends, strict=True)]
    origins = Origins(series, plan.window, plan.steps, plan.season, fitted.series.ahead)
    chosen = training_origins(origins, ends, plan)
    reading, bases = fitted.reading, list[base.Base]()
    if reading is None:
        reading, bases = _based(origins, chosen, parts, settled, bool(fitted.series.names))
    chosen = varied(origins, chosen, reading.frame, parts)
    most = max(1, (training.steps or UNLIMITED) // VALIDATIONS)
    least = min(most, LEAST_STEPS) if training.steps else 1
    codec = fitted.series
    numbers = Numbers(codec.own - 1, len(codec.names)) if options.identity and codec.names else None
    windows = Windows(origins, chosen, training.batch_size, training.seed, most, least, numbers)
    validation = Validation(origins, ends, plan, absolute) if validated else None

    def begin(network: Network) -> None:
        read.begin(network, bases)

    def tuned(network: Network) -> tuple[Fitted, str]:
        assert validation is not None
        shares = validation.fit_shares(network)
        kinds = ("the base alone", *(kind for kind, _, _ in reading.members))
        each = [f"{share:.2f} {kind}" for share, kind in zip(shares, kinds, strict=True)]
        note = f"shares of the forecast: {' + '.join(each)}"
        return fitted, f"{note}; {validation.calibrate(network)}" if reading.calibrated else note

    of = f" ({len(bases) - 1:,} series have their own; of all others)" if fitted.series.names else ""
    notes = (*settled.notes, *(f"base{of}: {one.described()}" for one in bases[-1:]))
    fitted = replace(fitted, reading=reading)
    return Prepared(config, fitted, windows, validation, notes, tuned, begin)


def _based(
    origins: Origins,
    chosen: Chosen,
    parts: Sequence[NDArray[np.float64]],
    settled: Settled,
    named: bool,
) -> tuple[Reading, list[base.Base]]:
    """How windows are read, and the bases: of each target, of each series and all others, or one of all."""
    plan, longest, K = settled.config.plan(), max(map(len, parts)), parts[0].shape[1]
    members = read.members_of(settled.config.forecast.members, plan.window, plan.season, longest)
    trained = [part for part in parts if len(part)]
    count = len(trained) + 1 if named else K if K <= MOST_BASES else 1
    reading = reading_of(origins, chosen, members, parts, count, bool(settled.config.forecast.calibrate))

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
    together, least = fitted(scaled or parts, FLOOR), plan.window + plan.steps + base.LEAST_FOR_RIDGE
    each = [
        fitted([part], FLOOR * spread) if spread > 0 and len(part) >= least else together
        for part, spread in zip(parts, spreads, strict=True)
    ]
    return [*each, together]
