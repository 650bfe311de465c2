"""The compiled kernels as torch operators: `unrolled::recurrence` and `unrolled::recurrence_backward`.

One call runs layers of any cell on top of one another, in one direction or both, over the whole sequence.
Equations: cells/. The operators pass torch.compile, torch.export, vmap and torch.func. The first derivative
is the kernel's; second ones and higher are those of the reference's gradient, at the reference's cost.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from unrolled.cells import Call, Masks, Result
from unrolled.cells.loop import unroll
from unrolled.kernels import dispatch
from unrolled.kernels.torch import call as calls
from unrolled.kernels.torch import native, openmp
from unrolled.kernels.torch.call import Plan, Pull
from unrolled.kernels.torch.operators import Formulas, by_reference, pulled, transformable

ROWS = {"x": 1, "lengths": 0, "weights": None}  # the dimension of the rows; of all other tensors it is 1
ROWS_OF_STEP = {"x": 0, "h0": 0, "c0": 0, "h": 0, "c": 0, "weights": None}

if dispatch.MISSING is None:
    openmp.share()


def by_places(plan: Plan, tensors: Sequence[Tensor], run: Callable[[Call], Result]) -> list[Tensor]:
    """The results of a call, place by place through `run`: by the equations, or by torch's operators."""
    form, inputs = plan.form, plan.inputs.named(tensors)
    x, lengths = inputs["x"].unsqueeze(0) if form.step else inputs["x"], inputs.get("lengths")
    before = _states_before(plan, inputs)
    if plan.packed:
        sizes, (B, _) = inputs["batch_sizes"].to(x.device), before[0][0].shape
        where = calls.steps_and_rows(sizes, x)
        x = x.new_zeros(len(sizes), B, x.shape[-1]).index_put(where, x)
        lengths = (sizes.unsqueeze(-1) > torch.arange(B, device=x.device)).sum(0)
    last: list[tuple[Tensor, ...]] = []
    every_c: list[Tensor] = []
    D, n = len(form.reverse), len(form.names)
    for layer in range(form.layers):
        results = []
        for place, reverse in enumerate(form.reverse, layer * D):
            parameters = dict(zip(form.names, inputs["weights"][place * n : place * n + n], strict=True))
            masks = _masks(plan, inputs, place)
            call = Call(
                form.cell, x, before[place], parameters, lengths, masks, reverse, form.states, form.every
            )
            results.append(run(call))
        x = results[0].y if D == 1 else torch.cat([result.y for result in results], -1)
        last += [result.last for result in results]
        every_c += [state for result in results for state in (result.states or ())[1:]]
    after = [state for kind in zip(*last, strict=True) for state in _grouped(plan, kind)]
    if plan.packed:
        x, every_c = x[where], [c[where] for c in every_c]
    return after if form.step else [x, *after, *every_c]


def _states_before(plan: Plan, inputs: dict[str, Any]) -> list[tuple[Tensor, ...]]:
    """Those of each place, (B, P or H)."""
    form, x = plan.form, inputs["x"]
    if not form.initial:
        B = x.shape[0 if form.step else 1]
        sizes = calls.sizes_of(form, inputs["weights"])
        widths_of = [(s.P, s.H)[: len(form.kinds)] for s in sizes]
        return [tuple(x.new_zeros(B, size) for size in widths) for widths in widths_of]
    kinds = [inputs[f"{kind}0"] for kind in form.kinds]
    if form.step:
        return [tuple(kind[0] for kind in kinds)]
    return list(zip(*[[s for group in kind for s in group.unbind()] for kind in kinds], strict=True))


def _grouped(plan: Plan, states: Sequence[Tensor]) -> list[Tensor]:
    """The states of one kind, of every place, as the call gives them."""
    if plan.form.step:
        return [states[0]]
    rest = iter(states)
    return [torch.stack([next(rest) for _ in range(n)]) for n in plan.form.groups]


def _masks(plan: Plan, inputs: dict[str, Any], place: int) -> Masks:
    masks = {mask: inputs[mask][place] for mask in plan.form.masks}
    zoneout = tuple(mask for name, mask in masks.items() if name != "recurrent")
    return Masks(masks.get("recurrent"), zoneout or None)


# Derivatives.


def _save(ctx: Any, plan: Plan, tensors: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
    ctx.plan = plan
    ctx.save_for_backward(*tensors, outputs[0], *outputs[plan.last_result :])
    if plan.form.trace:
        ctx.mark_non_differentiable(outputs[-1])
    ctx.set_materialize_grads(False)


def _derive(ctx: Any, needs: Sequence[bool], cotangents: Sequence[Tensor | None]) -> list[Tensor | None]:
    plan: Plan = ctx.plan
    n, saved, d_results = len(needs), ctx.saved_tensors, cotangents[: plan.last_result]
    pull = plan.pull(tuple([d is not None for d in d_results]), tuple(needs))
    if torch.is_grad_enabled():  # what the call left has no gradient of its own: _reference_pull
        saved = [*saved[:n], *[t.detach() for t in saved[n:]]]
    d_given = [d for d in d_results if d is not None]
    if len(d_given) < len(pull.from_results):
        d_given = _with_zeros(pull, saved, d_results)
    gradients: list[Tensor | None] = [None] * n
    for k, d in zip(pull.to_inputs, recurrence_backward(pull, [*saved, *d_given]), strict=True):
        if needs[k]:
            gradients[k] = d
    return gradients


def _with_zeros(pull: Pull, saved: Sequence[Tensor], d_results: Sequence[Tensor | None]) -> list[Tensor]:
    """The gradients that a pull takes: zero for those tensors of a name that have none."""
    plan = pull.plan
    sizes = calls.sizes_of(plan.form, saved[plan.inputs.slice("weights")])
    shapes = calls.shapes(plan, saved, sizes, 0)
    some = [(d_results[k], shapes[k]) for k in pull.from_results]
    return [saved[0].new_zeros(shape) if d is None else d for d, shape in some]


def _reference(plan: Plan, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The results, by the equations."""
    return by_places(plan, tensors, unroll)


def _reference_pull(pull: Pull, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The gradients, by the equations: y and what the call left are functions of the inputs."""
    plan = pull.plan
    n, m = len(plan.inputs), len(pull.from_results)
    cotangents = dict(zip(pull.from_results, tensors[len(tensors) - m :], strict=True))
    d_results = [cotangents.get(k) for k in range(len(plan.results))]
    needs = [k in pull.to_inputs for k in range(n)]
    gradients = pulled(lambda inputs: _reference(plan, inputs), tensors[:n], needs, d_results)
    return [d for d in (gradients[k] for k in pull.to_inputs) if d is not None]


def _rows(plan: Plan) -> tuple[list[int | None], list[int]] | None:
    form = plan.form
    if form.trace or plan.packed:
        return None
    rows = ROWS_OF_STEP if form.step else ROWS
    dims: list[int | None] = [rows.get(name, 1) for name in plan.inputs.each]
    return dims, [0 if form.step else 1] * len(plan.results)


_LIBRARY: Any = torch.library.Library("unrolled", "FRAGMENT")  # type: ignore[no-untyped-call]
recurrence = transformable(
    _LIBRARY,
    "recurrence",
    Formulas(
        native.forward,
        native.forward_fake,
        _save,
        _derive,
        calls.encode,
        calls.decode,
        _rows,
        _reference,
    ),
)
recurrence_backward = transformable(
    _LIBRARY,
    "recurrence_backward",
    Formulas(
        native.backward,
        native.backward_fake,
        *by_reference(_reference_pull),
        calls.encode,
        calls.decode_pull,
        lambda pull: None,
        _reference_pull,
    ),
)
