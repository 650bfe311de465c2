"""Parameters of a cell in a module, under torch.nn's names."""

import dataclasses
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from unrolled.cells import Cell
from unrolled.cells.cell import Shapes


def register(
    module: nn.Module, shapes: Shapes, device: torch.device | str | None, dtype: torch.dtype | None
) -> None:
    """Adds parameters of these names and shapes, not yet filled."""
    for name, shape in shapes.items():
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
