"""The forecaster's network, and how it runs on beyond what is known. Per step t = 0 … W-1 of a window:

    h_t, s_t = layer([z_t - a, p_t, k_t], s_{t-1})      a = z_0 in the targets of relative level, else 0
    r_t      = W h_t + b                                all steps of a window in one product
    ŷ_t      = output(r_t) moved by b_t                 b_t = z_t where residual, else a

z_t are the K scaled targets, p_t the P past covariates, k_t what is known of the time to forecast (data.py).
ŷ_t are the distributions of z_{t+1} … z_{t+S}: S = 1 under strategy recursive, the horizon under direct. W
and b begin at zero, so that an untrained residual network is persistence.

Shapes   x (B, W, K + P + U) -> raw (B, W, S, K, R), R raw numbers of the output (tasks/outputs.py)
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unrolled.nn import Linear, SequenceModule
from unrolled.tasks.outputs import Output

# The layer's state in any form that it takes, and a (B, K).
NetworkState = tuple[Any, Tensor]
Choice = Callable[[Tensor], Tensor]


class Network(nn.Module):
    """`layer` x (B, W, I) -> (B, W, layer.output_size), state; `steps` S; `relative` (K,) for each target."""

    relative: Tensor

    def __init__(
        self, layer: SequenceModule, output: Output, steps: int, residual: bool, relative: Sequence[bool]
    ) -> None:
        super().__init__()
        self.layer, self.output, self.residual = layer, output, residual
        self.shape = (steps, len(relative), output.size)
        self.head = Linear(layer.output_size, math.prod(self.shape))
        self.register_buffer(
            "relative", torch.tensor(relative, dtype=self.head.weight.dtype), persistent=False
        )
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(
        self, x: Tensor, state: NetworkState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, NetworkState]:
        """x (B, W, I), lengths (B,) -> raw (B, W, S, K, R) with the base added, and the state to go on
        from."""
        z, rest = x[..., : self.shape[1]], x[..., self.shape[1] :]
        hidden, anchor = state if state else (None, z[:, 0] * self.relative)
        h, hidden = self.layer(torch.cat([z - anchor[:, None], rest], dim=-1), hidden, lengths=lengths)
        raw = self.head(h).unflatten(-1, self.shape)
        base = z if self.residual else anchor[:, None].expand_as(z)
        return self.output.moved(raw, base[:, :, None].expand(raw.shape[:-1])), (hidden, anchor)


def run_on(
    network: Network, raw: Tensor, state: NetworkState, known: Tensor, horizon: int, choose: Choice
) -> Tensor:
    """Feeds forecasts back. raw (N, K, R), state: after the last known step; known (N, horizon - 1, U): of
    the steps that follow; choose raw (N, K, R) -> values (N, K). Returns the values (N, horizon, K)."""
    values = [choose(raw)]
    for h in range(horizon - 1):
        x = torch.cat([values[-1], known[:, h]], dim=-1)
        after, state = network(x[:, None], state)
        raw = after[:, 0, 0]
        values.append(choose(raw))
    return torch.stack(values, dim=1)


def repeated(state: Any, times: int) -> Any:
    """Every row of a state `times` times, neighbours together. All its arrays have rows before width: (L, B,
    H), (B, H)."""
    if isinstance(state, Tensor):
        return state.repeat_interleave(times, dim=-2)
    if isinstance(state, dict):
        return {name: repeated(part, times) for name, part in state.items()}
    return tuple(repeated(part, times) for part in state)
