"""What the operators over heads' kernels share: which calls they take, and tensors as the kernels see them."""

import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels import dispatch

if dispatch.MISSING is None:
    from unrolled.kernels import _cpu

DTYPES = {torch.float32: "float32", torch.float64: "float64"}
LIBRARY: Any = torch.library.Library("unrolled", "FRAGMENT")  # type: ignore[no-untyped-call]


def taken(x: Tensor) -> bool:
    """Whether our kernels run a call on x; else torch's own operators do, which round in another order.

    Raises ValueError where UNROLLED_BACKEND=cpu names the kernels and they cannot.
    """
    named = os.environ.get(dispatch.VARIABLE) or None
    dispatch.check_backend(named, dispatch.VARIABLE)
    if named not in (None, "cpu"):
        return False
    reason = refusal(x)
    if named and reason is not None:
        raise ValueError(f"{dispatch.VARIABLE}='cpu' cannot run this head: {reason}; choose 'reference', or none")
    return reason is None


def refusal(x: Tensor) -> str | None:
    """Why our kernels cannot run a call on x, in words, or None where they can."""
    if dispatch.MISSING is not None:
        return dispatch.MISSING
    if not x.is_cpu:
        return f"runs on the cpu, not on {x.device}"
    if x.dtype not in DTYPES:
        return f"computes in {' and '.join(DTYPES.values())}, not in {x.dtype}"
    if dispatch.autocasting("cpu"):
        return "autocast asks for half precision"
    if dispatch._forward_mode():
        return "has no forward-mode derivative"
    return None


def check(name: str, tensor: Tensor, shape: Sequence[int], like: Tensor) -> None:
    """ValueError where the shape is another, or the dtype or device that of another tensor than `like`."""
    if tuple(tensor.shape) != tuple(shape):
        raise ValueError(f"{name} is {tuple(tensor.shape)}; wanted {tuple(shape)}")
    if tensor.dtype != like.dtype or tensor.device != like.device:
        raise ValueError(f"{name} is {tensor.dtype} on {tensor.device}; x is {like.dtype} on {like.device}")


def kernel(name: str, like: Tensor) -> Any:
    """The compiled function of that name for the dtype of `like`."""
    return getattr(_cpu, f"{name}_{DTYPES[like.dtype]}")


def flat(tensor: Tensor) -> Tensor:
    """The tensor in one piece of memory, copied where it is not."""
    return tensor if tensor.is_contiguous() else tensor.contiguous()


def place(tensor: Tensor) -> tuple[int, int]:
    """A tensor in one piece as a matrix of rows: address and stride of a row."""
    return tensor.data_ptr(), tensor.shape[-1]


def rows(tensor: Tensor) -> int:
    """How many rows of the last dimension a tensor is."""
    count = 1
    for size in tensor.shape[:-1]:
        count *= size
    return count
