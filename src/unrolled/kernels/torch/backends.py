"""Runs a call by the row of the table (dispatch.py) that fits it."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from unrolled.cells import Call, Result
from unrolled.cells.loop import unroll
from unrolled.kernels import dispatch
from unrolled.kernels.torch import aten
from unrolled.kernels.torch.call import MASKS, Form, Plan, check
from unrolled.kernels.torch.chunks import keeping_few, rounding_states
from unrolled.kernels.torch.operators import recorded
from unrolled.kernels.torch.recurrence import by_places, recurrence

HALVES = (torch.float16, torch.bfloat16)


def run(plan: Plan, tensors: list[Tensor], backend: str | None = None) -> list[Tensor]:
    """The outputs of a call, of which plan.results come first, by `backend` or by the best that can.

    Under autocast torch's own operators round as in torch.nn. All others compute in the weights' dtype, since
    rounding the carried state at every step compounds; y and the state come in that dtype.
    """
    weight = tensors[-1]
    casts = autocasting(weight)
    if not casts and dispatch.named_backend(backend) is None:
        if plan.by_kernel is None:
            plan.by_kernel = _chosen(plan, weight, wants(plan.form), None).backend == "cpu"
        if plan.by_kernel:
            return recurrence(plan, tensors)
    more = wants(plan.form) if tensors[0].numel() else wants(plan.form) | {"empty"}
    name = _chosen(plan, weight, more, backend).backend
    if casts and name != "torch":
        cast = [t.to(weight.dtype) if t.is_floating_point() else t for t in tensors]
        with torch.autocast(weight.device.type, enabled=False):
            return run(plan, cast, backend)
    if name != "cpu":
        check(plan, tensors, None if casts else weight.dtype)
    return RUNNERS[name](plan, tensors)


def _chosen(plan: Plan, weight: Tensor, wanted: frozenset[str], backend: str | None) -> dispatch.Row:
    dtype = str(weight.dtype).removeprefix("torch.")
    return dispatch.choose(plan.form.cell.name, weight.device.type, dtype, wanted, backend)


def wants(form: Form) -> frozenset[str]:
    """What a call needs beyond the plain equations, in the table's words."""
    wanted = (
        ("lengths", form.ragged is not None),
        ("recurrent_dropout", "recurrent" in form.masks),
        ("zoneout", "zoneout_h" in form.masks),
        ("states", form.states and len(form.cell.states) > 1),
        ("keep_every", form.every > 0),
    )
    return form.cell.wants | {name for name, on in wanted if on}


def autocasting(tensor: Tensor) -> bool:
    """Whether autocast is on for the tensor's device, which some devices do not know."""
    if tensor.is_cpu:
        return torch.is_autocast_enabled("cpu")
    device = tensor.device.type
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def described(calls: Sequence[Call]) -> tuple[Plan, list[Tensor]]:
    """One layer, a call for each direction, of one x and one cell, as the kernels' operator takes it."""
    first, masks = calls[0], [_masks(call) for call in calls]
    tensors = [first.x] if first.lengths is None else [first.x, first.lengths]
    tensors += [s.unsqueeze(0) for kind in zip(*[call.state for call in calls], strict=True) for s in kind]
    tensors += [mask for name in masks[0] for mask in (by_name[name] for by_name in masks)]
    tensors += [weight for call in calls for weight in call.parameters.values()]
    form = Form(
        first.cell,
        tuple(first.parameters),
        reverse=tuple([call.reverse for call in calls]),
        groups=(1,) * len(calls),
        ragged=None if first.lengths is None else "lengths",
        masks=tuple(masks[0]),
        states=first.return_states,
        trace=recorded(tensors),
        every=first.keep_every,
    )
    return Plan(form), tensors


def by_kernel(calls: Sequence[Call]) -> Result:
    """One layer by the kernels: a call for each direction, of one x and one cell. y of all directions side by
    side, their states one after the other."""
    plan, tensors = described(calls)
    results = plan.results.named(recurrence(plan, tensors))
    kinds = [[s.squeeze(0) for s in results[kind]] for kind in plan.form.kinds]
    last = tuple(state for place in zip(*kinds, strict=True) for state in place)
    states = None
    if plan.form.states:
        hs = torch.split(results["y"], [call.state[0].shape[-1] for call in calls], -1)
        pairs = zip(hs, results["every_c"], strict=True) if "every_c" in results else ((h,) for h in hs)
        states = tuple(state for pair in pairs for state in pair)
    return Result(results["y"], last, states)


def _masks(call: Call) -> dict[str, Tensor]:
    """By name, as the kernels take them: what h is multiplied by, and the share of each state that stays."""
    recurrent, zoneout = call.masks
    masks = {} if recurrent is None else {"recurrent": recurrent}
    for name, share, state in zip(MASKS[1:], zoneout or (), call.state, strict=False):
        (T, B, _), H = call.x.shape, state.shape[-1]
        mask = state.new_full((1, 1, H), share) if isinstance(share, float) else share.to(state.dtype)
        masks[name] = mask.expand(T, B, H)
    if any(mask.requires_grad for mask in masks.values()):
        raise ValueError("the compiled kernels give masks no gradient; choose backend='reference'")
    return masks


def by_reference(call: Call) -> Result:
    """One place, by the equations; in half precision on a CPU by the kernels, step by step, so that the law
    holds for it too."""
    weight = call.parameters["weight_ih"]
    by_steps = weight.dtype in HALVES and weight.is_cpu and dispatch.MISSING is None
    run = _rounded if by_steps else unroll
    return keeping_few(call, run) if call.keep_every else run(call)


def _rounded(call: Call) -> Result:
    return rounding_states(call, lambda step: by_kernel([step]))


RUNNERS: dict[str, Callable[[Plan, list[Tensor]], list[Tensor]]] = {
    "cpu": recurrence,
    "torch": lambda plan, tensors: by_places(plan, tensors, aten.unroll),
    "reference": lambda plan, tensors: by_places(plan, tensors, by_reference),
}
