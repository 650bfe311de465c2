"""What a caller may hand in, turned into x (T, B, I) and lengths (B,); results turned back into its form."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

Lengths = Tensor | Sequence[int]


class Layout(NamedTuple):
    """How the input came."""

    batch_first: bool
    batched: bool
    packed: PackedSequence | None
    lengths: Tensor | None  # (B,) int64

    def leave(self, y: Tensor) -> Tensor | PackedSequence:
        """y (T, B, F) -> (B, T, F), (T, F) or a PackedSequence, as the input was."""
        if self.packed is not None:
            return _pack(y, self.packed, self.lengths)
        if not self.batched:
            return y.squeeze(1)
        return y.transpose(0, 1) if self.batch_first else y


PADDED = {batch_first: Layout(batch_first, True, None, None) for batch_first in (False, True)}


def enter(
    input: Tensor | PackedSequence, lengths: Lengths | None, batch_first: bool
) -> tuple[Tensor, Layout]:
    """input (T, B, I), (B, T, I), (T, I) or packed -> x (T, B, I) and how to go back."""
    if isinstance(input, PackedSequence):
        if lengths is not None:
            raise ValueError(
                "a PackedSequence has its own lengths; leave `lengths` out, or hand in the padded tensor"
            )
        x, own = pad_packed_sequence(input)
        return x, Layout(batch_first, True, input, own.to(x.device))
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
    given = lengths if isinstance(lengths, Tensor) else torch.tensor(lengths)
    empty = given.numel() == 0
    if given.shape != (B,) or not (empty or _is_integer(given)):
        kind = f"{given.dtype} of shape {tuple(given.shape)}"
        raise ValueError(f"lengths are {kind}; wanted one integer for each of the {B} rows")
    given = given.to(torch.int64)  # not every integer type has a smallest and a largest
    if not empty and _has_values(given):
        low, high = int(given.min()), int(given.max())
        if low < 0 or high > T:
            raise ValueError(f"lengths run from {low} to {high}; wanted 0 to {T}, the steps of the input")
    return given.to(x.device)


def _is_integer(given: Tensor) -> bool:
    return not (given.is_floating_point() or given.is_complex() or given.dtype == torch.bool)


def _has_values(given: Tensor) -> bool:
    """Whether Python may look at the numbers: not while torch traces, and not inside vmap."""
    if torch.compiler.is_compiling():
        return False
    wrapper = torch._C._functorch
    while wrapper.is_functorch_wrapped_tensor(given):  # vmap may stand behind grad
        if wrapper.is_batchedtensor(given):
            return False
        given = wrapper.get_unwrapped(given)
    return True


def _pack(y: Tensor, like: PackedSequence, lengths: Tensor | None) -> PackedSequence:
    """y (T, B, F) -> packed in the row order of `like`, whatever order that was."""
    assert lengths is not None
    order = like.sorted_indices
    if order is not None:
        y, lengths = y.index_select(1, order), lengths[order]
    data = pack_padded_sequence(y, lengths.cpu()).data
    return PackedSequence(data, like.batch_sizes, like.sorted_indices, like.unsorted_indices)
