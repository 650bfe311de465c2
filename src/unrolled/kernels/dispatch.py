"""Which backend runs a recurrence: one table. A backend that the caller names runs or raises; without a name
the first row does that is automatic on the device and computes all that the call wants.

    cpu         our fused kernels, the same bits for any batch, chunking and padding
    torch       torch's own operators: cuDNN on a GPU
    reference   the cells' own equations, step by step: everything, everywhere
"""

import importlib
import os
import warnings
from typing import NamedTuple

from unrolled.cells import CELLS

VARIABLE = "UNROLLED_BACKEND"
# os.environ encodes, raises and catches where a variable is not set: as long as a small step takes.
_ENVIRONMENT, _KEY = os.environ._data, os.environ.encodekey(VARIABLE)  # type: ignore[attr-defined]
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


class Row(NamedTuple):
    """One line of the table: `backend` runs `cell` on `devices` in `dtypes`."""

    cell: str  # "*": any
    backend: str
    devices: frozenset[str] | None  # None: any
    dtypes: frozenset[str] | None
    automatic: frozenset[str] | None  # the devices where it is taken without being named
    takes: frozenset[str] | None  # what it computes beyond the plain equations

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


# Wants are a cell's own (Cell.words) and those of `wants` in torch/backends.py.
CPU, GPU = frozenset({"cpu"}), frozenset({"cuda"})
KERNEL = frozenset(
    {"lengths", "empty", "states", "zoneout", "recurrent_dropout", "keep_every", "forward-mode derivatives"}
)
OPERATOR = frozenset({"lengths"})
TABLE = (
    *(Row(name, "cpu", CPU, FLOATS, CPU, KERNEL.union(cell.words())) for name, cell in CELLS.items()),
    *(
        Row(name, "torch", CPU | GPU, FLOATS | HALVES, GPU, OPERATOR | cell.torch)
        for name, cell in CELLS.items()
        if cell.torch is not None
    ),
    Row("*", "reference", None, None, None, None),
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


def named_backend(backend: str | None) -> str | None:
    """`backend`, or else what the variable UNROLLED_BACKEND names now; None where neither names one."""
    if backend is not None:
        return backend
    value = _ENVIRONMENT.get(_KEY)
    return os.environ.decodevalue(value) if value else None


def choose(cell: str, device: str, dtype: str, wants: frozenset[str], backend: str | None = None) -> Row:
    """The row that runs such a call. `backend`, or else the variable UNROLLED_BACKEND, names one.

    Raises ValueError where the named backend is unknown or cannot run the call.
    """
    named, source = named_backend(backend), "backend" if backend else VARIABLE
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
