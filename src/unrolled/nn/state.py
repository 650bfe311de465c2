"""The state between two calls: named arrays (B, H), as `layer0.forward.h`, or torch.nn's own stacked form.

Torch's form stacks the layers and directions of each kind: h (L·D, B, H), and for the LSTM a pair (h, c). It
exists where all of them are of one size.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

Named = dict[str, Tensor]
State = Tensor | tuple[Tensor, ...] | Named


def zeros(sizes: Mapping[str, int], batch: int, like: Tensor) -> Named:
    """A state of zeros, (batch, size) each, of the device and dtype of `like`."""
    return {name: like.new_zeros(batch, size) for name, size in sizes.items()}


def detach(state: State) -> State:
    """The same values, cut from the graph: what truncated backpropagation carries on."""
    if isinstance(state, Tensor):
        return state.detach()
    if isinstance(state, tuple):
        return tuple(s.detach() for s in state)
    return {name: s.detach() for name, s in state.items()}


def reset_rows(state: Named, rows: Tensor, fresh: Named) -> Named:
    """`fresh` in the rows (B,) that are true, `state` in the others."""
    return {name: torch.where(rows.unsqueeze(-1), fresh[name], s) for name, s in state.items()}


def stack(state: Named, kinds: tuple[str, ...]) -> State:
    """Named (B, H) -> torch's form (L·D, B, H), a tuple of them where there are several kinds."""
    n, parts = len(kinds), list(state.values())  # of every place one of each kind, in order
    stacked = tuple(
        [p[0].unsqueeze(0) if len(p) == 1 else torch.stack(p) for p in (parts[k::n] for k in range(n))]
    )
    return stacked if n > 1 else stacked[0]


def unstack(state: Tensor | tuple[Tensor, ...], names: list[str], kinds: tuple[str, ...]) -> Named:
    """Torch's form -> named, in the order of `names`. ValueError where the count of either is another."""
    stacked = (state,) if isinstance(state, Tensor) else tuple(state)
    layers = len(names) // len(kinds)
    shapes = [tuple(s.shape) for s in stacked]
    if len(stacked) != len(kinds) or any(len(shape) < 2 or shape[0] != layers for shape in shapes):
        wanted = ", ".join(f"{kind} ({layers}, B, H)" for kind in kinds)
        raise ValueError(f"hx has shapes {shapes}; wanted {wanted}, one row for each layer and direction")
    rows = {kind: iter(s.unbind()) for kind, s in zip(kinds, stacked, strict=True)}
    return {name: next(rows[name.rsplit(".", 1)[1]]) for name in names}


def check(state: Named, sizes: Mapping[str, int], batch: int, dtype: torch.dtype | None) -> None:
    """ValueError unless `state` has exactly the names of `sizes`, each (batch, size), in `dtype` if given."""
    if state.keys() != sizes.keys():
        missing, extra = sorted(sizes.keys() - state.keys()), sorted(state.keys() - sizes.keys())
        raise ValueError(f"hx lacks {missing} and has {extra} too many; wanted exactly {list(sizes)}")
    for name, size in sizes.items():
        s = state[name]
        if s.shape != (batch, size):
            raise ValueError(f"hx: {name} has shape {tuple(s.shape)}; wanted ({batch}, {size})")
        if dtype is not None and s.dtype != dtype:
            raise ValueError(f"hx: {name} is {s.dtype}; this layer computes in {dtype}; convert one of them")
