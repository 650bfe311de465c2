"""The options that every layer takes besides torch.nn's own, and what of them cannot be together."""

from collections.abc import Callable
from inspect import signature
from numbers import Integral
from typing import TYPE_CHECKING, TypedDict

import torch

from unrolled.cells import Cell
from unrolled.cells.cell import Refusals, refuse
from unrolled.kernels import dispatch
from unrolled.nn.merge import MERGES

if TYPE_CHECKING:
    from unrolled.nn.recurrent import Recurrent

Size = int | tuple[int, int]
Rates = float | tuple[float, ...]
Device = torch.device | str | None


class Options(TypedDict, total=False):
    """Keyword arguments of every layer; `Recurrent` says what each means."""

    merge: str
    recurrent_dropout: float
    variational_dropout: float
    zoneout: Rates
    learn_initial_state: bool
    reverse: bool
    keep_every: int | None
    backend: str | None


def defaults_of(constructor: Callable[..., None]) -> dict[str, object]:
    """What a layer's options are by default, but for device and dtype, which are no attributes of it."""
    known = signature(constructor).parameters.values()
    options = [one for one in known if one.default is not one.empty and one.name not in ("device", "dtype")]
    return {one.name: one.default for one in options}


def sizes_of(hidden_size: Size, bidirectional: bool) -> tuple[int, ...]:
    """One size for each direction."""
    return hidden_size if isinstance(hidden_size, tuple) else (hidden_size,) * (1 + bidirectional)


def rates_of(rates: Rates, cell: Cell) -> tuple[float, ...]:
    """One rate for each state of the cell."""
    if isinstance(rates, (int, float)):
        return (float(rates),) * len(cell.states)
    return tuple(float(rate) for rate in rates)


def check_types(input_size: int, hidden_size: Size, num_layers: int, **truths: bool) -> None:
    """TypeError for a size that is no whole number, and for 1 or "no" where True or False is wanted."""
    both = hidden_size if isinstance(hidden_size, tuple) else (hidden_size,)
    sizes: list[tuple[str, object]] = [("input_size", input_size), ("num_layers", num_layers)]
    for name, size in [*sizes, *[("hidden_size", H) for H in both]]:
        if not isinstance(size, Integral):
            raise TypeError(f"{name}={size!r}: wanted a whole number")
    answers: dict[str, object] = {**truths}
    for name, truth in answers.items():
        if not isinstance(truth, bool):
            raise TypeError(f"{name}={truth!r}: wanted True or False")


def size_refusals(input_size: int, hidden_size: Size, num_layers: int, bidirectional: bool) -> Refusals:
    sizes = sizes_of(hidden_size, bidirectional)
    return [
        (input_size < 1, f"input_size={input_size}: wanted 1 or more"),
        (min(sizes) < 1, f"hidden_size={hidden_size}: wanted 1 or more"),
        (num_layers < 1, f"num_layers={num_layers}: wanted 1 or more"),
        (
            len(sizes) != 1 + bidirectional,
            f"hidden_size={hidden_size} and bidirectional={bidirectional} exclude each other: give one size, "
            "or two with bidirectional=True",
        ),
    ]


def check(layer: "Recurrent") -> None:
    """TypeError or ValueError for sizes and options that cannot be, or not together."""
    truths = {name: getattr(layer, name) for name in ("bias", "batch_first", "bidirectional")}
    check_types(layer.input_size, layer.hidden_size, layer.num_layers, **truths)
    refuse(size_refusals(layer.input_size, layer.hidden_size, layer.num_layers, layer.bidirectional))
    for refusals in (_of_directions, _of_dropout, _of_states):
        refuse(refusals(layer))
    dispatch.check_backend(layer.backend)


def _of_directions(layer: "Recurrent") -> Refusals:
    merge, both, size = layer.merge, layer.bidirectional, layer.hidden_size
    outputs = {layer.cell.state_sizes(H)[0] for H in sizes_of(size, both)}
    return [
        (
            both and layer.reverse,
            "bidirectional and reverse exclude each other: of two directions one is backward already; leave "
            "reverse out",
        ),
        (merge not in MERGES, f"merge={merge!r} is unknown; choose one of {', '.join(MERGES)}"),
        (
            merge != "concat" and not both,
            f"merge={merge!r} and bidirectional=False exclude each other: one direction has nothing to "
            "merge; leave merge out",
        ),
        (
            merge != "concat" and len(outputs) > 1,
            f"merge={merge!r} and hidden_size={size} exclude each other: it needs two outputs of one "
            "size; use merge='concat' or equal sizes",
        ),
    ]


def _of_dropout(layer: "Recurrent") -> Refusals:
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


def _of_states(layer: "Recurrent") -> Refusals:
    cell, zoneout, every = layer.cell, layer.zoneout, layer.keep_every
    rates = rates_of(zoneout, cell)
    yield (
        len(rates) != len(cell.states),
        f"zoneout={zoneout} has {len(rates)} rates; {cell.name} has the states {', '.join(cell.states)}; "
        "give one number, or one for each",
    )
    yield any(not 0 <= rate < 1 for rate in rates), f"zoneout={zoneout}: wanted 0 to below 1"
    few = every is not None and every < 1
    yield few, f"keep_every={every}: wanted 1 or more, or None to keep every step's state"
