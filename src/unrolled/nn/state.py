"""The state between two calls: named arrays (B, H), as `layer0.forward.h`, or torch.nn's own stacked form.

Torch's form stacks the layers and directions of each kind: h (L·D, B, H), and for the LSTM a pair (h, c). It
exists where all of them are of one size. Inside a layer a state is a tuple of tensors, one for each `Group`:
of each kind one stacked tensor where sizes allow it, else one for each layer and direction.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

Tensors = tuple[Tensor, ...]
Named = dict[str, Tensor]
State = Tensor | tuple[Tensor, ...] | Named


class Group(NamedTuple):
    """One tensor (n, B, size) that holds the states of these n names."""

    names: tuple[str, ...]
    size: int


def detach(state: State) -> State:
    """The same values, cut from the graph: what truncated backpropagation carries on."""
    if isinstance(state, Tensor):
        return state.detach()
    if isinstance(state, tuple):
        return tuple(s.detach() for s in state)
    return {name: s.detach() for name, s in state.items()}


def stack(state: Mapping[str, Tensor], groups: Sequence[Group]) -> tuple[Tensor, ...]:
    """Named (B, size) -> the tensors (n, B, size) of `groups`."""
    each = [[state[name] for name in group.names] for group in groups]
    return tuple([s[0].unsqueeze(0) if len(s) == 1 else torch.stack(s) for s in each])


def unstack(stacked: Sequence[Tensor], groups: Sequence[Group]) -> Named:
    """The tensors of `groups` -> named."""
    names = [name for group in groups for name in group.names]
    return dict(zip(names, [s for tensor in stacked for s in tensor.unbind()], strict=True))


# Of each kind there is one tensor where sizes allow it, `stacked`, else one for each layer and direction.


def part(state: Tensors | None, kinds: int, stacked: bool, places: slice) -> Tensors | None:
    """The state of some layers and directions, of that of all."""
    if state is None or stacked:
        return state and tuple([s[places] for s in state])
    n = len(state) // kinds
    return tuple([s for k in range(0, len(state), n) for s in state[k : k + n][places]])


def whole(parts: Sequence[Tensors], kinds: int, stacked: bool) -> Tensors:
    """The state of all, of that of parts in order."""
    if stacked:
        return tuple([torch.cat(tensors) for tensors in zip(*parts, strict=True)])
    n = len(parts[0]) // kinds
    return tuple([s for k in range(0, len(parts[0]), n) for part in parts for s in part[k : k + n]])


def check_stacked(stacked: Sequence[Tensor], n: int, kinds: Sequence[str], dimensions: int) -> None:
    """ValueError unless torch's form has a tensor for each kind, with n layers and directions."""
    fit = len(stacked) == len(kinds)
    for s in stacked:
        fit = fit and s.dim() == dimensions and s.shape[0] == n
    if not fit:
        shapes = [tuple(s.shape) for s in stacked]
        wanted = ", ".join(f"{kind} ({n}, B, H)" if dimensions == 3 else f"{kind} ({n}, H)" for kind in kinds)
        raise ValueError(f"hx has shapes {shapes}; wanted {wanted}, one row for each layer and direction")


def check_names(state: Mapping[str, Tensor], names: Iterable[str]) -> None:
    """ValueError unless `state` has exactly these names."""
    wanted = dict.fromkeys(names)
    if state.keys() != wanted.keys():
        missing, extra = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
        raise ValueError(f"hx lacks {missing} and has {extra} too many; wanted exactly {list(wanted)}")


def check(name: str, s: Tensor, shape: tuple[int, ...]) -> None:
    """ValueError unless the state of that name is of this shape."""
    if s.shape != shape:
        raise ValueError(f"hx: {name} has shape {tuple(s.shape)}; wanted {shape}")
