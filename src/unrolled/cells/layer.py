"""What a layer of any cell is: its options, what of them excludes what, and where its parameters and states
stand. Layers of torch, blocks and the runtime read it here; it needs no torch.

A place is one direction of one layer. Places stand layer by layer, direction by direction.
"""

from typing import NamedTuple, Protocol

from unrolled.cells.cell import Cell, Refusals, Shapes

Size = int | tuple[int, int]
Rates = float | tuple[float, ...]
MERGES = ("concat", "sum", "mean", "product")


class Layer(Protocol):
    """The options; unrolled.nn.Recurrent says what each means."""

    @property
    def cell(self) -> Cell: ...
    @property
    def input_size(self) -> int: ...
    @property
    def hidden_size(self) -> Size: ...
    @property
    def num_layers(self) -> int: ...
    @property
    def bias(self) -> bool: ...
    @property
    def bidirectional(self) -> bool: ...
    @property
    def reverse(self) -> bool: ...
    @property
    def merge(self) -> str: ...
    @property
    def dropout(self) -> float: ...
    @property
    def recurrent_dropout(self) -> float: ...
    @property
    def variational_dropout(self) -> float: ...
    @property
    def zoneout(self) -> Rates: ...
    @property
    def learn_initial_state(self) -> bool: ...
    @property
    def keep_every(self) -> int | None: ...


class Place(NamedTuple):
    """One direction of one layer: its sizes, and the names of its parameters and states."""

    layer: int
    reverse: bool
    input_size: int
    hidden_size: int
    sizes: tuple[int, ...]  # of the states
    suffix: str  # "_l0_reverse"
    names: tuple[str, ...]  # of the parameters, as the cell has them: weight_ih
    parameters: tuple[str, ...]  # as the layer has them: weight_ih_l0
    initial: tuple[str, ...]  # the learned initial states: initial_h_l0; none where they are not learned
    states: tuple[str, ...]  # "layer0.backward.h"


def sizes_of(layer: Layer) -> tuple[int, ...]:
    """H, one for each direction."""
    size = layer.hidden_size
    return size if isinstance(size, tuple) else (size,) * (1 + layer.bidirectional)


def rates_of(layer: Layer) -> tuple[float, ...]:
    """The zoneout of each state of the cell."""
    rates = layer.zoneout
    if isinstance(rates, (int, float)):
        return (float(rates),) * len(layer.cell.states)
    return tuple([float(rate) for rate in rates])


def output_size(layer: Layer) -> int:
    """F: both directions side by side, or one where they are merged."""
    widths = [layer.cell.state_sizes(H)[0] for H in sizes_of(layer)]
    return sum(widths) if layer.merge == "concat" else widths[0]


def places(layer: Layer) -> tuple[Place, ...]:
    """ValueError for sizes that the cell excludes."""
    directions = list(enumerate(sizes_of(layer)))
    return tuple([_place(layer, k, d == 1, H) for k in range(layer.num_layers) for d, H in directions])


def _place(layer: Layer, number: int, second: bool, hidden_size: int) -> Place:
    cell, reverse = layer.cell, layer.reverse or second
    suffix = f"_l{number}" + "_reverse" * reverse
    state = f"layer{number}.{'backward' if reverse else 'forward'}"
    inputs = layer.input_size if number == 0 else output_size(layer)
    names = tuple(cell.shapes(inputs, hidden_size, layer.bias))
    return Place(
        number,
        reverse,
        inputs,
        hidden_size,
        cell.state_sizes(hidden_size),
        suffix,
        names,
        tuple([name + suffix for name in names]),
        tuple([f"initial_{kind}{suffix}" for kind in cell.states if layer.learn_initial_state]),
        tuple([f"{state}.{kind}" for kind in cell.states]),
    )


def shapes_of(layer: Layer, place: Place) -> Shapes:
    """Of the parameters of a place, and of its learned initial states, by the layer's names."""
    shapes_of_cell = layer.cell.shapes(place.input_size, place.hidden_size, layer.bias)
    shapes = dict(zip(place.parameters, shapes_of_cell.values(), strict=True))
    initial = zip(place.initial, place.sizes, strict=False)
    return shapes | {name: (size,) for name, size in initial}


def refusals(layer: Layer) -> Refusals:
    """Sizes and options that cannot be, or not together."""
    for part in (of_sizes, _of_directions, _of_dropout, _of_states):
        yield from part(layer)


def of_sizes(layer: Layer) -> Refusals:
    sizes, size = sizes_of(layer), layer.hidden_size
    yield layer.input_size < 1, f"input_size={layer.input_size}: wanted 1 or more"
    yield min(sizes) < 1, f"hidden_size={size}: wanted 1 or more"
    yield layer.num_layers < 1, f"num_layers={layer.num_layers}: wanted 1 or more"
    yield (
        len(sizes) != 1 + layer.bidirectional,
        f"hidden_size={size} and bidirectional={layer.bidirectional} exclude each other: give one size, "
        "or two with bidirectional=True",
    )


def _of_directions(layer: Layer) -> Refusals:
    merge, both, size = layer.merge, layer.bidirectional, layer.hidden_size
    outputs = {layer.cell.state_sizes(H)[0] for H in sizes_of(layer)}
    yield (
        both and layer.reverse,
        "bidirectional and reverse exclude each other: of two directions one is backward already; leave "
        "reverse out",
    )
    yield merge not in MERGES, f"merge={merge!r} is unknown; choose one of {', '.join(MERGES)}"
    yield (
        merge != "concat" and not both,
        f"merge={merge!r} and bidirectional=False exclude each other: one direction has nothing to "
        "merge; leave merge out",
    )
    yield (
        merge != "concat" and len(outputs) > 1,
        f"merge={merge!r} and hidden_size={size} exclude each other: it needs two outputs of one "
        "size; use merge='concat' or equal sizes",
    )


def _of_dropout(layer: Layer) -> Refusals:
    for name in ("recurrent_dropout", "variational_dropout"):
        rate = getattr(layer, name)
        yield not 0 <= rate < 1, f"{name}={rate}: wanted 0 to below 1"
    dropout = layer.dropout
    yield not 0 <= dropout <= 1, f"dropout={dropout}: wanted 0 to 1"
    yield (
        dropout > 0 and layer.num_layers == 1,
        f"dropout={dropout} and num_layers=1 exclude each other: it acts between layers; use more "
        "layers, recurrent_dropout or variational_dropout",
    )
    yield (
        layer.recurrent_dropout > 0 and layer.variational_dropout > 0,
        "recurrent_dropout and variational_dropout exclude each other: both thin h_{t-1}; choose one",
    )


def _of_states(layer: Layer) -> Refusals:
    cell, zoneout, every, rates = layer.cell, layer.zoneout, layer.keep_every, rates_of(layer)
    yield (
        len(rates) != len(cell.states),
        f"zoneout={zoneout} has {len(rates)} rates; {cell.name} has the states {', '.join(cell.states)}; "
        "give one number, or one for each",
    )
    yield any(not 0 <= rate < 1 for rate in rates), f"zoneout={zoneout}: wanted 0 to below 1"
    few = every is not None and every < 1
    yield few, f"keep_every={every}: wanted 1 or more, or None to keep every step's state"
