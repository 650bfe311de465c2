"""The state that a step hands to the next: None, a tensor, or a tuple, list or dict of such.

Truncated backpropagation cuts the state from its history between two steps: its values go on, no gradient
passes. For checkpoints it is taken apart into a plan (JSON) and tensors, and put together again.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

State = Tensor | dict[str, "State"] | tuple["State", ...] | list["State"] | None


def carried(state: State) -> State:
    """The same values in memory of their own, without history.

    A view would keep its whole storage alive, and would lie at another alignment than the copy that a resumed
    training reads from its checkpoint: products may round differently for that.
    """
    return _map(state, lambda tensor: tensor.detach().clone(memory_format=torch.contiguous_format))


def to_device(state: State, device: torch.device) -> State:
    """The same on `device`."""
    return _map(state, lambda tensor: tensor.to(device))


def take_apart(state: State, tensors: list[Tensor]) -> Any:
    """The plan of `state` for JSON; its tensors are appended to `tensors` in the plan's order."""
    if isinstance(state, Tensor):
        tensors.append(state)
        return len(tensors) - 1
    if isinstance(state, dict):
        return {"dict": {name: take_apart(inner, tensors) for name, inner in state.items()}}
    if isinstance(state, tuple | list):
        return {type(state).__name__: [take_apart(inner, tensors) for inner in state]}
    return None


def put_together(plan: Any, tensors: list[Tensor]) -> State:
    """The state of a plan that `take_apart` made. LookupError, TypeError or ValueError for any other plan."""
    if plan is None:
        return None
    if isinstance(plan, int):
        return tensors[plan]
    [(kind, plans)] = dict(plan).items()
    if kind == "dict":
        return {name: put_together(inner, tensors) for name, inner in dict(plans).items()}
    states = [put_together(inner, tensors) for inner in plans]
    kinds: dict[str, State] = {"tuple": tuple(states), "list": states}
    return kinds[kind]


def _map(state: State, function: Callable[[Tensor], Tensor]) -> State:
    if state is None:
        return None
    if isinstance(state, Tensor):
        return function(state)
    if isinstance(state, dict):
        return {name: _map(inner, function) for name, inner in state.items()}
    if isinstance(state, tuple | list) and not hasattr(state, "_fields"):
        states: list[State] = [_map(inner, function) for inner in state]
        return states if isinstance(state, list) else tuple(states)
    raise TypeError(
        f"a state is None, a tensor, or a tuple, list or dict of such; got {type(state).__name__}"
    )
