"""Operators of our own under torch's transforms: derivatives to any order, vmap, torch.func, compile, export.

An operator takes a list of tensors and options, all that is no tensor, and gives a list of tensors. A call
goes one of four ways, the first that fits:

    an operator of torch's library   compile, export, jit.trace, modes, tensors that no kernel can read
    Transformed, a Function          torch.func, forward-mode derivatives
    Recorded, a shorter Function     a gradient is recorded
    the kernel itself                else

All are made from the same formulas. Where torch batches tensors beneath Python (jacobian with vectorize,
is_grads_batched), the batch is unwrapped first.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.compiler import is_compiling
from torch.func import vjp

from unrolled.kernels.compiled import cpu as _cpu

Tensors = list[Tensor]
Gradients = list[Tensor | None]
Dims = Sequence[int | None]  # which dimension of each tensor vmap maps over
_c: Any = torch._C
_unpack: Any = forward_ad.unpack_dual


class Formulas(NamedTuple):
    """What an operator is. Options are any object that `encode` makes a string of and `decode` restores."""

    run: Callable[[Any, Sequence[Tensor]], Tensors]  # the kernel: options, tensors -> outputs
    fake: Callable[[Any, Sequence[Tensor]], Tensors]  # the outputs' shapes
    save: Callable[[Any, Any, Sequence[Tensor], Sequence[Tensor]], None]  # context, options, both
    derive: Callable[[Any, Sequence[bool], Sequence[Tensor | None]], Gradients]
    # context, which tensors need a gradient, gradients of the outputs -> those of the tensors
    encode: Callable[[Any], str]
    decode: Callable[[str], Any]
    batches: Callable[[Any], tuple[list[int | None], list[int]] | None]
    # options -> the dimension of the batch in each tensor (None: it has none) and in each output; None where
    # a batch of batches is no batch
    reference: Callable[[Any, Sequence[Tensor]], Sequence[Tensor]] | None = None
    # the outputs that have a derivative, which are the first ones, in torch's own operators


Call = Callable[[Any, Tensors], Tensors]
Fold = Callable[[Dims, Any, Sequence[Tensor]], tuple[Tensors, list[int]]]


def transformable(library: Any, name: str, formulas: Formulas) -> Call:
    """Registers `unrolled::name` and returns how to call it, whatever transform is at work."""
    library.define(f"{name}(Tensor[] tensors, str options) -> Tensor[]")
    operator = getattr(torch.ops.unrolled, name).default
    run, encode, record = formulas.run, formulas.encode, applier(recorder(formulas))

    def call(options: Any, tensors: Tensors) -> Tensors:
        if is_compiling() or not ordinary(tensors):
            return transformed(options, tensors)
        return list(record(options, *tensors)) if recorded(tensors) else run(options, tensors)

    def transformed(options: Any, tensors: Tensors) -> Tensors:
        if not is_compiling():
            if _c._are_functorch_transforms_active() or differentiates_forward():
                return list(function.apply(encode(options), *tensors))
            level, dims = batched(tensors)
            if level:
                batches = zip(tensors, dims, strict=True)
                inner = [t if d is None else torch._remove_batch_dim(t, level, 0, 0) for t, d in batches]
                outputs, places = fold(dims, options, inner)
                return [torch._add_batch_dim(o, d, level) for o, d in zip(outputs, places, strict=True)]
        return list(operator(tensors, encode(options)))

    fold = folder(formulas, call)
    function: Any = transformer(formulas, call, fold)
    implement(library, name, formulas, fold)
    return call


def folder(formulas: Formulas, call: Call) -> Fold:
    """vmap: one call for all elements of the mapped dimension where it can join the batch, else one each."""

    def fold(dims: Dims, options: Any, tensors: Sequence[Tensor]) -> tuple[Tensors, list[int]]:
        N = next(t.shape[d] for t, d in zip(tensors, dims, strict=True) if d is not None)
        known = formulas.batches(options)
        if known is None or any(d is not None and b is None for d, b in zip(dims, known[0], strict=True)):
            return one_by_one(N, dims, lambda element: call(options, element), tensors)
        places = zip(tensors, dims, known[0], strict=True)
        outputs = call(options, [t if b is None else joined(t, d, N, b) for t, d, b in places])
        return [torch.unflatten(o, b, (N, -1)) for o, b in zip(outputs, known[1], strict=True)], known[1]

    return fold


def recorder(formulas: Formulas) -> type[torch.autograd.Function]:
    """The Function of a call that is recorded. It has no setup_context: with one, torch inspects forward's
    signature at each call."""
    run, _, save, derive, *_ = formulas

    class Recorded(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, options: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
            outputs = tuple(run(options, tensors))
            save(ctx, options, tensors, outputs)
            return outputs

        @staticmethod
        def backward(ctx: Any, *cotangents: Tensor | None) -> Any:
            return None, *derive(ctx, ctx.needs_input_grad[1:], cotangents)

    return Recorded


def transformer(formulas: Formulas, call: Call, fold: Fold) -> type[torch.autograd.Function]:
    """The Function of a call under torch.func. Its options are text, which torch compares."""
    decode, reference = formulas.decode, formulas.reference

    class Transformed(torch.autograd.Function):
        backward = recorder(formulas).backward

        @staticmethod
        def forward(text: str, *tensors: Tensor) -> tuple[Tensor, ...]:
            return tuple(call(decode(text), list(tensors)))

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
            ctx.text, ctx.outputs = inputs[0], len(output)
            ctx.save_for_forward(*inputs[1:])
            formulas.save(ctx, decode(ctx.text), inputs[1:], output)

        @staticmethod
        def jvp(ctx: Any, _: None, *tangents: Tensor | None) -> Any:
            if reference is None:
                raise NotImplementedError(
                    "the fused kernels have no forward-mode derivative; backend='reference' computes it"
                )
            options = decode(ctx.text)
            d_outputs = pushed(lambda tensors: reference(options, tensors), ctx.saved_tensors, tangents)
            return *d_outputs, *[None] * (ctx.outputs - len(d_outputs))

        @staticmethod
        def vmap(info: Any, dims: tuple[int | None, ...], text: str, *tensors: Tensor) -> Any:
            outputs, places = fold(dims[1:], decode(text), tensors)
            return tuple(outputs), tuple(places)

    return Transformed


def implement(library: Any, name: str, formulas: Formulas, fold: Fold) -> None:
    """What torch's library is told of `unrolled::name`."""
    run, fake, save, derive, _, decode = formulas[:6]

    def setup_context(ctx: Any, inputs: tuple[Tensors, str], output: Tensors) -> None:
        save(ctx, decode(inputs[1]), inputs[0], output)

    def backward(ctx: Any, cotangents: Sequence[Tensor | None]) -> tuple[Gradients, None]:
        return derive(ctx, ctx.needs_input_grad[0], cotangents), None

    def vmap(info: Any, dims: tuple[Dims, None], tensors: Tensors, text: str) -> Any:
        return fold(dims[0], decode(text), tensors)

    qualified = f"unrolled::{name}"
    library.impl(name, lambda tensors, text: run(decode(text), tensors), "CPU")
    torch.library.register_fake(qualified, lambda tensors, text: fake(decode(text), tensors), lib=library)
    torch.library.register_autograd(qualified, backward, setup_context=setup_context, lib=library)
    torch.library.register_vmap(qualified, vmap, lib=library)


def applier(function: type[torch.autograd.Function]) -> Callable[..., tuple[Tensor, ...]]:
    """What function.apply comes to where no transform of torch.func is at work and there is no setup_context:
    the look for either takes 4 µs a call."""
    parent: Any = super(torch.autograd.Function, function)
    directly: Callable[..., tuple[Tensor, ...]] = parent.apply
    return directly


# What is at work.


def ordinary(tensors: Tensors) -> bool:
    """Whether torch wants results, and a kernel may read these tensors as they are."""
    return not (
        _c._are_functorch_transforms_active()
        or _c._len_torch_dispatch_stack()
        or _c._len_torch_function_stack()
        or _c._get_tracing_state() is not None
        or forward_ad._current_level >= 0
        or batching()
    ) and _cpu.readable(tensors)


def recorded(tensors: Sequence[Tensor]) -> bool:
    """Whether autograd records a call with these tensors."""
    if torch.is_grad_enabled():
        for t in tensors:
            if t.requires_grad:
                return True
    return False


def differentiates_forward() -> bool:
    """Whether tensors may carry a forward-mode derivative, and torch has not set it aside."""
    return forward_ad._current_level >= 0 and _c._is_fwd_grad_enabled()


# Batches.


def batching() -> int:
    """How many levels of torch._vmap_internals, which autograd uses, are at work."""
    _c._vmapmode_increment_nesting()
    level: int = _c._vmapmode_decrement_nesting()
    return level


def batched(tensors: Sequence[Tensor]) -> tuple[int, list[int | None]]:
    """The innermost level at which torch._vmap_internals, which autograd uses, batches one of these tensors,
    and the dimension of the batch of each once it is removed; level 0: none is."""
    for k in range(batching(), 0, -1):
        sizes = [torch._remove_batch_dim(t, k, 0, 0).shape[0] for t in tensors]  # 0 where it is no batch
        if any(sizes):
            return k, [0 if size else None for size in sizes]
    return 0, []


def one_by_one(
    N: int, dims: Dims, call: Callable[[Tensors], Tensors], tensors: Sequence[Tensor]
) -> tuple[Tensors, list[int]]:
    """One call for each of the N elements of the mapped dimension."""
    calls = [
        call([t if d is None else t.select(d, n) for t, d in zip(tensors, dims, strict=True)])
        for n in range(N)
    ]
    outputs = [torch.stack(elements) for elements in zip(*calls, strict=True)]
    return outputs, [0] * len(outputs)


def joined(tensor: Tensor, mapped: int | None, N: int, batch: int) -> Tensor:
    """The mapped dimension, or N copies where there is none, made one with dimension `batch` behind it."""
    if mapped is None:
        tensor = tensor.unsqueeze(batch).expand(*tensor.shape[:batch], N, *tensor.shape[batch:])
    else:
        tensor = tensor.movedim(mapped, batch)
    return tensor.flatten(batch, batch + 1)


# Derivatives of the reference.


Run = Callable[[Tensors], Sequence[Tensor]]


def of_leaves(run: Run, tensors: Sequence[Tensor], at: Sequence[int]) -> Callable[..., tuple[Tensor, ...]]:
    """`run` as a function of the tensors at these places."""

    def function(*leaves: Tensor) -> tuple[Tensor, ...]:
        filled = list(tensors)
        for k, leaf in zip(at, leaves, strict=True):
            filled[k] = leaf
        return tuple(run(filled))

    return function


def pulled(
    run: Run, tensors: Sequence[Tensor], needs: Sequence[bool], u: Sequence[Tensor | None]
) -> Gradients:
    """uᵀ J: gradients of the tensors that need one, from those of the outputs of `run`; None is zero."""
    at = [k for k, need in enumerate(needs) if need]
    with torch.autocast(tensors[0].device.type, enabled=False):  # as the kernels, in the tensors' dtype
        outputs, pull = vjp(of_leaves(run, tensors, at), *[tensors[k] for k in at])[:2]
        filled = [torch.zeros_like(o) if d is None else d for o, d in zip(outputs, u, strict=False)]
        gradients = dict(zip(at, pull(tuple(filled)), strict=True))
    return [gradients.get(k) for k in range(len(tensors))]


def pushed(run: Run, tensors: Sequence[Tensor], tangents: Sequence[Tensor | None]) -> tuple[Tensor, ...]:
    """J t: u ↦ uᵀ J is linear, so its own gradient along t. Torch switches forward mode off meanwhile, which
    an outer level of it still needs; of this level the tensors must be rid instead."""
    with forward_ad._set_fwd_grad_enabled(True), torch.autocast(tensors[0].device.type, enabled=False):
        primals = [_unpack(t, level=0).primal for t in tensors]
        at = [k for k, t in enumerate(tangents) if t is not None]
        outputs, pull = vjp(of_leaves(run, primals, at), *[primals[k] for k in at])[:2]
        zeros = tuple(torch.zeros_like(o) for o in outputs)
        (tangents_out,) = vjp(pull, zeros)[1](tuple(tangents[k] for k in at))
    return tuple(tangents_out)


def by_reference(reference: Callable[[Any, Tensors], Sequence[Tensor]]) -> tuple[Any, Any]:
    """`save` and `derive` of an operator whose gradient is that of its reference."""

    def save(ctx: Any, options: Any, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        ctx.options = options
        ctx.save_for_backward(*tensors)

    def derive(ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> Gradients:
        return pulled(lambda tensors: reference(ctx.options, tensors), ctx.saved_tensors, needs, cotangents)

    return save, derive
