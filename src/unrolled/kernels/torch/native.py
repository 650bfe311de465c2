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
    forward: Callable[[list[Tensor], int], None]  # of a plan's tensors, in order, on so many threads
    sizes: list[Sizes]
    width: int  # of the trace


def forward(plan: Plan, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The outputs of a call, in the order of plan.outputs. ValueError where its tensors do not fit."""
    engine = plan.engine or _engine(plan, tensors)
    outputs = _empty(plan, tensors, lambda: shapes(plan, tensors, engine.sizes, engine.width))
    engine.forward([*tensors, *outputs], torch.get_num_threads())
    return outputs


def _empty(
    plan: Plan | Pull, tensors: Sequence[Tensor], shapes: Callable[[], Sequence[Sequence[int]]]
) -> list[Tensor]:
    """Memory for what a call gives. Its shapes follow from those of the first tensors; a tensor of a shape,
    which itself needs no memory, gives it in half the time."""
    x = tensors[0]
    key = (x.dtype, x.shape, tensors[1].shape, tensors[2].shape) if plan.packed else (x.dtype, x.shape)
    molds = plan.molds.get(key)
    if molds is None:
        molds = [x.new_empty(shape) for shape in shapes()]
        for mold in molds:
            mold.untyped_storage().resize_(0)
        if len(plan.molds) < SHAPES:
            plan.molds[key] = molds
    return list(map(torch.empty_like, molds))


def forward_fake(plan: Plan, tensors: Sequence[Tensor]) -> list[Tensor]:
    form, x = plan.form, tensors[0]
    sizes = check(plan, tensors, tensors[-1].dtype)
    fixed = tuple(Sizes(*map(int, s)) for s in sizes)  # weights of any size would be a kernel of any size
    width = _width(form.cell, form.names, form.reverse, form.every, fixed) if form.trace else 0
    return [x.new_empty(shape) for shape in shapes(plan, tensors, sizes, width)]


def planned(form: Form, tensors: Sequence[Tensor], packs: Packs, which: Hashable = None) -> Plan:
    """The plan of a form; without a trace where the kernels leave none, or are not to run it."""
    plan = Plan(form, packs, which)
    if form.trace and tensors[-1].dtype in DTYPES and dispatch.MISSING is None and not is_compiling():
        plan = Plan(form._replace(trace=_engine(plan, tensors).width > 0), packs, which)
    return plan


def backward(pull: Pull, tensors: Sequence[Tensor]) -> list[Tensor]:
    """The gradients of a call, in the order of pull.outputs."""
    run = pull.backward
    if run is None:
        plan = pull.plan
        engine = plan.engine or _engine(plan, tensors)
        run = engine.compiled.ordered(pull.names, plan.form.every).backward
        if plan.packs is not None:
            pull.backward = run
    outputs = _empty(pull, tensors, lambda: [tensors[k].shape for k in pull.to_inputs])
    run([*tensors, *outputs], torch.get_num_threads())
    return outputs


def backward_fake(pull: Pull, tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensors[k].new_empty(tensors[k].shape) for k in pull.to_inputs]


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


def _engine(plan: Plan, tensors: Sequence[Tensor]) -> Engine:
    form, weights = plan.form, tensors[plan.inputs.slice("weights")]
    sizes, dtype = sizes_of(form, weights), weights[0].dtype
    key = plan.which, form.cell, form.names, form.reverse, tuple(sizes), dtype
    packs = plan.packs or _packs_of(weights[0])
    compiled = packs.get(key, lambda: _compiled(form.cell, form.names, form.reverse, sizes, dtype))
    forward = compiled.ordered(plan.names, form.every).forward
    engine = Engine(compiled, forward, sizes, compiled.trace_width(form.every))
    if plan.packs is not None:
        plan.engine = engine
    return engine


_expired: Callable[[StorageWeakRef], bool] = StorageWeakRef.expired
_by_memory: dict[int, tuple[StorageWeakRef, Packs]] = {}


def _packs_of(weight: Tensor) -> Packs:
    """Those of whoever's weight lies there."""
    address = weight.data_ptr()
    known = _by_memory.get(address)
    if known is not None and not _expired(known[0]):
        return known[1]
    for place, (memory, _) in list(_by_memory.items()):  # other threads may add to it meanwhile
        if _expired(memory):
            _by_memory.pop(place, None)
    packs = Packs()
    reference: Any = StorageWeakRef
    _by_memory[address] = reference(weight.untyped_storage()), packs
    return packs
