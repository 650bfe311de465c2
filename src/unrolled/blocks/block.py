"""What a block is: a frozen description of a piece of a network. Needs neither torch nor numpy.

A block says its sizes, the shapes of its parameters, and what it computes in the operations of a world
(ops.py). A leaf has parameters of its own; any other block has blocks in its fields, and the name of a
parameter is the path of fields that leads to it: head.weight, layer.weight_ih_l0, stages.1.bias.

    state   what is carried from step to step: arrays by name, (rows, size) each
    p       the parameters as a world holds them: p.head is what that world made of the field `head`

Descriptions are saved as plain values and read back with every type and size checked:

    {"block": "Linear", "inputs": 5, "outputs": 3}        fields that are as by default are left out
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, get_type_hints

from unrolled.blocks.ops import Ops, State
from unrolled.cells import Cell
from unrolled.cells.registry import read_cell, write_cell
from unrolled.files import typed

Shapes = dict[str, tuple[int, ...]]
BLOCKS: dict[str, "type[Block]"] = {}
MOST = 1 << 27  # numbers of one size: more are no network's, and would overflow where shapes are multiplied


@dataclass(frozen=True)
class Block:
    """A piece of a network. Subclasses are registered by their names, which descriptions use."""

    leaf: ClassVar[str] = ""  # what a world calls it, where it has parameters of its own

    def __init_subclass__(cls) -> None:
        BLOCKS[cls.__name__] = cls

    def __post_init__(self) -> None:
        """ValueError for sizes that are impossible or do not go together. Fields of whole numbers are sizes,
        from 1 on or from their metadata's `least`."""
        sizes = [(one.name, one.metadata.get("least", 1)) for one in fields(self) if one.type is int]
        for name, least in sizes:
            require_sizes(self, {name: getattr(self, name)}, least)
        for holds, message in self.rules():
            if not holds:
                raise ValueError(message)

    def rules(self) -> "Iterator[tuple[object, str]]":
        """What must hold, each with what to say where it does not; asked for one after the other."""
        yield from ()

    def inner(self) -> dict[str, "Block"]:
        """The blocks that it is made of, by their paths."""
        return {
            path: block
            for name, value in self.values()
            for path, block in ([(name, value)] if isinstance(value, Block) else several(name, value))
        }

    def values(self) -> Iterator[tuple[str, Any]]:
        """Its fields' names and values."""
        return ((one.name, getattr(self, one.name)) for one in fields(self))

    def shapes(self) -> Shapes:
        """Of every parameter, by name, in the order in which they are made."""
        return {
            f"{path}.{name}" if name else path: shape
            for path, block in self.inner().items()
            for name, shape in block.shapes().items()
        }

    def start(self, ops: Ops, p: Any, rows: int) -> State:
        """The state before the first step."""
        states = (block.start(ops, at(p, path), rows) for path, block in self.inner().items())
        return {name: array for part in states for name, array in part.items()}

    @property
    def causal(self) -> bool:
        """Whether no output depends on a later step."""
        return all(block.causal for block in self.inner().values())


def several(name: str, value: Any) -> list[tuple[str, Block]]:
    """The blocks in a tuple, by their paths."""
    blocks = enumerate(value) if isinstance(value, tuple) else ()
    return [(f"{name}.{k}", block) for k, block in blocks if isinstance(block, Block)]


def each_leaf(block: Block, path: str = "") -> Iterator[tuple[str, Block]]:
    """The leaves, each with what the names of its parameters begin with."""
    if block.leaf:
        yield path, block
    for name, one in block.inner().items():
        yield from each_leaf(one, f"{path}{name}.")


def at(p: Any, path: str) -> Any:
    """What stands at a path of a tree of parameters."""
    for name in path.split("."):
        p = p[int(name)] if name.isdigit() else getattr(p, name)
    return p


def bind(
    block: Block,
    leaf: Callable[[Block, str], Any],
    branch: Callable[[], Any],
    row: Callable[[list[Any]], Any],
    path: str = "",
) -> Any:
    """The tree p of a block: of each leaf what `leaf(block, path)` makes of it, of any other `branch()` with
    its members by their names, of a tuple of blocks `row(members)`."""
    if block.leaf:
        return leaf(block, path)
    node, prefix = branch(), f"{path}." if path else ""
    for name, value in block.values():
        if isinstance(value, Block):
            setattr(node, name, bind(value, leaf, branch, row, prefix + name))
        elif blocks := several(prefix + name, value):
            setattr(node, name, row([bind(member, leaf, branch, row, at_path) for at_path, member in blocks]))
    return node


# Descriptions in plain values.


def write(block: Block) -> dict[str, Any]:
    """A block in plain values."""
    defaults = {one.name: one.default for one in fields(block)}
    members = {name: _plain(value) for name, value in block.values() if value != defaults[name]}
    return {"block": type(block).__name__, **members}


def _plain(value: Any) -> Any:
    if isinstance(value, Block):
        return write(value)
    if isinstance(value, Cell):
        return list(write_cell(value))
    return [_plain(one) for one in value] if isinstance(value, tuple) else value


def read(about: Any) -> Block:
    """The block of plain values. ValueError or TypeError for what describes none."""
    if not isinstance(about, Mapping) or about.get("block") not in BLOCKS:
        raise ValueError(f"{about!s:.40} describes no block; wanted one of {', '.join(BLOCKS)}")
    kind = BLOCKS[about["block"]]
    hints = get_type_hints(kind)
    known = {one.name for one in fields(kind)}
    if strange := sorted(about.keys() - known - {"block"}):
        raise ValueError(f"{kind.__name__} has no {strange[0]!s:.40}; it has {', '.join(sorted(known))}")
    block = kind(**{name: _value(value, hints[name]) for name, value in about.items() if name != "block"})
    typed.require(block, kind.__name__)
    return block


def _value(value: Any, hint: Any) -> Any:
    if isinstance(value, Mapping):
        return read(value)
    if hint is Cell and isinstance(value, list) and len(value) == 2:
        return read_cell(*value)
    return tuple(_value(one, None) for one in value) if isinstance(value, list) else value


def require_sizes(block: Block, sizes: Mapping[str, Any], least: int = 1) -> None:
    """ValueError for a size of a block that is no whole number from `least` on, or beyond all bounds."""
    for name, size in sizes.items():
        if type(size) is not int or not least <= size <= MOST:
            raise ValueError(f"{name} of {type(block).__name__} is {size!r:.40}; wanted {least} or more")
