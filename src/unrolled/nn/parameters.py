"""Parameters of a cell in a module, under torch.nn's names."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from unrolled.cells import Cell


class Place(NamedTuple):
    """One direction of one layer: its size, and the names of its parameters and states."""

    layer: int
    reverse: bool
    hidden_size: int
    sizes: tuple[int, ...]  # of the states
    suffix: str  # "_l0_reverse"
    names: tuple[str, ...]  # of the parameters, as the cell has them: weight_ih
    parameters: tuple[str, ...]  # as the layer has them: weight_ih_l0
    states: tuple[str, ...]  # "layer0.backward.h"


def register(
    module: nn.Module,
    cell: Cell,
    input_size: int,
    hidden_size: int,
    bias: bool,
    suffix: str,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> tuple[str, ...]:
    """Adds the cell's parameters to `module` as `weight_ih` + suffix …; their names without the suffix."""
    shapes = cell.shapes(input_size, hidden_size, bias)
    for name, shape in shapes.items():
        add(module, name + suffix, shape, device, dtype)
    return tuple(shapes)


def add(
    module: nn.Module,
    name: str,
    shape: tuple[int, ...],
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> None:
    """One parameter, not yet filled."""
    module.register_parameter(name, nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))


def values(module: nn.Module, names: Iterable[Sequence[str]]) -> list[Tensor]:
    """The parameters of these names, in order."""
    own = module._parameters
    try:
        return [own[name] for some in names for name in some]  # type: ignore[misc]
    except KeyError:  # a parametrised weight is an attribute, and new at each call
        return [getattr(module, name) for some in names for name in some]


def options_text(cell: Cell) -> list[str]:
    """The options of a cell that are not its defaults, as they stand in `repr`."""
    fields = dataclasses.fields(cell)  # type: ignore[arg-type]
    values = [(f.name, getattr(cell, f.name), f.default) for f in fields]
    return [f"{name}={value!r}" for name, value, default in values if value != default]
