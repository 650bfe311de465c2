"""Operators of our own under torch's transforms: derivatives to any order, vmap, torch.func, compile, export.

An operator takes a list of tensors and a form, all that is no tensor, and gives a list of tensors. The
formulas registered with it serve autograd, compile and export; torch.func's grad sees through an
autograd.Function alone. Both are made from the same formulas here. Where no transform is at work, neither is
needed: the kernel is called directly, under an autograd.Function of its own where a gradient is recorded.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad

Tensors = list[Tensor]
Dims = Sequence[int | None]  # which dimension of each tensor vmap maps over
PLAIN = frozenset({Tensor, torch.nn.Parameter})


class Formulas(NamedTuple):
    """What an operator is. A form is any object that `encode` makes a string of and `decode` restores."""

    run: Callable[[Any, Sequence[Tensor]], Tensors]  # the kernel: form, tensors -> outputs
    fake: Callable[[Any, Sequence[Tensor]], Tensors]  # the outputs' shapes
    save: Callable[[Any, Any, Sequence[Tensor], Sequence[Tensor]], None]  # context, form, tensors, outputs
    derive: Callable[[Any, Sequence[bool], Sequence[Tensor | None]], list[Tensor | None]]
    # context, which tensors need a gradient, gradients of the outputs -> those of the tensors
    encode: Callable[[Any], str]
    decode: Callable[[str], Any]
    batches: Callable[[Any], tuple[list[int | None], list[int]] | None]
    # form -> the dimension of the batch in each tensor (None: it has none) and in each output; None where
    # a batch of batches is no batch


def transformable(library: Any, name: str, formulas: Formulas) -> Callable[[Any, Tensors], Tensors]:
    """Registers `unrolled::name` and returns how to call it, whatever transform is at work."""
    run, fake, save, derive, encode, decode, batches = formulas
    library.define(f"{name}(Tensor[] tensors, str form) -> Tensor[]")
    library.impl(name, lambda tensors, text: run(decode(text), tensors), "CPU")
    operator = getattr(torch.ops.unrolled, name).default
    qualified = f"unrolled::{name}"

    def call(form: Any, tensors: Tensors) -> Tensors:
        if torch.compiler.is_compiling():
            outputs: Tensors = operator(tensors, encode(form))
            return outputs
        if torch._C._are_functorch_transforms_active():
            return list(apply(Function, encode(form), tensors))
        if transforming() or not plain(tensors):
            return list(operator(tensors, encode(form)))
        if recorded(tensors):
            return list(record(form, *tensors))
        return run(form, tensors)

    def save_listed(ctx: Any, inputs: tuple[Tensors, str], output: Tensors) -> None:
        save(ctx, decode(inputs[1]), inputs[0], output)

    def derive_listed(ctx: Any, cotangents: Sequence[Tensor | None]) -> tuple[Any, None]:
        return derive(ctx, ctx.needs_input_grad[0], cotangents), None

    def fold(info: Any, dims: Dims, text: str, tensors: Tensors) -> tuple[Tensors, list[int]]:
        known = batches(decode(text))
        shared = known and all(d is None for d, own in zip(dims, known[0], strict=True) if own is None)
        if not known or not shared:
            return one_by_one(info, dims, lambda own: call(decode(text), own), tensors)
        N = info.batch_size
        merged = [
            t if batch is None else joined(t, d, N, batch)
            for t, d, batch in zip(tensors, dims, known[0], strict=True)
        ]
        outputs = call(decode(text), merged)
        return [torch.unflatten(o, b, (N, -1)) for o, b in zip(outputs, known[1], strict=True)], known[1]

    def fold_listed(info: Any, dims: tuple[Dims, None], tensors: Tensors, text: str) -> Any:
        return fold(info, dims[0], text, tensors)

    class Function(torch.autograd.Function):
        @staticmethod
        def forward(text: str, *tensors: Tensor) -> tuple[Tensor, ...]:
            return tuple(call(decode(text), list(tensors)))

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
            save(ctx, decode(inputs[0]), inputs[1:], output)

        @staticmethod
        def backward(ctx: Any, *cotangents: Tensor | None) -> Any:
            return None, *derive(ctx, ctx.needs_input_grad[1:], cotangents)

        @staticmethod
        def vmap(info: Any, dims: tuple[int | None, ...], text: str, *tensors: Tensor) -> Any:
            outputs, out_dims = fold(info, dims[1:], text, list(tensors))
            return tuple(outputs), tuple(out_dims)

    class Recorded(torch.autograd.Function):
        """Without setup_context: with it, torch inspects the signature of forward at each call."""

        @staticmethod
        def forward(ctx: Any, form: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
            outputs = tuple(run(form, tensors))
            save(ctx, form, tensors, outputs)
            return outputs

        backward = Function.backward

    record = applier(Recorded)
    torch.library.register_fake(qualified, lambda tensors, text: fake(decode(text), tensors), lib=library)
    torch.library.register_autograd(qualified, derive_listed, setup_context=save_listed, lib=library)
    torch.library.register_vmap(qualified, fold_listed, lib=library)
    return call


def apply(function: Any, form: Any, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The autograd.Function of these."""
    outputs: tuple[Tensor, ...] = function.apply(form, *tensors)
    return outputs


def applier(function: type[torch.autograd.Function]) -> Callable[..., tuple[Tensor, ...]]:
    """What function.apply comes to where no transform of torch.func is at work and there is no setup_context:
    the look for either takes 4 µs a call."""
    parent: Any = super(torch.autograd.Function, function)
    directly: Callable[..., tuple[Tensor, ...]] = parent.apply
    return directly


def transforming() -> bool:
    """Whether torch wants operators rather than results: a mode, a trace, torch.func, torch.compile."""
    c = torch._C
    return bool(
        torch.compiler.is_compiling()
        or c._are_functorch_transforms_active()
        or c._len_torch_dispatch_stack()
        or c._len_torch_function_stack()
        or c._get_tracing_state() is not None
        or forward_ad._current_level >= 0
    )


def plain(tensors: Sequence[Tensor]) -> bool:
    """Whether a kernel may read these as they are: on the cpu, no subclass, no lazy minus or zero."""
    for t in tensors:
        if type(t) not in PLAIN or not t.is_cpu or t.is_neg() or t._is_zerotensor():
            return False
    return True


def recorded(tensors: Sequence[Tensor]) -> bool:
    """Whether autograd records a call with these tensors."""
    return torch.is_grad_enabled() and any(t.requires_grad for t in tensors)


def refuse_tangents(tensors: Sequence[Tensor]) -> None:
    """NotImplementedError where a tensor carries a forward-mode derivative: an operator would drop it."""
    if forward_ad._current_level < 0:
        return
    unpack: Any = forward_ad.unpack_dual
    if any(unpack(t).tangent is not None for t in tensors):
        raise NotImplementedError(
            "the fused kernels have no forward-mode derivative; backend='reference' computes it"
        )


def one_by_one(
    info: Any, dims: Dims, call: Callable[[Tensors], Tensors], tensors: Tensors
) -> tuple[Tensors, list[int]]:
    """One call for each element of the mapped dimension."""
    calls = [
        call([t if d is None else t.select(d, n) for t, d in zip(tensors, dims, strict=True)])
        for n in range(info.batch_size)
    ]
    outputs = [torch.stack(parts) for parts in zip(*calls, strict=True)]
    return outputs, [0] * len(outputs)


def joined(tensor: Tensor, mapped: int | None, N: int, batch: int) -> Tensor:
    """The mapped dimension, or N copies where there is none, made one with dimension `batch` behind it."""
    if mapped is None:
        tensor = tensor.unsqueeze(batch).expand(*tensor.shape[:batch], N, *tensor.shape[batch:])
    else:
        tensor = tensor.movedim(mapped, batch)
    return tensor.flatten(batch, batch + 1)
