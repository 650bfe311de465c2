"""Recurrent layers of one cell as a block: sizes, options, and where each parameter and state stands."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from unrolled.blocks.block import Block, Shapes, require_sizes
from unrolled.blocks.ops import Array, Carried, Ops, State
from unrolled.cells import Cell
from unrolled.cells.cell import Shapes as CellShapes

MERGES = ("concat", "sum", "mean", "product")


class Place(NamedTuple):
    """One direction of one layer."""

    layer: int
    reverse: bool
    input_size: int
    hidden_size: int
    suffix: str  # of its parameters' names: "_l0_reverse"
    shapes: CellShapes  # of its parameters, as the cell names them
    states: tuple[str, ...]  # "layer0.backward.h"
    widths: tuple[int, ...]  # of the states


@dataclass(frozen=True)
class Recurrent(Block):
    """x -> y, F numbers a step. What each option means says unrolled.nn.Recurrent; a cell is its name and its
    options. The arrays of layer k are the cell's with _lk behind, and _lk_reverse of the direction that reads
    backward; learned first states are initial_h_lk. States are layerk.forward.h, layerk.backward.h."""

    leaf: ClassVar[str] = "recurrent"

    cell: Cell
    input_size: int
    hidden_size: int | tuple[int, int]
    num_layers: int = 1
    bias: bool = True
    bidirectional: bool = False
    reverse: bool = False
    merge: str = "concat"
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    variational_dropout: float = 0.0
    zoneout: float | tuple[float, ...] = 0.0
    learn_initial_state: bool = False
    keep_every: int | None = None

    def rules(self) -> Iterator[tuple[object, str]]:
        sizes = {f"hidden_size[{k}]": H for k, H in enumerate(self.sizes)}
        require_sizes(self, {"input_size": self.input_size, "num_layers": self.num_layers} | sizes)
        yield self.num_layers <= 1 << 8, f"{self.num_layers} layers"
        yield self.cell.block <= max(self.sizes), f"blocks of {self.cell.block} cells"
        two = len(self.sizes) == 2
        yield two == self.bidirectional, f"{len(self.sizes)} sizes, bidirectional {self.bidirectional}"
        yield not (self.bidirectional and self.reverse), "of two directions one is backward already"
        yield self.merge in MERGES, f"merge is {self.merge!s:.40}; wanted {', '.join(MERGES)}"
        widths = {self.cell.state_sizes(H)[0] for H in self.sizes}
        yield (
            self.merge == "concat" or (two and len(widths) == 1),
            f"merge={self.merge!r} and hidden_size={self.hidden_size} exclude each other: it needs two "
            "outputs of one size; use merge='concat' or equal sizes",
        )
        rates = self.rates
        fits = len(rates) == len(self.cell.states) and all(0 <= rate < 1 for rate in rates)
        yield fits, f"zoneout is {self.zoneout!s:.40}"
        self.places()  # ValueError for sizes that the cell excludes

    @property
    def sizes(self) -> tuple[int, ...]:
        """One for each direction."""
        size = self.hidden_size
        return size if isinstance(size, tuple) else (size,) * (1 + self.bidirectional)

    @property
    def rates(self) -> tuple[float, ...]:
        """The zoneout of each state of the cell."""
        rates = self.zoneout
        return rates if isinstance(rates, tuple) else (rates,) * len(self.cell.states)

    @property
    def output_size(self) -> int:
        """F."""
        widths = [self.cell.state_sizes(H)[0] for H in self.sizes]
        return sum(widths) if self.merge == "concat" else widths[0]

    @property
    def forward(self) -> int:
        """How many of the F outputs, the first ones, read forward."""
        if self.bidirectional and self.merge == "concat":
            return self.cell.state_sizes(self.sizes[0])[0]
        return 0 if self.reverse else self.output_size

    @property
    def state_sizes(self) -> dict[str, int]:
        """Name and width of each array of the state, in order."""
        places = self.places()
        return {name: n for place in places for name, n in zip(place.states, place.widths, strict=True)}

    def places(self) -> list[Place]:
        """Layer by layer, direction by direction. ValueError for sizes that the cell excludes."""
        return [
            self._place(layer, self.reverse or k == 1, H)
            for layer in range(self.num_layers)
            for k, H in enumerate(self.sizes)
        ]

    def _place(self, layer: int, reverse: bool, H: int) -> Place:
        inputs = self.input_size if layer == 0 else self.output_size
        name = f"layer{layer}.{'backward' if reverse else 'forward'}"
        return Place(
            layer,
            reverse,
            inputs,
            H,
            f"_l{layer}" + "_reverse" * reverse,
            self.cell.shapes(inputs, H, self.bias),
            tuple(f"{name}.{kind}" for kind in self.cell.states),
            self.cell.state_sizes(H),
        )

    def shapes(self) -> Shapes:
        shapes: Shapes = {}
        for place in self.places():
            shapes |= {name + place.suffix: shape for name, shape in place.shapes.items()}
            if self.learn_initial_state:
                kinds = zip(self.cell.states, place.widths, strict=True)
                shapes |= {f"initial_{kind}{place.suffix}": (width,) for kind, width in kinds}
        return shapes

    def start(self, ops: Ops, p: Any, rows: int) -> State:
        return ops.start(p, rows)

    @property
    def causal(self) -> bool:
        return not (self.bidirectional or self.reverse)

    def __call__(
        self, ops: Ops, p: Any, x: Array, state: Carried = None, lengths: Array = None
    ) -> tuple[Array, State]:
        return ops.recurrent(p, x, state, lengths)
