"""The compiled module on the tensors of a call. The `fake` twins give shapes alone, for graphs."""

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.compiler import is_compiling
from torch.multiprocessing.reductions import StorageWeakRef

from unrolled.cells import Cell
from unrolled.kernels import dispatch
from unrolled.kernels.compiled import cpu as _cpu
from unrolled.kernels.packs import Packs
from unrolled.kernels.torch.call import Form, Plan, Pull, Sizes, check, shapes, sizes_of

SHAPES = 64  # so many are known at most
DTYPES = {torch.float32: "float32", torch.float64: "float64"}


class Engine(NamedTuple):
    """The compiled object that runs calls of weights of one dtype and these sizes, and keeps them packed."""

    compiled: "_cpu.Recurrence"
    dtype: torch.dtype
    sizes: list[Sizes]
    width: int  # of the trace


def forward(plan: Plan, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The outputs of a call, in the order of plan.outputs. ValueError where its tensors do not fit."""
    arrays = plan.inputs.named(tensors)
    engine = _engine(plan, arrays["weights"])
    x = tensors[0]
    key = (x.shape, tensors[1].shape, tensors[2].shape) if plan.packed else x.shape
    molds = plan.molds.get(key)
    if molds is None:
        like = x.new_empty(1)
        molds = [like.expand(shape) for shape in shapes(plan, tensors, engine.sizes, engine.width)]
        if len(plan.molds) < SHAPES:
            plan.molds[key] = molds
    outputs = list(map(torch.empty_like, molds))
    arrays |= plan.outputs.named(outputs)
    if plan.form.step:
        arrays["y"] = arrays.pop("h")[0]
    engine.compiled.forward(threads=torch.get_num_threads(), every=plan.form.every, **arrays)
    return outputs


def forward_fake(plan: Plan, tensors: Sequence[Tensor]) -> list[Tensor]:
    form, x = plan.form, tensors[0]
    sizes = check(plan, tensors, tensors[-1].dtype)
    fixed = tuple(Sizes(*map(int, s)) for s in sizes)  # weights of any size would be a kernel of any size
    width = _width(form.cell, form.names, form.reverse, form.every, fixed) if form.trace else 0
    return [x.new_empty(shape) for shape in shapes(plan, tensors, sizes, width)]


def planned(form: Form, weights: Sequence[Tensor], packs: Packs, which: Hashable = None) -> Plan:
    """The plan of a form; without a trace where the kernels leave none, or are not to run it."""
    if form.trace and weights[0].dtype in DTYPES and dispatch.MISSING is None and not is_compiling():
        engine = _engine(Plan(form, packs, which), weights)
        form = form._replace(trace=engine.width > 0)
    return Plan(form, packs, which)


def backward(pull: Pull, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The gradients of a call, in the order of pull.outputs."""
    plan = pull.plan
    arrays = pull.inputs.named(tensors)
    engine = _engine(plan, arrays["weights"])
    outputs = [_like(tensors[k]) for k in pull.to_inputs]
    arrays |= pull.outputs.named(outputs)
    if plan.form.step and "dh" in arrays:
        arrays["dy"] = arrays.pop("dh")[0]
    engine.compiled.backward(threads=torch.get_num_threads(), every=plan.form.every, **arrays)
    return outputs


def backward_fake(pull: Pull, tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensors[k].new_empty(tensors[k].shape) for k in pull.to_inputs]


def _like(tensor: Tensor) -> Tensor:
    """Memory of its shape, in one piece: torch.empty_like takes half of new_empty's time."""
    return torch.empty_like(tensor) if tensor.is_contiguous() else tensor.new_empty(tensor.shape)


@lru_cache(maxsize=1024)
def _width(
    cell: Cell, names: tuple[str, ...], reverse: tuple[bool, ...], every: int, sizes: tuple[Sizes, ...]
) -> int:
    return _compiled(cell, names, reverse, sizes, torch.float32).trace_width(every)


def _compiled(
    cell: Cell, names: tuple[str, ...], reverse: tuple[bool, ...], sizes: Sequence[Sizes], dtype: torch.dtype
) -> "_cpu.Recurrence":
    if dtype not in DTYPES:
        raise ValueError(f"the kernels compute in {' and '.join(DTYPES.values())}, not in {dtype}")
    return _cpu.Recurrence(cell.kernel, DTYPES[dtype], cell.block, names, sizes, reverse)


# Where the compiled object is found: the plan has it, its module keeps it, or it is found by where the first
# weight lies in memory, for calls out of a graph, and goes with that memory.


def _engine(plan: Plan, weights: Sequence[Tensor]) -> Engine:
    engine: Engine | None = plan.engine
    if engine is not None and engine.dtype is weights[0].dtype:
        return engine
    form, sizes, dtype = plan.form, sizes_of(plan.form, weights), weights[0].dtype
    key = plan.which, form.cell, form.names, form.reverse, tuple(sizes), dtype
    packs = plan.packs or _packs_of(weights[0])
    compiled = packs.get(key, lambda: _compiled(form.cell, form.names, form.reverse, sizes, dtype))
    engine = Engine(compiled, dtype, sizes, compiled.trace_width(form.every))
    if plan.packs is not None:
        plan.engine = engine
    return engine


_expired: Callable[[StorageWeakRef], bool] = StorageWeakRef.expired
_by_memory: dict[int, tuple[StorageWeakRef, Packs]] = {}


def _packs_of(weight: Tensor) -> Packs:
    """Those of whoever's weight lies there."""
    address = weight.data_ptr()
    found = _by_memory.get(address)
    if found is not None and not _expired(found[0]):
        return found[1]
    for place, (memory, _) in list(_by_memory.items()):  # other threads may add to it meanwhile
        if _expired(memory):
            _by_memory.pop(place, None)
    packs = Packs()
    reference: Any = StorageWeakRef
    _by_memory[address] = reference(weight.untyped_storage()), packs
    return packs
