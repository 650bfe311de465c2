"""How networks of several members (blocks/ensemble.py) learn and are judged.

loss = mean of the members' losses      of the same batch, each with dropout and a state of its own
"""

from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from unrolled.blocks.ensemble import mean
from unrolled.ops.torch import Network
from unrolled.training.batches import Step
from unrolled.training.selection import Validated
from unrolled.training.state import State

Batch = TypeVar("Batch")


def mean_of(network: Network[Any], losses: Callable[[Any], Tensor]) -> Tensor:
    """The mean of `losses(member)`."""
    return mean([losses(one) for one in network.ensemble])


def members_step(
    network: Network[Any], loss: Callable[[Any, Batch, State], tuple[Tensor, State]]
) -> Step[Batch]:
    """The step of a training by `loss(member, batch, state)`."""

    def step(batch: Batch, state: State) -> tuple[Tensor, State]:
        members = network.ensemble
        if len(members) == 1:
            return loss(network, batch, state)
        states = state if isinstance(state, list) else [None] * len(members)
        each = [loss(one, batch, before) for one, before in zip(members, states, strict=True)]
        return mean([value for value, _ in each]), [after for _, after in each]

    return step


@torch.no_grad()
def spread(network: Network[Any], validate: Callable[[Any], Validated]) -> str:
    """The validation loss of each member alone, and of all together."""
    alone = ", ".join(f"{validate(one).loss:.4g}" for one in network.ensemble)
    return f"members: validation loss {alone} alone, {validate(network).loss:.4g} together"
