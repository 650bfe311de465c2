"""A call of a recurrence: one layer in one direction, and what it gives."""

from typing import TYPE_CHECKING, NamedTuple

from unrolled.cells.cell import Cell

if TYPE_CHECKING:
    from torch import Tensor


class Masks(NamedTuple):
    """Randomness of one call, drawn beforehand, so that the loop itself is a function."""

    recurrent: "Tensor | None" = None  # (T, B, H): what h_{t-1} is multiplied by
    # Of each state: (T, B, H), true keeps the old; or a share.
    zoneout: "tuple[Tensor | float, ...] | None" = None


class Call(NamedTuple):
    """One layer, one direction, the whole sequence. No tensor is written to."""

    cell: Cell
    x: "Tensor"  # (T, B, I)
    state: tuple["Tensor", ...]  # (B, H) each, as cell.states
    parameters: dict[str, "Tensor"]
    lengths: "Tensor | None" = None  # (B,) int64
    masks: Masks = Masks()
    reverse: bool = False
    return_states: bool = False
    keep_every: int = 0  # k > 0: only every k-th state is kept for backward, which computes the others anew


class Result(NamedTuple):
    """What a call gives, or two, one for each direction: y side by side, states one after the other.

    Past a row's length y and states are zero, and last is its last valid state.
    """

    y: "Tensor"  # (T, B, H)
    last: tuple["Tensor", ...]  # (B, H) each
    states: tuple["Tensor", ...] | None  # (T, B, H) each
