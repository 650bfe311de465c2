"""The forecaster's network in torch, and how it runs on beyond what is known. See blocks/forecaster.py.

Shapes   x (N, W, I) -> raw (N, W, S, K, R); what is fed back are the K values of one step, S = 1
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from unrolled.blocks.forecaster import Forecaster
from unrolled.decoding.feedback import fed_back
from unrolled.nn.state import Named
from unrolled.ops.torch import Network as AnyNetwork

Network = AnyNetwork[Forecaster]
Choice = Callable[[Tensor], Tensor]


def run_on(
    network: Network, raw: Tensor, state: Named, known: Tensor, horizon: int, choose: Choice
) -> Tensor:
    """Feeds forecasts back. raw (N, K, R), state: after the last known step; known (N, horizon - 1, U): of
    the steps that follow; choose raw (N, K, R) -> values (N, K). Returns the values (N, horizon, K)."""

    def advance(h: int, value: Tensor, state: Named) -> tuple[Tensor, Named]:
        x = torch.cat([value, known[:, h]], dim=-1)
        after, state = network(x[:, None], state)
        return choose(after[:, 0, 0]), state

    return torch.stack(fed_back(choose(raw), state, horizon, advance), dim=1)


def repeated(state: Mapping[str, Tensor], times: int) -> Named:
    """Every row of a state `times` times, neighbours together."""
    return {name: part.repeat_interleave(times, dim=0) for name, part in state.items()}
