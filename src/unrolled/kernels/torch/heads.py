"""What the operators of heads share: which calls our kernels take, and tensors as the kernels see them."""

import os
from math import prod
from typing import Any

import torch
from torch import Tensor

from unrolled.kernels import dispatch
from unrolled.kernels.torch import backends as running
from unrolled.kernels.torch.operators import transforming

if dispatch.MISSING is None:
    from unrolled.kernels import _cpu

DTYPES = {torch.float32: "float32", torch.float64: "float64"}
_kernels: dict[tuple[str, torch.dtype], Any] = {}
LIBRARY: Any = torch.library.Library("unrolled", "FRAGMENT")  # type: ignore[no-untyped-call]


def taken(x: Tensor) -> bool:
    """Whether our kernels run a call on x; else torch's own operators do, which round in another order.

    Raises ValueError where UNROLLED_BACKEND=cpu names the kernels and they cannot.
    """
    reason = refusal(x)
    named = os.environ.get(dispatch.VARIABLE) or None
    if named is None:
        return reason is None
    dispatch.check_backend(named, dispatch.VARIABLE)
    if named == "cpu" and reason is not None:
        raise ValueError(f"{dispatch.VARIABLE}='cpu' cannot run this: {reason}; choose 'reference', or none")
    return named == "cpu"


def refusal(x: Tensor) -> str | None:
    """Why our kernels cannot run a call on x, in words, or None where they can."""
    if dispatch.MISSING is not None:
        return dispatch.MISSING
    if not x.is_cpu:
        return f"runs on the cpu, not on {x.device}"
    if x.dtype not in DTYPES:
        return f"computes in {' and '.join(DTYPES.values())}, not in {x.dtype}"
    if torch.is_autocast_enabled("cpu"):
        return "autocast asks for half precision"
    if transforming() and running._forward_mode():
        return "has no forward-mode derivative"
    return None


def check(name: str, tensor: Tensor, shape: tuple[int, ...], like: Tensor) -> None:
    """ValueError where the shape is another, or the dtype or device that of another tensor than `like`."""
    if tensor.shape != shape:
        raise ValueError(f"{name} is {tuple(tensor.shape)}; wanted {tuple(shape)}")
    if tensor.dtype != like.dtype or tensor.device != like.device:
        raise ValueError(f"{name} is {tensor.dtype} on {tensor.device}; x is {like.dtype} on {like.device}")


def kernel(name: str, like: Tensor) -> Any:
    """The compiled function of that name for the dtype of `like`."""
    found = _kernels.get((name, like.dtype))
    if found is None:
        found = _kernels[name, like.dtype] = getattr(_cpu, f"{name}_{DTYPES[like.dtype]}")
    return found


def flat(tensor: Tensor) -> Tensor:
    """The tensor in one piece of memory, copied where it is not."""
    return tensor if tensor.is_contiguous() else tensor.contiguous()


def adjacent(y: Tensor) -> Tensor:
    """y (B, T, H), copied where the numbers of a step do not stand side by side."""
    return y if y.stride(2) == 1 else y.contiguous()


def steps(tensor: Tensor) -> tuple[int, int, int]:
    """(B, T) or (B, T, H), as the kernels see a sequence: address, strides of time and row."""
    return tensor.data_ptr(), tensor.stride(1), tensor.stride(0)


def place(tensor: Tensor) -> tuple[int, int]:
    """A tensor in one piece as a matrix of rows: address and stride of a row."""
    return tensor.data_ptr(), tensor.shape[-1]


def rows(tensor: Tensor) -> int:
    """How many rows of the last dimension a tensor is."""
    return prod(tensor.shape[:-1])
