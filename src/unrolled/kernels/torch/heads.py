"""What the operators of heads share: which calls our kernels take, and how an operator is made with its
gradient.

A kernel writes into arrays that are there already, so an operator says what its outputs look like (`empty`)
and fills them (`fill`), and so it does with its gradients, of which a call wants some. Shapes and dtypes are
checked where the arrays are read, by the compiled module.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unrolled.kernels import dispatch
from unrolled.kernels.torch.operators import Formulas, Gradients, Tensors, by_reference, pulled, transformable

DTYPES = {torch.float32: "float32", torch.float64: "float64"}
LIBRARY: Any = torch.library.Library("unrolled", "FRAGMENT")  # type: ignore[no-untyped-call]


def taken(x: Tensor) -> bool:
    """Whether our kernels run a call on x; else torch's own operators do, which round in another order.

    Raises ValueError where UNROLLED_BACKEND=cpu names the kernels and they cannot.
    """
    named = dispatch.named_backend(None)
    if named is None:
        return refusal(x) is None
    dispatch.check_backend(named, dispatch.VARIABLE)
    reason = refusal(x)
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
    return None


def whole(tensor: Tensor) -> Tensor:
    """The tensor in one piece of memory, copied where it is not."""
    return tensor if tensor.is_contiguous() else tensor.contiguous()


def adjacent(tensor: Tensor) -> Tensor:
    """The tensor, copied where the numbers of its last dimension do not stand side by side."""
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def padded(tensors: Sequence[Tensor | None], count: int) -> list[Tensor | None]:
    """The tensors, and None for those of `count` that are not there."""
    return [*tensors, *[None] * (count - len(tensors))]


def empty_like(options: Any, tensors: Sequence[Tensor]) -> Tensors:
    """One output of the shape of the first tensor."""
    return [torch.empty_like(tensors[0], memory_format=torch.contiguous_format)]


Shapes = list[tuple[int, ...] | None]
Batches = Callable[[Any], tuple[list[int | None], list[int]] | None]


def no_batches(options: Any) -> None:
    """Of an operator that takes no batch of batches."""


class Head(NamedTuple):
    """An operator and its gradient. Options are text, unless `encode` and `decode` say otherwise."""

    empty: Callable[[Any, Sequence[Tensor]], Tensors]  # the outputs
    fill: Callable[[Any, Sequence[Tensor], Tensors], None]
    keep: Callable[[Any, Sequence[Tensor], Sequence[Tensor]], Sequence[Tensor]]
    # of tensors and outputs what the gradient is made from: `extra` ones, then the tensors, or others alone
    shapes: Callable[[Any, Tensors], Shapes]
    # those of the gradients of the tensors, None where there is none; of [*gradients of outputs, *kept]
    fill_gradients: Callable[[Any, Tensors, Gradients], None]
    reference: Callable[[Any, Sequence[Tensor]], Sequence[Tensor]]
    # the first outputs, as many as have a derivative, in torch's own operators
    reference_gradients: Callable[[Any, Tensors, Sequence[bool]], Sequence[Tensor | None]] | None = None
    # where they are not those of `reference`, or `keep` does not keep the tensors; and which are wanted
    extra: int = 0
    outputs: int = 1  # how many have a derivative
    some: bool = False  # whether fill_gradients takes None for gradients that are not wanted
    batches: Batches = no_batches
    batches_of_gradients: Batches = no_batches  # where the gradient of the first tensor alone is wanted
    encode: Callable[[Any], str] = str
    decode: Callable[[str], Any] = str


def register(name: str, head: Head) -> Callable[[Any, Tensors], Tensors]:
    """Registers `unrolled::name` and `unrolled::name_backward`, and returns how to call the first.

    The options of the second are those of the first and a letter for each tensor: 1 where its gradient
    is wanted.
    """

    def run(options: Any, tensors: Sequence[Tensor]) -> Tensors:
        outputs = head.empty(options, tensors)
        head.fill(options, tensors, outputs)
        return outputs

    def save(ctx: Any, options: Any, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        ctx.options = options
        ctx.save_for_backward(*head.keep(options, tensors, outputs))
        if len(outputs) > head.outputs:
            ctx.mark_non_differentiable(*outputs[head.outputs :])
        ctx.set_materialize_grads(False)

    def derive(ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> Gradients:
        some = next((d for d in cotangents[: head.outputs] if d is not None), None)
        if some is None:
            return [None] * len(needs)
        given = [torch.zeros_like(some) if d is None else d for d in cotangents[: head.outputs]]
        tensors = [*given, *ctx.saved_tensors]
        shapes = head.shapes(ctx.options, tensors)
        wanted = "".join(
            ["01"[need and shape is not None] for shape, need in zip(shapes, needs, strict=True)]
        )
        found = iter(backward((ctx.options, wanted), tensors))
        return [next(found) if letter == "1" else None for letter in wanted]

    def empty_gradients(options: tuple[Any, str], tensors: Sequence[Tensor]) -> Gradients:
        shapes = zip(head.shapes(options[0], list(tensors)), options[1], strict=True)
        return [
            None if shape is None or (head.some and letter == "0") else tensors[0].new_empty(shape)
            for shape, letter in shapes
        ]

    def chosen(options: tuple[Any, str], gradients: Sequence[Tensor | None]) -> Tensors:
        own = zip(gradients, options[1], strict=True)
        return [g for g, letter in own if g is not None and letter == "1"]

    def fake_gradients(options: tuple[Any, str], tensors: Sequence[Tensor]) -> Tensors:
        return chosen(options, empty_gradients(options, tensors))

    def run_gradients(options: tuple[Any, str], tensors: Sequence[Tensor]) -> Tensors:
        gradients = empty_gradients(options, tensors)
        head.fill_gradients(options[0], list(tensors), gradients)
        return chosen(options, gradients)

    def reference_gradients(options: tuple[Any, str], tensors: Sequence[Tensor]) -> Tensors:
        needs = [letter == "1" for letter in options[1]]
        if head.reference_gradients is not None:
            return chosen(options, head.reference_gradients(options[0], list(tensors), needs))
        d, inputs = tensors[: head.outputs], tensors[head.outputs + head.extra :]
        return chosen(options, pulled(lambda inputs: head.reference(options[0], inputs), inputs, needs, d))

    def batches_of_gradients(options: tuple[Any, str]) -> tuple[list[int | None], list[int]] | None:
        return head.batches_of_gradients(options[0]) if "1" not in options[1][1:] else None

    def decode(text: str) -> tuple[Any, str]:
        options, wanted = text.rsplit("|", 1)
        return head.decode(options), wanted

    forward = transformable(
        LIBRARY,
        name,
        Formulas(run, head.empty, save, derive, head.encode, head.decode, head.batches, head.reference),
    )
    backward = transformable(
        LIBRARY,
        f"{name}_backward",
        Formulas(
            run_gradients,
            fake_gradients,
            *by_reference(reference_gradients),
            lambda options: f"{head.encode(options[0])}|{options[1]}",
            decode,
            batches_of_gradients,
            reference_gradients,
        ),
    )
    return forward
