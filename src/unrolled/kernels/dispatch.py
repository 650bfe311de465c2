"""Which backend runs a recurrence: one table. A backend that the caller names runs or raises; without a name
the first row does that is automatic on the device and computes all that the call wants.

    cpu         our fused kernels, the same bits for any batch, chunking and padding
    torch       torch's own operators: cuDNN on a GPU
    reference   the cells' own equations, step by step: everything, everywhere
"""

import importlib
import os
import warnings
from collections.abc import Callable
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


def _cpu_elman(call: "Call") -> "Result":
    from unrolled.cells import Elman, Result
    from unrolled.kernels.elman import elman

    assert isinstance(call.cell, Elman)
    y, h = elman(
        call.x,
        call.state[0],
        **call.parameters,
        lengths=call.lengths,
        nonlinearity=call.cell.nonlinearity,
        reverse=call.reverse,
    )
    return Result(y, (h,), (y,) if call.return_states else None)


def _torch_operator(call: "Call") -> "Result":
    from unrolled.kernels.aten import unroll

    return unroll(call)


def _reference(call: "Call") -> "Result":
    from unrolled.cells import unroll

    return unroll(call)


class Row(NamedTuple):
    """One line of the table: `backend` runs `cell` on `devices` in `dtypes`."""

    cell: str  # "*": any
    backend: str
    devices: frozenset[str] | None  # None: any
    dtypes: frozenset[str] | None
    automatic: frozenset[str] | None  # the devices where it is taken without being named
    takes: frozenset[str] | None  # what it computes beyond the plain equations
    run: "Callable[[Call], Result]"

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
KERNEL = frozenset({"lengths", "empty"})
OPERATOR = frozenset({"lengths"})
TABLE = (
    Row("elman", "cpu", CPU, FLOATS, CPU, KERNEL | {"tanh", "relu", "sigmoid"}, _cpu_elman),
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
        "forward-mode derivatives": _forward_mode(),
    }
    return call.cell.wants | {name for name, on in wanted.items() if on}


def _forward_mode() -> bool:
    """Whether a tangent may be on its way, which torch silently drops at operators without a rule."""
    import torch
    from torch._C._functorch import TransformType, get_interpreter_stack

    if torch.compiler.is_compiling():
        return False
    transforms = get_interpreter_stack() or ()
    dual = torch.autograd.forward_ad._current_level >= 0
    return dual or any(transform.key() == TransformType.Jvp for transform in transforms)


def autocasting(device: str) -> bool:
    """Whether autocast is on for `device`, which some devices do not know."""
    import torch

    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def run(call: "Call", backend: str | None = None) -> "Result":
    """One layer, one direction, the whole sequence, by `backend` or by the best that can.

    Under autocast torch's own operators round as in torch.nn. All others compute in the weights' dtype, since
    rounding the carried state at every step compounds; y and the state come in that dtype.
    """
    import torch

    weight = call.parameters["weight_ih"]
    device = weight.device.type
    dtype = str(weight.dtype).removeprefix("torch.")
    row = choose(call.cell.name, device, dtype, wants(call), backend)
    if row.backend == "torch" or not autocasting(device):
        return row.run(call)
    state = tuple(s.to(weight.dtype) for s in call.state)
    with torch.autocast(device, enabled=False):
        return row.run(call._replace(x=call.x.to(weight.dtype), state=state))
