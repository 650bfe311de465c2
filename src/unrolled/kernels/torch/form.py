"""A call of the recurrence operators, taken apart: its tensors, in one list, and its form, all the rest.

A graph holds a form as a string, which anyone can read and `decode` turns back:

    (('lstm', {'peephole': True}), (False, True), ('weight_ih', 'weight_hh', …), …)
"""

import ast
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from torch import Tensor

from unrolled.cells import Cell
from unrolled.cells.registry import read_cell, write_cell


class Sizes(NamedTuple):
    """Of one direction: input features, hidden units, width of h."""

    I: int
    H: int
    P: int


class Form(NamedTuple):
    """What is computed. Both directions are of one cell, with the same parameters and masks."""

    cell: Cell
    reverse: tuple[bool, ...]  # one for each direction
    names: tuple[str, ...]  # of the parameters of a direction, as the cell has them
    masks: tuple[str, ...]  # of `recurrent`, `zoneout_h`, `zoneout_c`
    lengths: bool
    states: bool  # every step's c is an output, where the cell has one
    trace: bool  # an output is left for backward
    keep_every: int

    @property
    def carried(self) -> int:
        """How many states the cell carries."""
        return len(self.cell.states)

    @property
    def gives_c(self) -> bool:
        """Whether every step's c is an output."""
        return self.states and self.carried > 1


class Request(NamedTuple):
    """A call of the backward operator, but for its tensors: the call's, y, traces, gradients."""

    form: Form
    given: tuple[bool, ...]  # which of y, the last states and every step's c have a gradient
    wants_x: bool
    wants_parameters: bool


class Side(NamedTuple):
    """The tensors of one direction."""

    state: Sequence[Tensor]  # h0 (B, P) and, for cells that have one, c0 (B, H)
    parameters: Sequence[Tensor]  # as Form.names
    masks: Sequence[Tensor]  # as Form.masks: (T, B, P) on h, (T, B, H) on c


class Inputs(NamedTuple):
    """The tensors of a call."""

    x: Tensor  # (T, B, I)
    lengths: Tensor | None  # (B,)
    sides: tuple[Side, ...]

    def flat(self) -> list[Tensor]:
        """In one list, in the order of `inputs_of`."""
        tensors = [self.x] if self.lengths is None else [self.x, self.lengths]
        for side in self.sides:
            tensors += side.state
            tensors += side.parameters
            tensors += side.masks
        return tensors


class Outputs(NamedTuple):
    """What a call gives."""

    y: Tensor  # (T, B, P of one direction or both)
    last: Sequence[Tensor]  # h (B, P) and c (B, H) of each direction
    states: Sequence[Tensor]  # c (T, B, H) of each direction, if asked for
    traces: Sequence[Tensor]  # of each direction, for backward alone: cpu/contract.h


def count(form: Form) -> int:
    """How many tensors such a call has."""
    own = form.carried + len(form.names) + len(form.masks)
    return 1 + form.lengths + own * len(form.reverse)


def inputs_of(form: Form, tensors: Sequence[Tensor]) -> Inputs:
    """The list of `Inputs.flat`, taken apart."""
    n, m, k = form.carried, len(form.names), len(form.masks)
    start = 1 + form.lengths
    sides = []
    for _ in form.reverse:
        ends = start + n, start + n + m, start + n + m + k
        sides.append(Side(tensors[start : ends[0]], tensors[ends[0] : ends[1]], tensors[ends[1] : ends[2]]))
        start = ends[2]
    return Inputs(tensors[0], tensors[1] if form.lengths else None, tuple(sides))


def outputs_of(form: Form, tensors: Sequence[Tensor]) -> Outputs:
    """An operator's list of outputs, taken apart."""
    D = len(form.reverse)
    end = 1 + form.carried * D
    last = end + D * form.gives_c
    return Outputs(tensors[0], tensors[1:end], tensors[end:last], tensors[last:])


def kinds(form: Form) -> tuple[str, ...]:
    """Of each tensor of a call, in order: x, lengths, state, parameter or mask."""
    return _kinds(form.lengths, form.carried, len(form.names), len(form.masks), len(form.reverse))


@lru_cache(maxsize=256)
def _kinds(lengths: bool, states: int, parameters: int, masks: int, directions: int) -> tuple[str, ...]:
    side = (*["state"] * states, *["parameter"] * parameters, *["mask"] * masks)
    return ("x", *["lengths"] * lengths, *side * directions)


def encode(form: Form | Request) -> str:
    """The form as a string."""
    return repr((_literal(form[0]), *form[1:]) if isinstance(form, Request) else _literal(form))


def _literal(form: Form) -> tuple[Any, ...]:
    return (write_cell(form.cell), *form[1:])


@lru_cache(maxsize=1024)
def decode(text: str) -> Form:
    """The form of a string."""
    return _form(ast.literal_eval(text))


@lru_cache(maxsize=1024)
def decode_request(text: str) -> Request:
    """The backward form of a string."""
    form, *rest = ast.literal_eval(text)
    return Request(_form(form), *rest)


def _form(literal: tuple[Any, ...]) -> Form:
    cell, *rest = literal
    return Form(read_cell(*cell), *rest)


def sizes_of(cell: Cell, parameters: Mapping[str, Tensor]) -> Sizes:
    """Of these parameters. ValueError where one has another shape than the cell says, or is missing."""
    return Sizes(*cell.measure({name: tuple(p.shape) for name, p in parameters.items()}))
