"""Parameters of a cell in a module, under torch.nn's names."""

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
    parameters = module._parameters
    try:
        return [parameters[name] for place in names for name in place]  # type: ignore[misc]
    except KeyError:  # a parametrised weight is an attribute, and new at each call
        return [getattr(module, name) for place in names for name in place]


def options_text(cell: Cell) -> list[str]:
    """The options of a cell that are not its defaults, as they stand in `repr`."""
    values = [(o, getattr(cell, o.name)) for o in cell.options()]
    return [f"{o.name}={value!r}" for o, value in values if value != o.default]
