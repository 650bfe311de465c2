"""The fused kernels as torch operators: `unrolled::recurrence` and `unrolled::recurrence_backward`.

One call runs one layer of any cell, in one direction or both, over the whole sequence. Equations: cells/.
The operators pass torch.compile, torch.export, vmap and torch.func. The first derivative is the kernel's;
second ones and higher are those of the reference's gradient, and cost what the reference costs.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.func import vjp

from unrolled.cells import Call, Masks, Result
from unrolled.cells.loop import unroll
from unrolled.kernels.torch import form as forms
from unrolled.kernels.torch import native, openmp
from unrolled.kernels.torch.form import Form, Inputs, Outputs, Request, Side
from unrolled.kernels.torch.operators import Formulas, recorded, refuse_tangents, transformable

DIFFERENTIABLE = frozenset(
    {"x", "state", "parameter"}
)  # kinds of tensors whose gradients backward gives, in order
BATCH = {"x": 1, "lengths": 0, "state": 0, "parameter": None, "mask": 1}  # the dimension of the rows

openmp.share()


def recurrence(calls: Sequence[Call]) -> Result:
    """One layer, in one direction or both: calls of one cell, x and lengths. Results stand side by side.

    x (T, B, I) -> y (T, B, P of all directions), the last states (B, P or H), direction by direction, and
    every step's (T, B, P or H) likewise. Past a row's length x is not read, y and states are zero; the last
    state is that after its last valid step. A gradient reaches x, states and parameters.

    ValueError for shapes, dtypes, devices or lengths that do not fit, NotImplementedError for forward-mode
    derivatives.
    """
    first = calls[0]
    if first.x.device.type != "cpu":
        raise ValueError(f"the compiled kernels run on the cpu, not on {first.x.device}")
    inputs = Inputs(first.x, first.lengths, tuple([_side(call) for call in calls]))
    tensors = inputs.flat()
    refuse_tangents(tensors)
    form = Form(
        first.cell,
        tuple([call.reverse for call in calls]),
        tuple(first.parameters),
        _mask_names(first.masks),
        first.lengths is not None,
        first.return_states,
        _leaves_trace(tensors),
        first.keep_every,
    )
    outputs = forms.outputs_of(form, _recurrence(form, tensors))
    states = _every(inputs, outputs) if first.return_states else None
    return Result(outputs.y, tuple(outputs.last), states)


def _side(call: Call) -> Side:
    return Side(call.state, tuple(call.parameters.values()), _masks(call))


def _masks(call: Call) -> tuple[Tensor, ...]:
    """The masks as the kernels take them: what h is multiplied by, and the share of each state that stays."""
    recurrent, zoneout = call.masks
    if recurrent is None and zoneout is None:
        return ()
    masks: tuple[Tensor, ...] = () if recurrent is None else (recurrent,)
    T, B, _ = call.x.shape
    for share, state in zip(zoneout or (), call.state, strict=False):
        if isinstance(share, float):
            share = state.new_full((1, 1, 1), share)
        masks += (share.to(state.dtype).expand(T, B, state.shape[-1]),)
    if any(mask.requires_grad for mask in masks):
        raise ValueError("the compiled kernels give masks no gradient; choose backend='reference'")
    return masks


def _mask_names(masks: Masks) -> tuple[str, ...]:
    names = () if masks.recurrent is None else ("recurrent",)
    return names if masks.zoneout is None else names + ("zoneout_h", "zoneout_c")[: len(masks.zoneout)]


def _leaves_trace(tensors: Sequence[Tensor]) -> bool:
    """Whether a call leaves something for backward, which else runs the call once more.

    It does not in an exported program, nor under torch.func, where part of a trace is no trace.
    """
    if torch.compiler.is_compiling():
        return recorded(tensors) and not torch.compiler.is_exporting()
    return recorded(tensors) and not torch._C._are_functorch_transforms_active()


def _every(inputs: Inputs, outputs: Outputs) -> tuple[Tensor, ...]:
    """Every step's states, direction by direction."""
    hs = torch.split(outputs.y, [side.state[0].shape[-1] for side in inputs.sides], -1)
    if not outputs.states:
        return tuple(hs)
    return tuple(state for pair in zip(hs, outputs.states, strict=True) for state in pair)


# Derivatives.


def _save(ctx: Any, form: Form, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    parts = forms.outputs_of(form, outputs)
    ctx.form = form
    ctx.save_for_backward(*tensors, parts.y, *parts.traces)
    ctx.mark_non_differentiable(*parts.traces)
    ctx.set_materialize_grads(False)


def _derive(ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> list[Tensor | None]:
    form: Form = ctx.form
    given = cotangents[: len(cotangents) - form.trace * len(form.reverse)]
    kinds = forms.kinds(form)
    wants_parameters = any(need and kind == "parameter" for need, kind in zip(needs, kinds, strict=True))
    request = Request(form, tuple([g is not None for g in given]), needs[0], wants_parameters)
    tensors = [*ctx.saved_tensors, *[g for g in given if g is not None]]
    gradients = iter(recurrence_backward(request, tensors))
    found = [next(gradients) if kind in DIFFERENTIABLE else None for kind in kinds]
    return [gradient if need else None for gradient, need in zip(found, needs, strict=True)]


def _save_again(ctx: Any, request: Request, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    ctx.request = request
    ctx.save_for_backward(*tensors)


def _derive_again(
    ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """y is taken for what it is, a function of the inputs: it gets no gradient of its own."""
    request: Request = ctx.request
    form, tensors = request.form, list(ctx.saved_tensors)
    n = forms.count(form)
    places = [place for place, kind in enumerate(forms.kinds(form)) if kind in DIFFERENTIABLE]
    own = [*form.carried * [True], *len(form.names) * [request.wants_parameters]]
    wanted = [request.wants_x, *own * len(form.reverse)]
    end = n + 1 + form.trace * len(form.reverse)

    def reference(*leaves: Tensor) -> tuple[Tensor, ...]:
        inputs = tensors[:n]
        for place, leaf in zip(places, leaves, strict=True):
            inputs[place] = leaf
        return _reference(form, forms.inputs_of(form, inputs))

    def chosen(gradients: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(g for g, want in zip(gradients, wanted, strict=True) if want)

    def gradient(given: tuple[Tensor, ...], leaves: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        outputs, pull = vjp(reference, *leaves)[:2]
        rest = iter(given)
        filled = zip(outputs, request.given, strict=True)
        return chosen(pull(tuple(next(rest) if there else torch.zeros_like(o) for o, there in filled)))

    with torch.autocast(
        tensors[0].device.type, enabled=False
    ):  # as the first derivative, in the weights' dtype
        pull = vjp(gradient, tuple(tensors[end:]), tuple(tensors[place] for place in places))[1]
        d_given, d_leaves = pull(chosen(cotangents))
    found: list[Tensor | None] = [None] * end
    for place, d_leaf in zip(places, d_leaves, strict=True):
        found[place] = d_leaf
    return [*found, *d_given]


def _reference(form: Form, inputs: Inputs) -> tuple[Tensor, ...]:
    """The differentiable outputs of a call, through the equations in cells/."""
    results = []
    for reverse, side in zip(form.reverse, inputs.sides, strict=True):
        masks = dict(zip(form.masks, side.masks, strict=True))
        zoneout = tuple(mask for name, mask in masks.items() if name != "recurrent")
        drawn = Masks(masks.get("recurrent"), zoneout or None)
        parameters = dict(zip(form.names, side.parameters, strict=True))
        state = tuple(side.state)
        call = Call(form.cell, inputs.x, state, parameters, inputs.lengths, drawn, reverse, form.states)
        results.append(unroll(call))
    y = torch.cat([result.y for result in results], -1)
    last = [state for result in results for state in result.last]
    return (y, *last, *(c for result in results for c in (result.states or ())[1:]))


def _batches(form: Form) -> tuple[list[int | None], list[int]] | None:
    if form.trace:
        return None
    D = len(form.reverse)
    own = [BATCH[kind] for kind in forms.kinds(form)]
    return own, [1, *[0] * form.carried * D, *[1] * D * form.gives_c]


_LIBRARY: Any = torch.library.Library("unrolled", "FRAGMENT")  # type: ignore[no-untyped-call]
_recurrence = transformable(
    _LIBRARY,
    "recurrence",
    Formulas(native.forward, native.forward_fake, _save, _derive, forms.encode, forms.decode, _batches),
)
recurrence_backward = transformable(
    _LIBRARY,
    "recurrence_backward",
    Formulas(
        native.backward,
        native.backward_fake,
        _save_again,
        _derive_again,
        forms.encode,
        forms.decode_request,
        lambda request: None,
    ),
)
