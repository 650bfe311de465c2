"""Operators of our own under torch's transforms: derivatives to any order, vmap, torch.func, compile, export.

The formulas registered with an operator serve autograd, compile and export; torch.func's grad sees through an
autograd.Function alone. Both are made from the same formulas here.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

Dims = tuple[int | None, ...]  # which dimension of each argument vmap maps over


def transformable(
    library: Any,
    name: str,
    *,
    save: Callable[[Any, tuple[Any, ...], Any], None],
    derive: Callable[..., Any],
    vmap: Callable[..., Any] | None = None,
) -> Callable[..., Any]:
    """Registers the formulas of `unrolled::name` and returns how to call it, whatever transform is at work.

    `save` is the setup_context and `derive` the backward of torch's documentation. Without `vmap`, each
    element of a mapped dimension is a call of its own.
    """
    operator = getattr(torch.ops.unrolled, name).default

    def call(*arguments: Any) -> Any:
        if not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active():
            return Function.apply(*arguments)
        return operator(*arguments)

    rule = vmap or one_by_one(call)
    torch.library.register_autograd(f"unrolled::{name}", derive, setup_context=save, lib=library)
    torch.library.register_vmap(f"unrolled::{name}", rule, lib=library)
    members = {"forward": operator, "setup_context": save, "backward": derive, "vmap": rule}
    Function: Any = type(name, (torch.autograd.Function,), {k: staticmethod(v) for k, v in members.items()})
    return call


def refuse_tangents(*tensors: Tensor | None) -> None:
    """NotImplementedError where a tensor carries a forward-mode derivative: an operator would drop it."""
    if forward_ad._current_level < 0:
        return
    unpack: Any = forward_ad.unpack_dual
    if any(t is not None and unpack(t).tangent is not None for t in tensors):
        raise NotImplementedError(
            "the fused kernels have no forward-mode derivative; backend='reference' computes it"
        )


def one_by_one(call: Callable[..., tuple[Tensor, ...]]) -> Callable[..., Any]:
    """The vmap rule that makes one call for each element of the mapped dimension."""

    def rule(info: Any, dims: Dims, *arguments: Any) -> Any:
        calls = [
            call(*(a if d is None else a.select(d, n) for a, d in zip(arguments, dims, strict=True)))
            for n in range(info.batch_size)
        ]
        outputs = tuple(torch.stack(parts) for parts in zip(*calls, strict=True))
        return outputs, (0,) * len(outputs)

    return rule


def joined(tensor: Tensor, mapped: int | None, N: int, batch: int) -> Tensor:
    """The mapped dimension, or N copies where there is none, made one with dimension `batch` behind it."""
    if mapped is None:
        tensor = tensor.unsqueeze(batch).expand(*tensor.shape[:batch], N, *tensor.shape[batch:])
    else:
        tensor = tensor.movedim(mapped, batch)
    return tensor.flatten(batch, batch + 1)
