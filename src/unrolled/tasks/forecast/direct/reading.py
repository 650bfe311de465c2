"""How windows are read (blocks/direct.py): the network's members and their frames, and what is put into it
before a training."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.blocks.direct import ABOUT, Direct, FedBack, Member, Row, Segments, Steps
from unrolled.blocks.leaves import Embedding, Linear, Parameter
from unrolled.codecs.series import SeriesCodec
from unrolled.tasks.forecast.config import ForecastModel, ForecastOptions, Plan
from unrolled.tasks.forecast.data import output_of
from unrolled.tasks.forecast.direct import base
from unrolled.tasks.forecast.level import found_level
from unrolled.tasks.forecast.network import Network
from unrolled.tasks.model import recurrent

Array = NDArray[np.float64]

SEGMENTS, STEPS = "segments", "steps"
# Of a member that reads its own forecasts: by the level of the series, or less the first value of the window.
FED_BACK, OF_CHANGES = "fed back", "fed back by its change"
RELATIVE = ("relative",)
# Segments hold one season, or a part of a longer one.
LEAST_SEGMENT, MOST_SEGMENT = 6, 26
# Members look back so far, of series of LONG steps the second.
SEASONS, SEASONS_OF_LONG, MOST_READ = 4, 14, 336
# More steps are not fed back: each waits for the one before.
MOST_FED_BACK = 200
# From so many steps to forecast on, a segment of them is said at once.
LONG_AHEAD = 144


@dataclass(frozen=True)
class Reading:
    """How windows are read: their frame's length, the `period` that fills up short ones, the members as
    `members_of` gives them, how many bases there are, whether intervals are calibrated, the references of
    blocks/direct.py, and whether frames are fixed."""

    frame: int
    period: int
    members: tuple[tuple[str, int, int], ...]
    bases: int
    calibrated: bool
    references: tuple[tuple[float, ...], ...]
    fixed: bool = False

    def about(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def restore(cls, about: Mapping[str, Any]) -> Self:
        members = tuple((kind, window, size) for kind, window, size in about["members"])
        references = tuple(tuple(map(float, one)) for one in about["references"])
        return cls(**{**about, "members": members, "references": references})


def block_of(
    model: ForecastModel, options: ForecastOptions, codec: SeriesCodec, reading: Reading, window: int
) -> Direct:
    S, K, levels = codec.steps, len(codec.targets), options.quantile_levels
    point = options.output == "point"
    row = Row(K, codec.own - K + codec.flags - bool(codec.names), codec.ahead)
    identity, framed = options.identity if codec.names else 0, not options.is_discrete
    output = output_of(codec, options.output, levels, framed=framed, calibrated=reading.calibrated)

    def member(kind: str, steps: int, size: int) -> Member:
        if kind in (FED_BACK, OF_CHANGES):
            return FedBack.of(recurrent(model, row.read), steps, kind == OF_CHANGES)
        layer = recurrent(model, (size if kind == SEGMENTS else 1) * row.read + ABOUT + identity)
        if kind == SEGMENTS:
            return Segments.of(layer, S * output.size, steps, size, model.output_dropout or 0.0)
        return Steps.of(layer, row, output.size, steps, model.output_dropout or 0.0, size)

    return Direct(
        members=tuple(member(*one) for one in reading.members),
        base=(Linear(window, S, bias=False, zero=True),) * reading.bases,
        shares=Parameter((len(reading.members),)),
        offsets=Parameter((S, K, len(levels))) if reading.calibrated else None,
        output=output,
        steps=S,
        frame=reading.frame,
        period=reading.period,
        row=row,
        series=codec.own - 1 if codec.names else None,
        identity=Embedding(reading.bases, identity, scale=0.0) if identity else None,
        references=reading.references,
        fixed=Parameter((reading.bases if codec.names else 1, 2)) if reading.fixed else None,
        widths=Parameter((reading.bases,)) if reading.calibrated and codec.names and point else None,
    )


def members_of(
    count: int | None,
    window: int,
    season: int,
    longest: int,
    fed_back: str | None,
    ahead: int = 1,
    known: bool = False,
) -> tuple[tuple[str, int, int], ...]:
    """By turns the kind of each, the window that it reads, and the size of its segments, of what it reads or
    of `ahead` steps that it says; None: one of each kind. `fed_back`: the kind of the one that reads its own
    forecasts, where there may be one. `known`: whether more than the calendar is known of the steps ahead,
    which the kind that comes first then reads."""
    segment = _segment(season)
    seasons = SEASONS_OF_LONG if longest >= base.LONG else SEASONS
    whole = min(window, MOST_READ, seasons * season if season > 1 else 8 * segment) // segment * segment
    kinds = [(SEGMENTS, whole, segment)] if whole >= 2 * segment else []
    kinds.append((STEPS, _each_step(window, season), segment if ahead >= LONG_AHEAD else 1))
    if fed_back:
        kinds.append((fed_back, _each_step(window, season), 1))
    kinds.sort(key=lambda one: known and one[0] != STEPS)
    return tuple(kinds[k % len(kinds)] for k in range(count or len(kinds)))


def fed_back_kind(
    options: ForecastOptions, codec: SeriesCodec, parts: Sequence[NDArray[np.float64]], plan: Plan
) -> str | None:
    """That of the member that reads its own forecasts: of points of one series and target, with nothing
    beside it that is known up to the present alone, and not too many steps."""
    alone = len(parts) == 1 == len(codec.targets) and not codec.past and options.output == "point"
    if not alone or codec.steps > MOST_FED_BACK:
        return None
    return OF_CHANGES if found_level(parts, _each_step(plan.window, plan.season)) == RELATIVE else FED_BACK


def _each_step(window: int, season: int) -> int:
    """Of a member that reads every step, its window."""
    return min(window, max(2 * season, 48), 200)


def _segment(season: int) -> int:
    if season <= MOST_SEGMENT:
        return season * -(-LEAST_SEGMENT // season)
    divisors = [n for n in range(LEAST_SEGMENT, MOST_SEGMENT + 1) if season % n == 0]
    return max(divisors, default=24)


def begin(network: Network, bases: Sequence[base.Base], fixed: Array | None = None) -> None:
    """Puts the fitted bases and the fixed frames, where there are some, into the network, shares its
    members evenly, and gives all series the same width. No training changes any of these."""
    block = network.block
    assert isinstance(block, Direct)
    frames = [network.p.fixed] if block.fixed else []
    widths = [] if block.widths is None else [network.p.widths]
    for part in (*network.p.base, *adjusted(network), *frames, *widths):
        part.requires_grad_(False)
    if fixed is not None and frames:
        network.p.fixed.copy_(torch.from_numpy(fixed))
    for part in widths if bases else ():
        part.fill_(1.0)
    for linear, fitted in zip(network.p.base, bases, strict=False):
        linear.weight.copy_(torch.from_numpy(fitted.weights))
    network.p.shares.fill_(1 / len(network.p.shares))


def adjusted(network: Network) -> list[Tensor]:
    """What only a validation part tells: the shares, and the offsets of calibrated intervals."""
    block = network.block
    assert isinstance(block, Direct)
    return [network.p.shares, *([network.p.offsets] if block.offsets is not None else [])]
