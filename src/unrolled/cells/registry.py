"""The cells that there are: each registers in its own file, and all else finds it here.

To be registered says that the compiled module has the cell (`Cell.kernel`), with all its options.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from unrolled.cells.cell import Cell, Option

CELLS: dict[str, type[Cell]] = {}
C = TypeVar("C", bound=type[Cell])


def register(cell: C) -> C:
    """Adds a cell under its name."""
    CELLS[cell.name] = cell
    return cell


def options_by_task() -> dict[str, dict[str, Option]]:
    """Every option by the name that tasks give it: {"projection": {"lstm": …}}, the cells that have it."""
    options: dict[str, dict[str, Option]] = {}
    for name, cell in CELLS.items():
        for option in cell.options():
            options.setdefault(option.task or option.name, {})[name] = option
    return options


def write_cell(cell: Cell) -> tuple[str, dict[str, Any]]:
    """A cell in plain values: its name, and the options that are not as by default."""
    values = [(o, getattr(cell, o.name)) for o in cell.options()]
    changed = [(o, value) for o, value in values if value != o.default]
    return cell.name, {o.name: None if value is None else o.kind(value) for o, value in changed}


def read_cell(name: str, options: Mapping[str, Any]) -> Cell:
    """The cell of plain values. ValueError where there is none of that name, or with such options."""
    kind = CELLS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ValueError(f"no cell '{name!s:.40}'; wanted one of {', '.join(CELLS)}")
    known = {option.name: option for option in kind.options()}
    for key, value in options.items():
        if key not in known:
            raise ValueError(f"{name} has no option '{key!s:.40}'; it has {', '.join(known) or 'none'}")
        if not known[key].takes(value):
            raise ValueError(f"{key} of {name} is {value!r:.40}; wanted {known[key].kind.__name__}")
    return kind(**options)
