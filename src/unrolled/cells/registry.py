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
    found: dict[str, dict[str, Option]] = {}
    for name, cell in CELLS.items():
        for one in cell.options():
            found.setdefault(one.task or one.name, {})[name] = one
    return found


def write_cell(cell: Cell) -> tuple[str, dict[str, Any]]:
    """A cell in plain values: its name, and the options that are not as by default."""
    values = [(one, getattr(cell, one.name)) for one in cell.options()]
    return cell.name, {
        one.name: None if value is None else one.kind(value) for one, value in values if value != one.default
    }


def read_cell(name: str, options: Mapping[str, Any]) -> Cell:
    """The cell of plain values. ValueError where there is none of that name, or with such options."""
    kind = CELLS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise ValueError(f"no cell '{name!s:.40}'; wanted one of {', '.join(CELLS)}")
    known = {one.name: one for one in kind.options()}
    for own, value in options.items():
        if own not in known:
            raise ValueError(f"{name} has no option '{own!s:.40}'; it has {', '.join(known) or 'none'}")
        if not known[own].takes(value):
            raise ValueError(f"{own} of {name} is {value!r:.40}; wanted {known[own].kind.__name__}")
    return kind(**options)
