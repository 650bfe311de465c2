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

    def operator(self) -> Operator:
        own = *by_reference(self.reference), _encode, _decode, self.batches, self.reference
        return transformable(LIBRARY, f"{self.head.name}_backward", Formulas(self.run, self.fake, *own))

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
        always = [name for name in self.head.always if name in arrays]
        made = [name for name in self.head.inputs if gradient_of(name) in options.wanted or name in always]
        return _empty(like, {gradient_of(name): self.mold(name, arrays) for name in made})

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


class _Forward:
    """A head as an operator, whose gradient is another."""

    def __init__(self, head: Head, reference: Reference, backward: Operator | None) -> None:
        self.head, self.head_reference, self.backward = head, reference, backward

    def operator(self) -> Operator:
        own = self.run, self.fake, self.save, self.derive, _encode, _decode, self.batches, self.reference
        return transformable(LIBRARY, self.head.name, Formulas(*own))

    def run(self, options: Options, tensors: Sequence[Tensor]) -> Tensors:
        head, arrays = self.head, _named(options, tensors)
        outputs = _empty(tensors[0], head.outputs(**arrays))
        setting = {} if head.of_gradient else _setting(head, options)
        kernel = getattr(_cpu, head.name) if options.packed is None else options.packed.forward
        kernel(**_readable(head, arrays), **outputs, **setting, threads=torch.get_num_threads())
        return list(outputs.values())

    def fake(self, options: Options, tensors: Sequence[Tensor]) -> Tensors:
        return list(_empty(tensors[0], self.head.outputs(**_named(options, tensors))).values())

    def save(self, ctx: Any, options: Options, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        arrays = _named(options, tensors)
        results = dict(zip(self.head.outputs(**arrays), outputs, strict=True))
        derived = [name for name in results if name in self.head.derived]
        kept = {name: t for name, t in (results | arrays).items() if name in self.head.kept}
        ctx.names, ctx.derived = list(arrays), len(derived)
        ctx.options = Options((*map(gradient_of, derived), *kept), options.setting)
        ctx.save_for_backward(*kept.values())
        ctx.mark_non_differentiable(*outputs[len(derived) :])
        ctx.set_materialize_grads(False)

    def derive(self, ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> Gradients:
        given = cotangents[: ctx.derived]
        some = next((d for d in given if d is not None), None)
        if some is None or self.backward is None:
            return [None] * len(needs)
        named = zip(ctx.names, needs, strict=True)
        wanted = [gradient_of(name) for name, need in named if need and name not in INTEGERS]
        tensors = [*[torch.zeros_like(some) if d is None else d for d in given], *ctx.saved_tensors]
        gradients = self.backward(ctx.options._replace(wanted=tuple(wanted)), tensors)
        by_name = dict(zip(wanted, gradients, strict=True))
        return [by_name.get(gradient_of(name)) for name in ctx.names]

    def reference(self, options: Options, tensors: Sequence[Tensor]) -> Sequence[Tensor]:
        return self.head_reference(**_named(options, tensors), **_setting(self.head, options))

    def batches(self, options: Options) -> tuple[list[int | None], list[int]] | None:
        rows = [0 if name == self.head.rows else None for name in options.names]
        return (rows, [0]) if self.head.rows else None
