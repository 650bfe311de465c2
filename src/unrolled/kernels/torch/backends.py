"""Runs a call by the row of the table that fits it."""

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._C._functorch import TransformType, get_interpreter_stack
from torch.autograd import forward_ad

from unrolled.cells import Call, Result
from unrolled.cells.loop import unroll as by_equations
from unrolled.kernels import dispatch
from unrolled.kernels.torch import aten
from unrolled.kernels.torch.chunks import keeping_few, rounding_states


def _compiled(module: str, name: str) -> Callable[..., Any]:
    """A function of a module that cannot be imported without the compiled one; then it answers None."""
    if dispatch.MISSING is not None:
        return lambda *call: None
    function: Callable[..., Any] = getattr(importlib.import_module(f"unrolled.kernels.torch.{module}"), name)
    return function


recurrence: Callable[[Sequence[Call]], Result] = _compiled("recurrence", "recurrence")
HALVES = (torch.float16, torch.bfloat16)
straight: Callable[..., tuple[Tensor, list[Tensor]] | None] = _compiled("straight", "straight")
step: Callable[..., list[Tensor] | None] = _compiled("straight", "step")


def run(calls: Sequence[Call], backend: str | None = None) -> Result:
    """One layer, in one direction or both, the whole sequence, by `backend` or by the best that can.

    Under autocast torch's own operators round as in torch.nn. All others compute in the weights' dtype, since
    rounding the carried state at every step compounds; y and the state come in that dtype.
    """
    first = calls[0]
    weight = first.parameters["weight_ih"]
    device = weight.device.type
    dtype = str(weight.dtype).removeprefix("torch.")
    row = dispatch.choose(first.cell.name, device, dtype, wants(first), backend)
    if row.backend == "torch" or not autocasting(device):
        return RUNNERS[row.backend](calls)
    x = first.x.to(weight.dtype)
    cast = []
    for call in calls:
        state = tuple([s.to(weight.dtype) for s in call.state])
        cast.append(call._replace(x=x if call.x is first.x else call.x.to(weight.dtype), state=state))
    with torch.autocast(device, enabled=False):
        return RUNNERS[row.backend](cast)


def wants(call: Call) -> frozenset[str]:
    """What `call` needs beyond the plain equations, in the table's words."""
    T, B, _ = call.x.shape
    recurrent, zoneout = call.masks
    wanted = (
        ("lengths", call.lengths is not None),
        ("recurrent_dropout", recurrent is not None),
        ("zoneout", zoneout is not None),
        ("states", call.return_states and len(call.cell.states) > 1),
        ("empty", T == 0 or B == 0),
        ("keep_every", call.keep_every > 0),
        ("forward-mode derivatives", _forward_mode()),
    )
    own = call.cell.wants
    more = [name for name, on in wanted if on]
    return own.union(more) if more else own


def _forward_mode() -> bool:
    """Whether a tangent may be on its way, which torch silently drops at operators without a rule."""
    if torch.compiler.is_compiling():
        return False
    if forward_ad._current_level >= 0:
        return True
    if not torch._C._are_functorch_transforms_active():
        return False
    return any(transform.key() == TransformType.Jvp for transform in get_interpreter_stack() or ())


def autocasting(device: str) -> bool:
    """Whether autocast is on for `device`, which some devices do not know."""
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def by_kernel(calls: Sequence[Call]) -> Result:
    """Directions whose inputs differ, as under variational dropout, run one by one."""
    if len(calls) == 1 or calls[0].x is calls[1].x:
        return recurrence(calls)
    return side_by_side([recurrence([call]) for call in calls])


def by_operator(calls: Sequence[Call]) -> Result:
    return side_by_side([aten.unroll(call) for call in calls])


def by_reference(calls: Sequence[Call]) -> Result:
    run = _rounded if _rounds(calls[0]) else by_equations
    return side_by_side([keeping_few(call, run) if call.keep_every else run(call) for call in calls])


def _rounds(call: Call) -> bool:
    """Whether the kernels can do each step of a call in half precision, so that the law holds for it too."""
    weight = call.parameters["weight_ih"]
    kernels = dispatch.MISSING is None and weight.is_cpu and not _forward_mode()
    return kernels and weight.dtype in HALVES


def _rounded(call: Call) -> Result:
    return rounding_states(call, lambda step: recurrence([step]))


def side_by_side(results: list[Result]) -> Result:
    """Of both directions, one."""
    if len(results) == 1:
        return results[0]
    y = torch.cat([result.y for result in results], -1)
    last = tuple([state for result in results for state in result.last])
    states = tuple([state for result in results for state in result.states or ()])
    return Result(y, last, states or None)


RUNNERS = {"cpu": by_kernel, "torch": by_operator, "reference": by_reference}
