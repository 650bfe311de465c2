"""What the operators of heads share: which calls our kernels take, and how an operator is made of the
description of a head (kernels/heads.py), with its gradient.

A kernel writes into arrays that are there already: here they are made, and handed over by name.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.compiler import is_compiling
from torch.fx import Proxy

from unrolled.kernels import dispatch
from unrolled.kernels.compiled import cpu as _cpu
from unrolled.kernels.heads import DOUBLES, INTEGERS, Head, Mold
from unrolled.kernels.torch.call import gradient_of
from unrolled.kernels.torch.native import DTYPES
from unrolled.kernels.torch.operators import Formulas, Gradients, Tensors, by_reference, pulled, transformable

LIBRARY: Any = torch.library.Library("unrolled", "FRAGMENT")  # type: ignore[no-untyped-call]
Arrays = dict[str, Tensor]
DTYPE_OF = dict.fromkeys(INTEGERS, torch.int64) | dict.fromkeys(DOUBLES, torch.float64)  # where it is fixed


def taken(x: Tensor | Proxy) -> bool:
    """Whether our kernels run a call on x; else torch's own operators do, which round in another order.

    Raises ValueError where UNROLLED_BACKEND=cpu names the kernels and they cannot.
    """
    if isinstance(x, Proxy):
        raise TypeError(
            "torch.fx cannot look into a function of unrolled; use a module of unrolled.nn, or give the name "
            "of the function to torch.fx.wrap"
        )
    if exporting_onnx():
        return False
    named = dispatch.named_backend(None)
    if named is None:
        return refusal(x) is None
    dispatch.check_backend(named, dispatch.VARIABLE)
    reason = refusal(x)
    if named == "cpu" and reason is not None:
        raise ValueError(f"{dispatch.VARIABLE}='cpu' cannot run this: {reason}; choose 'reference', or none")
    return named == "cpu"


def exporting_onnx() -> bool:
    """Whether torch.onnx.export, which knows torch's own operators alone, records the call."""
    return (is_compiling() or torch._C._is_tracing()) and _in_onnx_export()


def _in_onnx_export() -> bool:
    return torch.onnx.is_in_onnx_export()


# As torch.compiler.assume_constant_result does, which imports all of dynamo: it takes the answer for False.
_in_onnx_export._dynamo_marked_constant = True  # type: ignore[attr-defined]


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
    return None


def whole(tensor: Tensor) -> Tensor:
    """The tensor in one piece of memory, copied where it is not."""
    return tensor if tensor.is_contiguous() else tensor.contiguous()


class Options(NamedTuple):
    """What an operator takes beside its tensors, in a graph as text."""

    names: tuple[str, ...]  # of the tensors, in order
    setting: str = ""
    wanted: tuple[str, ...] = ()  # of a gradient's operator: the names of its outputs
    packed: Any = None  # packs the weight for its owner, which no graph knows


def _encode(options: Options) -> str:
    return f"{' '.join(options.names)}|{options.setting}|{' '.join(options.wanted)}"


def _decode(text: str) -> Options:
    names, setting, wanted = text.split("|")
    return Options(tuple(names.split()), setting, tuple(wanted.split()))


def _named(options: Options, tensors: Sequence[Tensor]) -> Arrays:
    return dict(zip(options.names, tensors, strict=True))


def _empty(like: Tensor, molds: dict[str, Mold]) -> Arrays:
    """Memory in one piece for each, in the quickest way that torch has."""
    arrays = {}
    for name, mold in molds.items():
        if isinstance(mold, Tensor):
            arrays[name] = torch.empty_like(mold, memory_format=torch.contiguous_format)
        elif name in DTYPE_OF:
            arrays[name] = like.new_empty(mold, dtype=DTYPE_OF[name])
        else:
            arrays[name] = like.new_empty(mold)
    return arrays


def _setting(head: Head, options: Options) -> dict[str, Any]:
    return {head.setting: head.read(options.setting)} if head.setting else {}


def _readable(head: Head, arrays: Arrays) -> Arrays:
    """Copies what the kernel cannot read as it lies in memory."""
    for name, t in arrays.items():
        if not (t.is_contiguous() or (name in head.strided and t.stride(-1) == 1)):
            arrays[name] = t.contiguous()
    return arrays


Operator = Callable[[Any, Tensors], Tensors]
Reference = Callable[..., Sequence[Tensor]]  # the outputs that have a gradient, in torch's own operators
Gradient = Callable[..., Tensor]  # of the one input, from what the gradient's kernel takes


def register(head: Head, reference: Reference, gradient: Gradient | None = None) -> Callable[..., Tensors]:
    """Registers `unrolled::name` and `unrolled::name_backward`, and returns how to call the first: with the
    inputs in order, None for absent ones, and the setting as text.

    `reference` and `gradient` are called by name; the latter where it is not the reference's.
    """
    backward = _Backward(head, reference, gradient).operator() if head.derived else None
    forward = _Forward(head, reference, backward).operator()

    def call(*inputs: Tensor | None, setting: str = "", packed: Any = None) -> Tensors:
        tensors = [t for t in inputs if t is not None]
        names = head.inputs
        if len(tensors) < len(names):
            names = tuple([n for n, t in zip(names, inputs, strict=False) if t is not None])
        return forward(Options(names, setting, (), packed), tensors)

    return call


class _Backward:
    """The gradient of a head, as an operator."""

    def __init__(self, head: Head, reference: Reference, gradient: Gradient | None) -> None:
        self.head, self.head_reference, self.gradient = head, reference, gradient
        self.gradients = [(gradient_of(name), name) for name in head.inputs if name not in INTEGERS]

    def operator(self) -> Operator:
        formulas = *by_reference(self.reference), _encode, _decode, self.batches, self.reference
        return transformable(LIBRARY, f"{self.head.name}_backward", Formulas(self.run, self.fake, *formulas))

    def run(self, options: Options, tensors: Sequence[Tensor]) -> Tensors:
        head, arrays = self.head, _named(options, tensors)
        gradients = self.empty(options, arrays, tensors[0])
        kernel, setting = getattr(_cpu, f"{head.name}_backward"), _setting(head, options)
        kernel(**_readable(head, arrays), **gradients, **setting, threads=torch.get_num_threads())
        return [gradients[name] for name in options.wanted]

    def fake(self, options: Options, tensors: Sequence[Tensor]) -> Tensors:
        gradients = self.empty(options, _named(options, tensors), tensors[0])
        return [gradients[name] for name in options.wanted]

    def empty(self, options: Options, arrays: Arrays, like: Tensor) -> Arrays:
        """Of the wanted gradients and of those that the kernel makes in any case."""
        head = self.head
        gradients = [
            (d, name)
            for d, name in self.gradients
            if d in options.wanted or (name in head.always and name in arrays)
        ]
        return _empty(like, {d: self.mold(name, arrays) for d, name in gradients})

    def mold(self, name: str, arrays: Arrays) -> Mold:
        unkept = self.head.unkept
        return arrays[name] if name in arrays or unkept is None else unkept(**arrays)

    def reference(self, options: Options, tensors: Sequence[Tensor]) -> Tensors:
        """What was not kept is taken for zero, on which no gradient depends."""
        head, arrays, wanted = self.head, _named(options, tensors), options.wanted
        if self.gradient is not None:
            return [self.gradient(**arrays)]
        inputs = [name for name in head.inputs if name in arrays or gradient_of(name) in wanted]
        values = [arrays[n] if n in arrays else tensors[0].new_zeros(self.mold(n, arrays)) for n in inputs]
        needs = [gradient_of(name) in wanted for name in inputs]
        d = [arrays[gradient_of(name)] for name in head.derived if gradient_of(name) in arrays]

        def outputs(values: Tensors) -> Sequence[Tensor]:
            return self.head_reference(**dict(zip(inputs, values, strict=True)), **_setting(head, options))

        return [g for g in pulled(outputs, values, needs, d) if g is not None]

    def batches(self, options: Options) -> tuple[list[int | None], list[int]] | None:
        rows = self.head.rows
        alone = rows and options.wanted == (gradient_of(rows),)
        return ([0 if name in ("dy", "y", rows) else None for name in options.names], [0]) if alone else None


class Kept(NamedTuple):
    """What a call with inputs of some names keeps for its gradient."""

    derived: int  # so many of the outputs have a gradient
    at: list[int]  # places among outputs and inputs
    names: tuple[str, ...]  # of the gradients of outputs, and of what is kept
    gradients: list[str | None]  # of each input, None where it has none


def _kept(head: Head, inputs: Sequence[str], outputs: Sequence[str]) -> Kept:
    derived, both = [name for name in outputs if name in head.derived], [*outputs, *inputs]
    at = [k for k, name in enumerate(both) if name in head.kept]
    names = (*map(gradient_of, derived), *[both[k] for k in at])
    gradients = [None if name in INTEGERS else gradient_of(name) for name in inputs]
    return Kept(len(derived), at, names, gradients)


class _Forward:
    """A head as an operator, whose gradient is another."""

    def __init__(self, head: Head, reference: Reference, backward: Operator | None) -> None:
        self.head, self.head_reference, self.backward = head, reference, backward
        self.kept: dict[tuple[str, ...], Kept] = {}  # by the names of the inputs

    def operator(self) -> Operator:
        formulas = self.run, self.fake, self.save, self.derive, _encode, _decode, self.batches, self.reference
        return transformable(LIBRARY, self.head.name, Formulas(*formulas))

    def run(self, options: Options, tensors: Sequence[Tensor]) -> Tensors:
        head, arrays = self.head, _named(options, tensors)
        outputs = _empty(tensors[0], head.outputs(**arrays))
        kernel = getattr(_cpu, head.name) if options.packed is None else options.packed.forward
        others = outputs if head.of_gradient or not head.setting else outputs | _setting(head, options)
        kernel(**_readable(head, arrays), **others, threads=torch.get_num_threads())
        return list(outputs.values())

    def fake(self, options: Options, tensors: Sequence[Tensor]) -> Tensors:
        return list(_empty(tensors[0], self.head.outputs(**_named(options, tensors))).values())

    def save(self, ctx: Any, options: Options, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        kept = self.kept.get(options.names)
        if kept is None:
            results = list(self.head.outputs(**_named(options, tensors)))
            kept = self.kept[options.names] = _kept(self.head, options.names, results)
        ctx.kept, ctx.setting, both = kept, options.setting, [*outputs, *tensors]
        ctx.save_for_backward(*[both[k] for k in kept.at])
        if len(outputs) > kept.derived:
            ctx.mark_non_differentiable(*outputs[kept.derived :])
        ctx.set_materialize_grads(False)

    def derive(self, ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> Gradients:
        kept: Kept = ctx.kept
        d_outputs = cotangents[: kept.derived]
        like = next((d for d in d_outputs if d is not None), None)
        if like is None or self.backward is None:
            return [None] * len(needs)
        tensors = [*[torch.zeros_like(like) if d is None else d for d in d_outputs], *ctx.saved_tensors]
        names = [name if need else None for name, need in zip(kept.gradients, needs, strict=True)]
        wanted = tuple([name for name in names if name is not None])
        gradients = iter(self.backward(Options(kept.names, ctx.setting, wanted), tensors))
        return [None if name is None else next(gradients) for name in names]

    def reference(self, options: Options, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
        return self.head_reference(**_named(options, tensors), **_setting(self.head, options))

    def batches(self, options: Options) -> tuple[list[int | None], list[int]] | None:
        rows = [0 if name == self.head.rows else None for name in options.names]
        return (rows, [0]) if self.head.rows else None
