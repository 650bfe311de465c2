"""Which backend runs a recurrence: one table. A backend that the caller names runs or raises; without a name
the first row does that is automatic on the device and computes all that the call wants.

    cpu         our fused kernels, the same bits for any batch, chunking and padding
    torch       torch's own operators: cuDNN on a GPU
    reference   the cells' own equations, step by step: everything, everywhere
"""

import importlib
import os
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # torch is not needed to read the table
    from unrolled.cells import Call, Result

VARIABLE = "UNROLLED_BACKEND"
BACKENDS = ("cpu", "torch", "reference")
FLOATS = frozenset({"float32", "float64"})
HALVES = frozenset({"float16", "bfloat16"})


def _missing_extension() -> str | None:
    """Why the compiled kernels cannot be used, or None."""
    try:
        importlib.import_module("unrolled.kernels._cpu")
    except ImportError as error:
        return f"the compiled kernels are missing ({error}); reinstall unrolled where a C++ compiler is found"
    return None


MISSING = _missing_extension()


def _cpu(calls: "Sequence[Call]") -> "Result":
    from unrolled.kernels.recurrence import recurrence

    if len(calls) == 1 or calls[0].x is calls[1].x:
        return recurrence(calls)
    return _side_by_side([recurrence([call]) for call in calls])


def _torch_operator(calls: "Sequence[Call]") -> "Result":
    from unrolled.kernels.aten import unroll

    return _side_by_side([unroll(call) for call in calls])


def _reference(calls: "Sequence[Call]") -> "Result":
    from unrolled.cells import unroll
    from unrolled.kernels.chunks import unroll_in_chunks

    return _side_by_side([unroll_in_chunks(call) if call.keep_every else unroll(call) for call in calls])


def _side_by_side(results: "list[Result]") -> "Result":
    """Of both directions, one."""
    import torch

    if len(results) == 1:
        return results[0]
    y = torch.cat([result.y for result in results], -1)
    last = tuple(state for result in results for state in result.last)
    states = tuple(state for result in results for state in result.states or ())
    return results[0]._replace(y=y, last=last, states=states or None)


class Row(NamedTuple):
    """One line of the table: `backend` runs `cell` on `devices` in `dtypes`."""

    cell: str  # "*": any
    backend: str
    devices: frozenset[str] | None  # None: any
    dtypes: frozenset[str] | None
    automatic: frozenset[str] | None  # the devices where it is taken without being named
    takes: frozenset[str] | None  # what it computes beyond the plain equations
    run: "Callable[[Sequence[Call]], Result]"  # of one direction, or of both

    def reason(self, device: str, dtype: str, wants: frozenset[str]) -> str | None:
        """Why this row cannot run such a call, in words, or None where it can."""
        if self.backend == "cpu" and MISSING is not None:
            return MISSING
        if self.devices is not None and device not in self.devices:
            return f"runs on {' and '.join(sorted(self.devices))}, not on {device}"
        if self.dtypes is not None and dtype not in self.dtypes:
            return f"computes in {', '.join(sorted(self.dtypes))}, not in {dtype}"
        if self.takes is not None and not wants <= self.takes:
            return f"does not compute {', '.join(sorted(wants - self.takes))}"
        return None


# Wants are a cell's own (Cell.wants) and those of `wants` below.
CPU, GPU = frozenset({"cpu"}), frozenset({"cuda"})
KERNEL = frozenset({"lengths", "empty", "states", "zoneout", "recurrent_dropout", "keep_every"})
KERNEL_LSTM = frozenset({"proj_size", "peephole", "cells_per_block", "coupled_input_forget", "layer_norm"})
OPERATOR = frozenset({"lengths"})
TABLE = (
    Row("elman", "cpu", CPU, FLOATS, CPU, KERNEL | {"tanh", "relu", "sigmoid"}, _cpu),
    Row("gru", "cpu", CPU, FLOATS, CPU, KERNEL | {"reset_after=False", "layer_norm"}, _cpu),
    Row("lstm", "cpu", CPU, FLOATS, CPU, KERNEL | KERNEL_LSTM, _cpu),
    Row("elman", "torch", CPU | GPU, FLOATS | HALVES, GPU, OPERATOR | {"tanh", "relu"}, _torch_operator),
    Row("gru", "torch", CPU | GPU, FLOATS | HALVES, GPU, OPERATOR, _torch_operator),
    Row("lstm", "torch", CPU | GPU, FLOATS | HALVES, GPU, OPERATOR | {"proj_size"}, _torch_operator),
    Row("*", "reference", None, None, None, None, _reference),
)


def announce() -> None:
    """Warns where the compiled kernels are missing. Called where the layers are imported, so once."""
    if MISSING is not None:
        warnings.warn(f"unrolled runs through its references: {MISSING}", RuntimeWarning, stacklevel=2)


class Choice(NamedTuple):
    """What `explain` says of one backend. `chosen` marks what runs where none is named."""

    backend: str
    available: bool
    reason: str  # empty where it is available
    chosen: bool


def explain(cell: str, device: str, dtype: str, wants: frozenset[str] = frozenset()) -> list[Choice]:
    """What could run `cell` ("lstm") on `device` ("cpu") in `dtype` ("float32"), best first; what would."""
    chosen = _automatic(cell, device, dtype, wants).backend
    choices = []
    for backend in BACKENDS:
        row = _find(backend, cell)
        reason = row.reason(device, dtype, wants) if row else f"has no kernel for {cell}"
        choices.append(Choice(backend, reason is None, reason or "", backend == chosen))
    return choices


def takes(backend: str, cell: str, wants: frozenset[str]) -> bool:
    """Whether `backend` has a kernel for these equations, on whatever device."""
    row = _find(backend, cell)
    return row is not None and (row.takes is None or wants <= row.takes)


def check_backend(backend: str | None, source: str = "backend") -> None:
    """ValueError where `backend` names none."""
    if backend is not None and backend not in BACKENDS:
        raise ValueError(f"{source}={backend!r} is unknown; choose one of {', '.join(BACKENDS)}, or none")


def choose(cell: str, device: str, dtype: str, wants: frozenset[str], backend: str | None = None) -> Row:
    """The row that runs such a call. `backend`, or else the variable UNROLLED_BACKEND, names one.

    Raises ValueError where the named backend is unknown or cannot run the call.
    """
    named, source = (backend, "backend") if backend else (os.environ.get(VARIABLE) or None, VARIABLE)
    if named is None:
        return _automatic(cell, device, dtype, wants)
    check_backend(named, source)
    row = _find(named, cell)
    reason = row.reason(device, dtype, wants) if row else f"has no kernel for {cell}"
    if row is None or reason is not None:
        raise ValueError(f"{source}={named!r} cannot run this {cell}: {reason}; choose 'reference', or none")
    return row


def _find(backend: str, cell: str) -> Row | None:
    return next((row for row in TABLE if row.backend == backend and row.cell in (cell, "*")), None)


def _automatic(cell: str, device: str, dtype: str, wants: frozenset[str]) -> Row:
    for row in TABLE:
        if row.cell in (cell, "*") and (row.automatic is None or device in row.automatic):
            reason = row.reason(device, dtype, wants)
            if reason is None:
                return row
    raise AssertionError("the reference runs everything")


def wants(call: "Call") -> frozenset[str]:
    """What `call` needs beyond the plain equations, in the table's words."""
    wanted = {
        "lengths": call.lengths is not None,
        "recurrent_dropout": call.masks.recurrent is not None,
        "zoneout": call.masks.zoneout is not None,
        "states": call.return_states and len(call.cell.states) > 1,
        "empty": call.x.shape[0] == 0 or call.x.shape[1] == 0,
        "keep_every": call.keep_every > 0,
        "forward-mode derivatives": _forward_mode(),
    }
    return call.cell.wants.union([name for name, on in wanted.items() if on])


def _forward_mode() -> bool:
    """Whether a tangent may be on its way, which torch silently drops at operators without a rule."""
    import torch
    from torch._C._functorch import TransformType, get_interpreter_stack

    if torch.compiler.is_compiling():
        return False
    if torch.autograd.forward_ad._current_level >= 0:
        return True
    return any(transform.key() == TransformType.Jvp for transform in get_interpreter_stack() or ())


def autocasting(device: str) -> bool:
    """Whether autocast is on for `device`, which some devices do not know."""
    import torch

    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def run(calls: "Sequence[Call]", backend: str | None = None) -> "Result":
    """One layer, in one direction or both, the whole sequence, by `backend` or by the best that can.

    Under autocast torch's own operators round as in torch.nn. All others compute in the weights' dtype, since
    rounding the carried state at every step compounds; y and the state come in that dtype.
    """
    import torch

    first = calls[0]
    weight = first.parameters["weight_ih"]
    device = weight.device.type
    dtype = str(weight.dtype).removeprefix("torch.")
    row = choose(first.cell.name, device, dtype, wants(first), backend)
    if row.backend == "torch" or not autocasting(device):
        return row.run(calls)
    x = first.x.to(weight.dtype)
    states = [tuple([s.to(weight.dtype) for s in call.state]) for call in calls]
    xs = [x if call.x is first.x else call.x.to(weight.dtype) for call in calls]
    with torch.autocast(device, enabled=False):
        changed = zip(calls, xs, states, strict=True)
        return row.run([call._replace(x=x, state=state) for call, x, state in changed])
