"""What a caller may hand in, turned into x (T, B, I), or packed (N, I); results turned back into its form."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.compiler import is_compiling, is_exporting
from torch.nn.utils.rnn import PackedSequence

Lengths = Tensor | Sequence[int]


class Layout(NamedTuple):
    """How the input came."""

    batch_first: bool
    batched: bool
    packed: PackedSequence | None
    ragged: Tensor | None  # int64: lengths (B,), or batch_sizes (T,) where it is packed

    def leave(self, y: Tensor) -> Tensor | PackedSequence:
        """y (T, B, F) or packed (N, F) -> (B, T, F), (T, F) or a PackedSequence, as the input was."""
        if self.packed is not None:
            return PackedSequence(y, *self.packed[1:])
        if not self.batched:
            return y.squeeze(1)
        return y.transpose(0, 1) if self.batch_first else y

    def batch(self, x: Tensor) -> int:
        """B; of a packed input that is recorded a tensor, which no graph takes for a constant."""
        if self.packed is None:
            return x.shape[1]
        first = self.packed.batch_sizes[0]
        recorded = is_exporting() if is_compiling() else torch._C._is_tracing()
        return first if recorded else int(first)  # type: ignore[return-value]

    def enter_state(self, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Tensors (n, B, size) in the order of the rows inside: longest first where packed."""
        return state if self.packed is None else _in_order(state, self.packed.sorted_indices)

    def leave_state(self, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Tensors (n, B, size) in the caller's order, (n, size) of an input without a batch."""
        if self.packed is not None:
            return _in_order(state, self.packed.unsorted_indices)
        return state if self.batched else tuple([s.squeeze(1) for s in state])


PADDED = {batch_first: Layout(batch_first, True, None, None) for batch_first in (False, True)}


def enter(
    input: Tensor | PackedSequence, lengths: Lengths | None, batch_first: bool
) -> tuple[Tensor, Layout]:
    """input (T, B, I), (B, T, I), (T, I) or packed -> x (T, B, I) or (N, I), and how to go back."""
    if isinstance(input, PackedSequence):
        if lengths is not None:
            raise ValueError(
                "a PackedSequence has its own lengths; leave `lengths` out, or hand in the padded tensor"
            )
        if input.data.dim() != 2:
            raise ValueError(f"packed input has shape {tuple(input.data.shape)}; wanted (N, I)")
        return input.data, Layout(batch_first, True, input, input.batch_sizes)
    if input.dim() == 2:
        if lengths is not None:
            raise ValueError("lengths need a batch; cut an unbatched input (T, I) to its length instead")
        return input.unsqueeze(1), Layout(batch_first, False, None, None)
    if input.dim() != 3:
        wanted = "(B, T, I)" if batch_first else "(T, B, I)"
        raise ValueError(f"input has shape {tuple(input.shape)}; wanted {wanted}, or (T, I) without a batch")
    x = input.transpose(0, 1) if batch_first else input
    return x, PADDED[batch_first] if lengths is None else Layout(
        batch_first, True, None, _checked(lengths, x)
    )


def _checked(lengths: Lengths, x: Tensor) -> Tensor:
    """Lengths as (B,) int64 on the device of x (T, B, I)."""
    T, B = x.shape[:2]
    tensor = lengths if isinstance(lengths, Tensor) else torch.tensor(lengths)
    empty = tensor.numel() == 0
    if tensor.shape != (B,) or not (empty or _is_integer(tensor)):
        kind = f"{tensor.dtype} of shape {tuple(tensor.shape)}"
        raise ValueError(f"lengths are {kind}; wanted one integer for each of the {B} rows")
    tensor = tensor.to(torch.int64)  # not every integer type has a smallest and a largest
    if not empty and _has_values(tensor):
        low, high = int(tensor.min()), int(tensor.max())
        if low < 0 or high > T:
            raise ValueError(f"lengths run from {low} to {high}; wanted 0 to {T}, the steps of the input")
    return tensor.to(x.device)


def _is_integer(tensor: Tensor) -> bool:
    return not (tensor.is_floating_point() or tensor.is_complex() or tensor.dtype == torch.bool)


def _has_values(tensor: Tensor) -> bool:
    """Whether Python may look at the numbers: not while torch traces, and not inside vmap."""
    if is_compiling():
        return False
    wrapper = torch._C._functorch
    while wrapper.is_functorch_wrapped_tensor(tensor):  # vmap may stand behind grad
        if wrapper.is_batchedtensor(tensor):
            return False
        tensor = wrapper.get_unwrapped(tensor)
    return True


def _in_order(state: tuple[Tensor, ...], order: Tensor | None) -> tuple[Tensor, ...]:
    return state if order is None else tuple([s.index_select(1, order) for s in state])
