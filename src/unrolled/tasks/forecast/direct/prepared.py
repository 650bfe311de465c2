"""From the data to a training of the direct strategy."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from unrolled.blocks.direct import Direct
from unrolled.codecs.series import HOLIDAY
from unrolled.tasks.estimator import Prepared
from unrolled.tasks.forecast.config import ForecastConfig
from unrolled.tasks.forecast.data import Codec, Coded
from unrolled.tasks.forecast.defaults import Settled
from unrolled.tasks.forecast.direct import base, widths
from unrolled.tasks.forecast.direct import reading as read
from unrolled.tasks.forecast.direct.bases import POOLED, SERIES, WINDOW, fixed_frames, of_each_series
from unrolled.tasks.forecast.direct.reading import Reading
from unrolled.tasks.forecast.direct.validation import Validation
from unrolled.tasks.forecast.direct.windows import (
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
    reading, bases, fixed = fitted.reading, list[base.Base](), None
    if reading is None:
        reading, bases, fixed = _based(origins, chosen, parts, settled, fitted.series)
    options = options.model_copy(update={"members": len(reading.members)})
    config = config.model_copy(update={"forecast": options})
    if not reading.fixed:
        chosen = varied(origins, chosen, reading.frame, parts)
    most = max(1, (training.steps or UNLIMITED) // VALIDATIONS)
    least = min(most, LEAST_STEPS) if training.steps else 1
    codec = fitted.series
    numbers = Numbers(codec.own - 1, len(codec.names)) if options.identity and codec.names else None
    windows = Windows(origins, chosen, training.batch_size, training.seed, most, least, numbers)
    validation = Validation(origins, ends, plan, absolute) if validated else None

    def begin(network: Network) -> None:
        read.begin(network, bases, fixed)
        block = network.block
        if bases and isinstance(block, Direct) and block.widths is not None:
            widths.begin(network, origins, chosen)

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
    codec: Codec,
) -> tuple[Reading, list[base.Base], NDArray[np.float64]]:
    """How windows are read, and the bases: of each target, of each series and all others, or one of all; and
    the frames that are fixed."""
    named, scale = bool(codec.names), settled.config.forecast.scale or WINDOW
    scale = POOLED if scale == SERIES and not named else scale  # of a single one they are the same
    plan, longest, K = settled.config.plan(), max(map(len, parts)), parts[0].shape[1]
    trained, options = [part for part in parts if len(part)], settled.config.forecast
    fed_back = read.fed_back_kind(options, codec, trained, plan)
    sizes = options.members, plan.window, plan.season, longest
    known = bool(codec.varying) or HOLIDAY in codec.calendar
    members = read.members_of(*sizes, fed_back, plan.steps, known)
    count = len(trained) + 1 if named else K if K <= MOST_BASES else 1
    reading = reading_of(origins, chosen, members, parts, count, bool(options.calibrate))
    reading, how = replace(reading, fixed=scale != WINDOW), (plan.steps, plan.window, settled.periods)
    if named:
        return reading, *of_each_series([part[:, 0] for part in trained], *how, reading.frame, scale)

    def fitted(columns: Sequence[NDArray[np.float64]], floor: float) -> base.Base:
        return base.fit(columns, *how, floor, reading.frame, fixed_frames(len(columns), scale))

    columns = [[part[:, k] for part in trained] for k in range(K)]
    each = columns if count == K else [[part for column in columns for part in column]]
    floors = [one[0] for one in reading.references]
    bases = [fitted(*one) for one in zip(each, floors[: len(each)], strict=True)]
    return reading, bases, fixed_frames(1, scale)
