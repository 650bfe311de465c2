"""From the data to a training of the direct strategy."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.blocks.direct import Direct
from unrolled.models.forecast import pieces
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
    MOST_REFERENCES,
    Chosen,
    Origins,
    Windows,
    evenly,
    frame_of,
    reading_of,
    training_origins,
    varied,
)
from unrolled.tasks.forecast.fitted import Fitted
from unrolled.tasks.forecast.network import Network
from unrolled.tasks.outputs import criterion

Fit = Callable[[Sequence[NDArray[np.float64]], float], base.Base]

# Of up to so many targets each has a base of its own.
MOST_BASES = 16
# A series of fewer counts has none of its own: they tell less of it than all others do.
LEAST_COUNTS = 100
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
        one = 1 / fitted.series.scalers["target"].scale if options.is_discrete else None
        reading, bases = _based(origins, chosen, parts, settled, bool(fitted.series.names), one)
    if not options.is_discrete:
        chosen = varied(origins, chosen, reading.frame, parts)
    most = max(1, (training.steps or UNLIMITED) // VALIDATIONS)
    least = min(most, LEAST_STEPS) if training.steps else 1
    windows = Windows(origins, chosen, training.batch_size, training.seed, most, least)
    validation = Validation(origins, ends, plan, absolute) if validated else None

    def begin(network: Network) -> None:
        read.begin(network, bases)
        if bases and options.is_discrete:
            begin_dispersion(network, origins, chosen)

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


@torch.no_grad()
def begin_dispersion(network: Network, origins: Origins, chosen: Chosen) -> None:
    """The untrained network says, of outputs that have a dispersion, that of the outcomes around its base."""
    every = evenly(len(chosen[0]), MOST_REFERENCES)
    of, last = chosen[0][every], chosen[1][every]
    block, means = network.block, list[Tensor]()
    assert isinstance(block, Direct)
    for part in pieces(len(of), 256):
        raw = block.each(network.ops, network.p, *origins.windows(of[part], last[part]))[0]
        means.append(criterion(block.output).point(raw))
    start = criterion(block.output).start_of_dispersion(torch.cat(means), origins.outcomes(of, last))
    if start is not None:
        for member in network.p.members:
            member.head.bias.view(-1, block.output.size)[:, 1] = start


def _based(
    origins: Origins,
    chosen: Chosen,
    parts: Sequence[NDArray[np.float64]],
    settled: Settled,
    named: bool,
    one: NDArray[np.float64] | None,
) -> tuple[Reading, list[base.Base]]:
    """How windows are read, and the bases: of each target, of each series and all others, or one of all.
    `one` (K,): what 1 is, scaled, where outputs are discrete."""
    plan, longest, K = settled.config.plan(), max(map(len, parts)), parts[0].shape[1]
    members = read.members_of(settled.config.forecast.members, plan.window, plan.season, longest)
    trained = [part for part in parts if len(part)]
    count = len(trained) + 1 if named else K if K <= MOST_BASES else 1
    least = one  # one count in a frame, or a mean of 1
    if one is not None and settled.config.forecast.output == "bernoulli":
        least = one * frame_of(members)
    calibrated = bool(settled.config.forecast.calibrate)
    reading = reading_of(origins, chosen, members, parts, count, calibrated, least)
    by_mean, floors = one is not None, [each[0] for each in reading.references]

    def fitted(columns: Sequence[NDArray[np.float64]], floor: float) -> base.Base:
        return base.fit(columns, plan.steps, plan.window, settled.periods, floor, reading.frame, by_mean)

    if named:
        of_series = [part[:, 0] for part in trained]
        if one is None:
            return reading, _of_each_series(of_series, plan, fitted)
        return reading, _of_each_count(of_series, plan, fitted, floors[0], float(one[0]))
    columns = [[part[:, k] for part in trained] for k in range(K)]
    each = columns if count == K else [[part for column in columns for part in column]]
    return reading, [fitted(*one) for one in zip(each, floors[: len(each)], strict=True)]


def _of_each_series(
    parts: Sequence[NDArray[np.float64]],
    plan: Plan,
    fitted: Fit,
) -> list[base.Base]:
    """That of each series which has windows enough for one of its own, and of all others that of all
    together, which is the last."""
    spreads = [float(np.nanstd(part)) if (~np.isnan(part)).any() else 0.0 for part in parts]
    scaled = [part / spread for part, spread in zip(parts, spreads, strict=True) if spread > 0]
    together, least = fitted(scaled or parts, FLOOR), _least(plan)
    each = [
        fitted([part], FLOOR * spread) if spread > 0 and len(part) >= least else together
        for part, spread in zip(parts, spreads, strict=True)
    ]
    return [*each, together]


def _of_each_count(
    parts: Sequence[NDArray[np.float64]], plan: Plan, fitted: Fit, floor: float, one: float
) -> list[base.Base]:
    """The same of counts, whose windows' spreads have one floor, and which must be enough themselves."""
    together, least = fitted(parts, floor), _least(plan)
    each = [
        fitted([part], floor) if np.nansum(part) >= LEAST_COUNTS * one and len(part) >= least else together
        for part in parts
    ]
    return [*each, together]


def _least(plan: Plan) -> int:
    """Steps of a series that have windows enough for a base of its own."""
    return plan.window + plan.steps + base.LEAST_FOR_RIDGE
