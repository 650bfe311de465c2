"""From the data to a training of the direct strategy."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.batching.splits import evenly
from unrolled.blocks.direct import Direct
from unrolled.codecs.scaling import ITSELF, Scaler
from unrolled.codecs.series import HOLIDAY
from unrolled.tasks.estimator import Prepared
from unrolled.tasks.forecast.config import ForecastConfig
from unrolled.tasks.forecast.data import Codec, Coded
from unrolled.tasks.forecast.defaults import Settled
from unrolled.tasks.forecast.direct import base, widths
from unrolled.tasks.forecast.direct import reading as read
from unrolled.tasks.forecast.direct.bases import (
    POOLED,
    SERIES,
    WINDOW,
    fixed_frames,
    of_each_count,
    of_each_series,
)
from unrolled.tasks.forecast.direct.reading import Reading
from unrolled.tasks.forecast.direct.validation import Validation, spread
from unrolled.tasks.forecast.direct.windows import (
    MOST_REFERENCES,
    Chosen,
    Numbers,
    Origins,
    Windows,
    frame_of,
    reading_of,
    training_origins,
    varied,
)
from unrolled.tasks.forecast.fitted import Fitted
from unrolled.tasks.forecast.network import Network
from unrolled.tasks.outputs import criterion
from unrolled.training.selection import by_loss

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
        one = 1 / fitted.series.scalers["target"].scale if options.is_discrete else None
        reading, bases, fixed = _based(origins, chosen, parts, settled, fitted.series, one)
    options = options.model_copy(update={"members": len(reading.members)})
    config = config.model_copy(update={"forecast": options})
    frame = reading.frame

    def lively(chosen: Chosen) -> Chosen:
        return varied(origins, chosen, frame, parts)

    framed = not (reading.fixed or options.is_discrete)
    chosen = lively(chosen) if framed else chosen
    most = max(1, (training.steps or UNLIMITED) // VALIDATIONS)
    least = min(most, LEAST_STEPS) if training.steps else 1
    codec = fitted.series
    numbers = Numbers(codec.own - 1, len(codec.names)) if options.identity and codec.names else None
    windows = Windows(origins, chosen, training.batch_size, training.seed, most, least, numbers)
    # Of several series one that hardly varies would have errors beyond all others in units of its frames.
    kept = lively if framed and len(series) > 1 else None
    validation = Validation(origins, ends, plan, absolute, kept) if validated else None

    def begin(network: Network) -> None:
        read.begin(network, bases, fixed)
        block = network.block
        if bases and isinstance(block, Direct) and block.widths is not None:
            widths.begin(network, origins, chosen)
        if bases and options.is_discrete:
            begin_dispersion(network, origins, chosen)

    def tuned(network: Network) -> tuple[Fitted, str]:
        assert validation is not None
        errors = validation.errors(network)
        shares = validation.fit_shares(network, errors)
        kinds = ("the base alone", *(kind for kind, _, _ in reading.members))
        each = [f"{share:.2f} {kind}" for share, kind in zip(shares, kinds, strict=True)]
        note = f"shares of the forecast: {' + '.join(each)}; {spread(errors, shares, kinds)}"
        return fitted, f"{note}; {validation.calibrate(network)}" if reading.calibrated else note

    of = f" ({len(bases) - 1:,} series have their own; of all others)" if fitted.series.names else ""
    said = _least_spread(reading, fitted.series.scalers["target"]) if framed and bases else ()
    notes = (*settled.notes, *said, *(f"base{of}: {one.described()}" for one in bases[-1:]))
    fitted = replace(fitted, reading=reading)
    validate = by_loss(validation) if validation else None
    return Prepared(config, fitted, windows, validate, notes, tuned, begin)


def _least_spread(reading: Reading, scaler: Scaler) -> tuple[str, ...]:
    """A line on the floor of the spreads of windows, of all targets, where it is in the units of the file."""
    if scaler.curve is not None and (scaler.curve.power != ITSELF).any():
        return ()
    least = [one[0] * unit for one, unit in zip(reading.references, scaler.scale, strict=True)]
    each = dict.fromkeys(f"{one:.3g}" for one in (min(least), max(least)))
    return (f"spread of a window: counts as {' to '.join(each)} at least",)


@torch.no_grad()
def begin_dispersion(network: Network, origins: Origins, chosen: Chosen) -> None:
    """The untrained network says, of outputs that have a dispersion, that of the outcomes around its base."""
    every = evenly(len(chosen[0]), MOST_REFERENCES)
    of, last = chosen[0][every], chosen[1][every]
    block, means = network.block, list[Tensor]()
    assert isinstance(block, Direct)
    for _, x in origins.in_parts(of, last):
        means.append(criterion(block.output).point(block.each(network.ops, network.p, *x)[0]))
    start = criterion(block.output).start_of_dispersion(torch.cat(means), origins.outcomes(of, last))
    if start is not None:
        for member in network.p.members:
            member.head.bias.view(-1, block.output.size)[:, 1] = start


def _based(
    origins: Origins,
    chosen: Chosen,
    parts: Sequence[NDArray[np.float64]],
    settled: Settled,
    codec: Codec,
    one: NDArray[np.float64] | None,
) -> tuple[Reading, list[base.Base], NDArray[np.float64]]:
    """How windows are read, and the bases: of each target, of each series and all others, or one of all; and
    the frames that are fixed. `one` (K,): what 1 is, scaled, where outputs are discrete."""
    named, scale = bool(codec.names), settled.config.forecast.scale or WINDOW
    scale = POOLED if scale == SERIES and not named else scale  # of a single one they are the same
    plan, longest, K = settled.config.plan(), max(map(len, parts)), parts[0].shape[1]
    trained, options = [part for part in parts if len(part)], settled.config.forecast
    fed_back = read.fed_back_kind(options, codec, trained, plan)
    sizes = options.members, plan.window, plan.season, longest
    known = bool(codec.varying) or HOLIDAY in codec.calendar
    members = read.members_of(*sizes, fed_back, plan.steps, known)
    count = len(trained) + 1 if named else K if K <= MOST_BASES else 1
    least = one  # one count in a frame, or a mean of 1
    if one is not None and options.output == "bernoulli":
        least = one * frame_of(members)
    reading = reading_of(origins, chosen, members, parts, count, bool(options.calibrate), least)
    floors = [reference[0] for reference in reading.references]
    reading, how = replace(reading, fixed=scale != WINDOW), (plan.steps, plan.window, settled.periods)
    if named:
        of_series = [part[:, 0] for part in trained]
        if one is None:
            return reading, *of_each_series(of_series, *how, reading.frame, scale)
        return reading, *of_each_count(of_series, *how, reading.frame, floors[0], float(one[0]))

    def fitted(columns: Sequence[NDArray[np.float64]], floor: float) -> base.Base:
        fixed = fixed_frames(len(columns), scale)
        return base.fit(columns, *how, floor, reading.frame, fixed, by_mean=one is not None)

    columns = [[part[:, k] for part in trained] for k in range(K)]
    each = columns if count == K else [[part for column in columns for part in column]]
    bases = [fitted(*pair) for pair in zip(each, floors[: len(each)], strict=True)]
    return reading, bases, fixed_frames(1, scale)
