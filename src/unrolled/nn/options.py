"""The options that every layer takes besides torch.nn's own, and what of them cannot be together."""

from collections.abc import Iterable
from numbers import Integral
from typing import TypedDict

import torch

from unrolled.cells import Cell
from unrolled.nn.merge import MERGES

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


DEFAULTS: dict[str, object] = {  # shown by repr where they differ
    "num_layers": 1,
    "bias": True,
    "batch_first": False,
    "dropout": 0.0,
    "bidirectional": False,
    "merge": "concat",
    "recurrent_dropout": 0.0,
    "variational_dropout": 0.0,
    "zoneout": 0.0,
    "learn_initial_state": False,
    "reverse": False,
    "keep_every": None,
    "backend": None,
}

Refusals = Iterable[tuple[object, str]]


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


def direction_refusals(
    cell: Cell, hidden_size: Size, bidirectional: bool, reverse: bool, merge: str
) -> Refusals:
    outputs = {cell.state_sizes(H)[0] for H in sizes_of(hidden_size, bidirectional)}
    return [
        (
            bidirectional and reverse,
            "bidirectional and reverse exclude each other: of two directions one is backward already; leave "
            "reverse out",
        ),
        (merge not in MERGES, f"merge={merge!r} is unknown; choose one of {', '.join(MERGES)}"),
        (
            merge != "concat" and not bidirectional,
            f"merge={merge!r} and bidirectional=False exclude each other: one direction has nothing to "
            "merge; leave merge out",
        ),
        (
            merge != "concat" and len(outputs) > 1,
            f"merge={merge!r} and hidden_size={hidden_size} exclude each other: it needs two outputs of one "
            "size; use merge='concat' or equal sizes",
        ),
    ]


def dropout_refusals(dropout: float, num_layers: int, recurrent: float, variational: float) -> Refusals:
    return [
        (not 0 <= dropout <= 1, f"dropout={dropout}: wanted 0 to 1"),
        (not 0 <= recurrent < 1, f"recurrent_dropout={recurrent}: wanted 0 to below 1"),
        (not 0 <= variational < 1, f"variational_dropout={variational}: wanted 0 to below 1"),
        (
            dropout > 0 and num_layers == 1,
            f"dropout={dropout} and num_layers=1 exclude each other: it acts between layers; use more "
            "layers, recurrent_dropout or variational_dropout",
        ),
        (
            recurrent > 0 and variational > 0,
            "recurrent_dropout and variational_dropout exclude each other: both thin h_{t-1}; choose one",
        ),
    ]


def zoneout_refusals(zoneout: Rates, cell: Cell) -> Refusals:
    rates = rates_of(zoneout, cell)
    return [
        (
            len(rates) != len(cell.states),
            f"zoneout={zoneout} has {len(rates)} rates; {cell.name} has the states {', '.join(cell.states)}; "
            "give one number, or one for each",
        ),
        (any(not 0 <= rate < 1 for rate in rates), f"zoneout={zoneout}: wanted 0 to below 1"),
    ]


def memory_refusals(keep_every: int | None) -> Refusals:
    few = keep_every is not None and keep_every < 1
    return [(few, f"keep_every={keep_every}: wanted 1 or more, or None to keep every step's state")]
