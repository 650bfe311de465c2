"""Recurrent layers of one cell as a block: sizes, options, and where each parameter and state stands."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from unrolled.blocks.block import Block, Shapes, require_sizes
from unrolled.blocks.ops import Array, Carried, Ops, State
from unrolled.cells import Cell, layer
from unrolled.cells.cell import refuse
from unrolled.cells.layer import Place, Rates, Size

MOST_LAYERS = 256


@dataclass(frozen=True)
class Recurrent(Block):
    """x -> y, F numbers a step. What each option means says unrolled.nn.Recurrent; a cell is its name and its
    options. The arrays of layer k are the cell's with _lk behind, and _lk_reverse of the direction that reads
    backward; learned first states are initial_h_lk. States are layerk.forward.h, layerk.backward.h."""

    leaf: ClassVar[str] = "recurrent"

    cell: Cell
    input_size: int
    hidden_size: Size
    num_layers: int = 1
    bias: bool = True
    bidirectional: bool = False
    reverse: bool = False
    merge: str = "concat"
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    variational_dropout: float = 0.0
    zoneout: Rates = 0.0
    learn_initial_state: bool = False
    keep_every: int | None = None

    def rules(self) -> Iterator[tuple[object, str]]:
        require_sizes(self, {f"hidden_size[{k}]": H for k, H in enumerate(layer.sizes_of(self))})
        yield self.num_layers <= MOST_LAYERS, f"{self.num_layers} layers; wanted {MOST_LAYERS} at most"
        refuse(layer.refusals(self))
        self.places()  # ValueError for sizes that the cell excludes

    @property
    def output_size(self) -> int:
        """F."""
        return layer.output_size(self)

    @property
    def forward(self) -> int:
        """How many of the F outputs, the first ones, read forward."""
        if self.bidirectional and self.merge == "concat":
            return self.cell.state_sizes(layer.sizes_of(self)[0])[0]
        return 0 if self.reverse else self.output_size

    @property
    def state_sizes(self) -> dict[str, int]:
        """Name and width of each array of the state, in order."""
        each = (zip(place.states, place.sizes, strict=True) for place in self.places())
        return {name: size for states in each for name, size in states}

    def places(self) -> tuple[Place, ...]:
        """Layer by layer, direction by direction."""
        return layer.places(self)

    def shapes(self) -> Shapes:
        each = (layer.shapes_of(self, place) for place in self.places())
        return {name: shape for shapes in each for name, shape in shapes.items()}

    def start(self, ops: Ops, p: Any, rows: int) -> State:
        return ops.start(p, rows)

    @property
    def causal(self) -> bool:
        return not (self.bidirectional or self.reverse)

    def __call__(
        self, ops: Ops, p: Any, x: Array, state: Carried = None, lengths: Array = None
    ) -> tuple[Array, State]:
        return ops.recurrent(p, x, state, lengths)
