"""How windows are read (blocks/direct.py): the network's members and their frames, and what is put into it
before a training."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import torch
from torch import Tensor

from unrolled.blocks.direct import ABOUT, Direct, Member, Row, Segments, Steps
from unrolled.blocks.leaves import Linear, Parameter
from unrolled.codecs.series import SeriesCodec
from unrolled.tasks.forecast.config import ForecastModel, ForecastOptions
from unrolled.tasks.forecast.data import output_of
from unrolled.tasks.forecast.direct import base
from unrolled.tasks.forecast.network import Network
from unrolled.tasks.model import recurrent

SEGMENTS, STEPS = "segments", "steps"
# Segments hold one season, or a part of a longer one.
LEAST_SEGMENT, MOST_SEGMENT = 6, 26
# Members look back so far, of series of LONG steps the second.
SEASONS, SEASONS_OF_LONG, MOST_READ = 4, 14, 336


@dataclass(frozen=True)
class Reading:
    """How windows are read: their frame's length, the `period` that fills up short ones, the members as
    `members_of` gives them, how many bases there are, whether points have calibrated intervals, and the
    references of blocks/direct.py."""

    frame: int
    period: int
    members: tuple[tuple[str, int, int], ...]
    bases: int
    calibrated: bool
    references: tuple[tuple[float, ...], ...]

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
    row = Row(K, codec.own - K + codec.flags - bool(codec.names), codec.ahead)
    framed = not options.is_discrete
    output = output_of(codec, options.output, levels, framed=framed, calibrated=reading.calibrated)

    def member(kind: str, steps: int, size: int) -> Member:
        layer = recurrent(model, (size if kind == SEGMENTS else 1) * row.read + ABOUT)
        if kind == SEGMENTS:
            return Segments.of(layer, S * output.size, steps, size, model.output_dropout or 0.0)
        return Steps.of(layer, row, output.size, steps, model.output_dropout or 0.0)

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
        references=reading.references,
    )


def members_of(count: int, window: int, season: int, longest: int) -> tuple[tuple[str, int, int], ...]:
    """By turns the kind of each, the window that it reads, and the size of its segments."""
    segment = _segment(season)
    seasons = SEASONS_OF_LONG if longest >= base.LONG else SEASONS
    whole = min(window, MOST_READ, seasons * season if season > 1 else 8 * segment) // segment * segment
    kinds = [(SEGMENTS, whole, segment)] if whole >= 2 * segment else []
    kinds.append((STEPS, min(window, max(2 * season, 48), 200), 1))
    return tuple(kinds[k % len(kinds)] for k in range(count))


def _segment(season: int) -> int:
    if season <= MOST_SEGMENT:
        return season * -(-LEAST_SEGMENT // season)
    divisors = [n for n in range(LEAST_SEGMENT, MOST_SEGMENT + 1) if season % n == 0]
    return max(divisors, default=24)


def begin(network: Network, bases: Sequence[base.Base]) -> None:
    """Puts the fitted bases, where there are some, into the network, and shares its members evenly. No
    training changes either."""
    for part in (*network.p.base, *adjusted(network)):
        part.requires_grad_(False)
    for linear, fitted in zip(network.p.base, bases, strict=False):
        linear.weight.copy_(torch.from_numpy(fitted.weights))
    network.p.shares.fill_(1 / len(network.p.shares))


def adjusted(network: Network) -> list[Tensor]:
    """What only a validation part tells: the shares, and the offsets of calibrated intervals."""
    block = network.block
    assert isinstance(block, Direct)
    return [network.p.shares, *([network.p.offsets] if block.offsets is not None else [])]
