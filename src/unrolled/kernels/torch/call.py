"""A call of the recurrence operators, described once: its tensors by name, in order, and its form, the rest.

    inputs     x (T, B, I), lengths (B,); the states before, h0 and c0; masks; weights
               or x packed (N, I), batch_sizes (T,); the states before, in any case; the rest as above
    outputs    y (T, B, F), F of all directions side by side; the states after, h and c; every_c; trace
               or y (N, F), and every_c likewise

A place is one direction of one layer; places stand layer by layer, direction by direction. The states of n
places of one size are one tensor (n, B, P or H), as in torch.nn. The names are those of the compiled module
(_cpu.pyi). In a `step` T = 1 has no dimension, each state is (B, P or H), and h is the only y.

A graph holds a form as a string, which anyone can read and `decode` turns back.
"""

import ast
from collections.abc import Hashable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.compiler import is_compiling, is_exporting

from unrolled.cells import Cell
from unrolled.cells.registry import read_cell, write_cell
from unrolled.kernels.packs import Packs

_c: Any = torch._C
Shape = tuple[int, ...]
MASKS = ("recurrent", "zoneout_h", "zoneout_c")
DIFFERENTIABLE = ("x", "h0", "c0", "weights")


class Sizes(NamedTuple):
    """Of one place: input features, hidden units, width of h."""

    I: int
    H: int
    P: int


def gradient_of(name: str) -> str:
    """dx, dh0, d_weights: what the gradient of that tensor is called."""
    return f"d{name}" if len(name) < 3 else f"d_{name}"


class Form(NamedTuple):
    """What is computed. All places are of one cell, with the same parameters and masks."""

    cell: Cell
    names: tuple[str, ...]  # of the parameters of a place, as the cell has them
    layers: int = 1
    reverse: tuple[bool, ...] = (False,)  # of each direction
    groups: tuple[int, ...] = (1,)  # how many places each tensor of a state holds
    ragged: str | None = None  # lengths or batch_sizes: the input that says where rows end
    initial: bool = True  # the states before are given; else they are zero
    masks: tuple[str, ...] = ()  # of MASKS
    states: bool = False  # every step's c is an output, where the cell has one
    trace: bool = False  # an output is left for backward
    every: int = 0  # k > 0: the trace holds every k-th state alone
    step: bool = False

    @property
    def places(self) -> int:
        return self.layers * len(self.reverse)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The names of the states."""
        return self.cell.states


class Slots:
    """Names of the tensors of a list, in order, each with its place or places there."""

    def __init__(self, counts: Sequence[tuple[str, int | None]]) -> None:
        """Of each name how many tensors it has, None for one by itself."""
        self.counts = dict(counts)
        self.at: dict[str, int | slice] = {}
        self.each: list[str] = []  # the name of every tensor
        for name, count in counts:
            start, end = len(self.each), len(self.each) + (1 if count is None else count)
            self.at[name] = start if count is None else slice(start, end)
            self.each += [name] * (end - start)

    def __len__(self) -> int:
        return len(self.each)

    def __add__(self, other: "Slots") -> "Slots":
        return Slots([*self.counts.items(), *other.counts.items()])

    def slice(self, name: str) -> "slice":
        at = self.at[name]
        return at if isinstance(at, slice) else slice(at, at + 1)

    def named(self, tensors: Sequence[Any]) -> dict[str, Any]:
        return {name: tensors[at] for name, at in self.at.items()}


def _inputs(form: Form) -> Slots:
    counts: list[tuple[str, int | None]] = [("x", None)]
    counts += [] if form.ragged is None else [(form.ragged, None)]
    counts += [(f"{kind}0", len(form.groups)) for kind in form.kinds if form.initial]
    counts += [(mask, form.places) for mask in form.masks]
    return Slots([*counts, ("weights", form.places * len(form.names))])


def _results(form: Form) -> Slots:
    """What a caller asked for."""
    counts: list[tuple[str, int | None]] = [] if form.step else [("y", None)]
    counts += [(kind, len(form.groups)) for kind in form.kinds]
    return Slots([*counts, *[("every_c", form.places)] * (form.states and len(form.kinds) > 1)])


def _names(slots: Slots, form: Form) -> list[str]:
    """Those of the compiled module: the h of a step is its y."""
    steps = {"h": "y", "dh": "dy"} if form.step else {}
    return [steps.get(name, name) for name in slots.each]


# Tensors without memory in the shapes of what a call gives, by dtype and shapes of what they follow from.
Molds = dict[tuple[Any, ...], list[Tensor]]


class Plan:
    """How calls of one form are run: where their tensors stand, and the compiled object that runs them."""

    def __init__(self, form: Form, packs: Packs | None = None, which: Hashable = None) -> None:
        """`packs`: of the module whose weights these are, which keeps them packed under `which`."""
        self.form, self.packs, self.which = form, packs, which
        self.inputs, self.results = _inputs(form), _results(form)
        self.last = (not form.step) + len(form.groups) * len(form.kinds)  # results up to the states after
        self.last_result = len(self.results)
        self.outputs = self.results + Slots([("trace", None)] * form.trace)
        self.engine: Any = None  # native.Engine, once it has run
        self.names = _names(self.inputs + self.outputs, form)
        self.molds: Molds = {}
        self.packed = form.ragged == "batch_sizes"
        self.by_kernel: bool | None = None  # whether the table gives the kernels where none is named
        self._pulls: dict[tuple[tuple[bool, ...], tuple[bool, ...]], Pull] = {}

    def pull(self, has_gradient: tuple[bool, ...], needs: tuple[bool, ...]) -> "Pull":
        """How such a call's gradients are taken: `has_gradient` of each result, `needs` of each input."""
        key = has_gradient, needs
        pull = self._pulls.get(key)
        if pull is None:
            results = dict.fromkeys(n for n, has in zip(self.results.each, has_gradient, strict=True) if has)
            inputs = {n for n, need in zip(self.inputs.each, needs, strict=True) if need}
            pull = Pull(self, tuple(results), tuple(n for n in DIFFERENTIABLE if n in inputs))
            self._pulls[key] = pull
        return pull


class Pull:
    """How the gradients of a plan's calls are taken: those of the inputs `wanted`, from those of the results
    `given`. Its tensors: the call's inputs, y or the step's h, the trace, and the gradients of the given."""

    def __init__(self, plan: Plan, given: tuple[str, ...], wanted: tuple[str, ...]) -> None:
        self.plan, self.given, self.wanted = plan, given, wanted
        counts, results = plan.inputs.counts, plan.results.counts
        left: list[tuple[str, int | None]] = [("y", None), *[("trace", None)] * plan.form.trace]
        self.inputs = plan.inputs + Slots([*left, *[(gradient_of(name), results[name]) for name in given]])
        self.outputs = Slots([(gradient_of(name), counts[name]) for name in wanted])
        self.names = _names(self.inputs + self.outputs, plan.form)
        self.backward: Any = None  # of the compiled object, once it has run
        self.molds: Molds = {}
        self.packed = plan.packed
        self.from_results = [k for k, name in enumerate(plan.results.each) if name in given]
        self.to_inputs = [k for name in wanted for k in range(len(plan.inputs))[plan.inputs.slice(name)]]


def encode(plan: Plan | Pull) -> str:
    """A plan's form, or a pull's with what is given and wanted, as a string."""
    if isinstance(plan, Pull):
        return repr((_literal(plan.plan.form), plan.given, plan.wanted))
    form = plan.form
    return repr(_literal(form if _leaves_trace() else form._replace(trace=False)))


def _leaves_trace() -> bool:
    """Whether a call in a graph leaves something for backward, which else runs the call once more: not in an
    exported or traced program, nor under torch.func, where part of a trace is no trace."""
    if is_compiling():
        return not is_exporting()
    return not _c._are_functorch_transforms_active() and _c._get_tracing_state() is None


def _literal(form: Form) -> tuple[Any, ...]:
    return (write_cell(form.cell), *form[1:])


@lru_cache(maxsize=1024)
def decode(text: str) -> Plan:
    """The plan of a string."""
    return Plan(_form(ast.literal_eval(text)))


@lru_cache(maxsize=1024)
def decode_pull(text: str) -> Pull:
    """The pull of a string."""
    form, given, wanted = ast.literal_eval(text)
    return Pull(Plan(_form(form)), given, wanted)


def _form(literal: tuple[Any, ...]) -> Form:
    cell, *rest = literal
    return Form(read_cell(*cell), *rest)


def sizes_of(form: Form, weights: Sequence[Tensor]) -> list[Sizes]:
    """Of each place. ValueError where a weight has another shape than the cell says."""
    n = len(form.names)
    shapes = [tuple(w.shape) for w in weights]
    places = [shapes[k : k + n] for k in range(0, n * form.places, n)]
    return [Sizes(*form.cell.measure(dict(zip(form.names, place, strict=True)))) for place in places]


def shapes(plan: Plan, inputs: Sequence[Tensor], sizes: Sequence[Sizes], width: int) -> list[Shape]:
    """Of the outputs; `width` is the trace's. ValueError where x has another shape than the weights say."""
    form, x = plan.form, inputs[0]
    wanted = "B" if form.step else "N" if plan.packed else "T, B"
    if x.dim() != len(wanted.split()) + 1 or x.shape[-1] != sizes[0].I:
        raise ValueError(f"x is {tuple(x.shape)}; wanted ({wanted}, {sizes[0].I}) for these weights")
    T, B = (1, x.shape[0]) if form.step else x.shape[:2]
    if plan.packed:
        T, B = inputs[1].shape[0], inputs[2].shape[1]
    starts = [sum(form.groups[:k]) for k in range(len(form.groups))]
    every, last = [(*x.shape[:-1], s.H) for s in sizes], sizes[-len(form.reverse) :]
    outputs: list[Shape] = [] if form.step else [(*x.shape[:-1], sum(s.P for s in last))]
    for kind in form.kinds:
        for n, start in zip(form.groups, starts, strict=True):
            size = sizes[start].P if kind == "h" else sizes[start].H
            outputs.append((B, size) if form.step else (n, B, size))
    outputs += every if "every_c" in plan.results.at else []
    return [*outputs, *[(-(-T // form.every) if form.every else T, B, width)] * form.trace]


def check(plan: Plan, tensors: Sequence[Tensor], dtype: torch.dtype | None) -> list[Sizes]:
    """The sizes of each place. ValueError where a tensor is not what the kernels want, for those who compute
    without them: in shape, and in `dtype` if given."""
    inputs = plan.inputs.named(tensors)
    sizes = sizes_of(plan.form, inputs["weights"])
    results = plan.results.named(shapes(plan, tensors, sizes, 0))
    for kind in plan.form.kinds if plan.form.initial else ():
        for s, shape in zip(inputs[f"{kind}0"], results[kind], strict=True):
            if s.shape != shape:
                raise ValueError(f"{kind}0 is {tuple(s.shape)}; wanted {shape}")
    for name, t in zip(plan.inputs.each, tensors, strict=True):
        if name in DIFFERENTIABLE and dtype is not None and t.dtype != dtype:
            raise ValueError(f"{name} is {t.dtype}; wanted {dtype}, as the weights are; convert one of them")
    return sizes


def steps_and_rows(batch_sizes: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Where each token of packed x (N, I) stands in padded rows: t and b (N,)."""
    sizes = batch_sizes.to(x.device)
    t = torch.repeat_interleave(sizes, output_size=x.shape[0])
    return t, torch.arange(x.shape[0], device=x.device) - (sizes.cumsum(0) - sizes)[t]
