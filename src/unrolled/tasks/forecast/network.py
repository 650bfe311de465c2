"""The forecaster's network in torch, and how it runs on beyond what is known. See blocks/forecaster.py and
blocks/direct.py.

Shapes   windows x (N, W, I) -> raw (N, S, K, R), and what the next step needs; what is fed back are the K
         values of one step, the first of the S
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unrolled.blocks.direct import Direct
from unrolled.blocks.forecaster import Forecaster
from unrolled.codecs.windows import window_steps
from unrolled.decoding.feedback import fed_back
from unrolled.nn.state import Named
from unrolled.ops.torch import Network as AnyNetwork
from unrolled.tasks.outputs import criterion

Network = AnyNetwork[Forecaster]
Choice = Callable[[Tensor], Tensor]

WINDOW, LAST = "window", "last"


def read(network: Network, x: Tensor, ahead: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Named]:
    """raw after the windows x, with what is known of the steps ahead of each, and the state; `lengths` of
    windows, where some are shorter."""
    if isinstance(network.block, Direct):
        return network(x, ahead), {WINDOW: x}
    raw, state = network(x, lengths=lengths)
    return raw[:, -1] if lengths is None else raw[torch.arange(len(x)), lengths - 1], state


def begin_at(network: Network, mean: NDArray[np.float64]) -> None:
    """The untrained network forecasts these scaled means (K,) of training at every step."""
    start = criterion(network.block.output).start(torch.from_numpy(mean))
    if start is not None:
        with torch.no_grad():
            network.p.head.bias.view(*network.block.shape)[..., network.block.output.location] = start


def run_on(
    network: Network, raw: Tensor, state: Named, known: Tensor, horizon: int, choose: Choice
) -> Tensor:
    """Feeds forecasts back. raw (N, S, K, R), state: after the last known step, of a direct network with its
    number as LAST (N,); known (N, horizon + S - 2, ·): the ends of the rows that follow; choose raw
    (N, K, R) -> values (N, K). Returns the values (N, horizon, K)."""
    block = network.block

    def advance(h: int, value: Tensor, state: Named) -> tuple[Tensor, Named]:
        row = torch.cat([block.output.fed(value), known[:, h]], dim=-1)[:, None]
        if isinstance(block, Direct):
            ahead = known[:, h : h + block.steps, known.shape[-1] - block.row[2] :]
            window, last = followed(block, state, row)
            after, state = read(network, window, ahead)
            state[LAST] = last
        else:
            raw, state = network(row, state)
            after = raw[:, 0]
        return choose(after[:, 0]), state

    return torch.stack(fed_back(choose(raw[:, 0]), state, horizon, advance), dim=1)


def followed(block: Direct, state: Mapping[str, Tensor], row: Tensor) -> tuple[Tensor, Tensor]:
    """The windows, and their last steps, after one more row (N, 1, I) of each."""
    rows, last, L = torch.cat([state[WINDOW], row], 1), state[LAST] + 1, block.window
    end = np.minimum(last.numpy(), L)  # where the last step stands, behind L rows
    steps = window_steps(end, L, block.period) + (L - end)[:, None]
    return rows[torch.arange(len(rows))[:, None], torch.from_numpy(steps)], last


def repeated(state: Mapping[str, Tensor], times: int) -> Named:
    """Every row of a state `times` times, neighbours together."""
    return {name: part.repeat_interleave(times, dim=0) for name, part in state.items()}
