"""The options that every layer takes besides torch.nn's own; cells/layer.py has what excludes what."""

from collections.abc import Callable
from inspect import signature
from numbers import Integral
from typing import TYPE_CHECKING, TypedDict

import torch

from unrolled.cells.cell import refuse
from unrolled.cells.layer import Rates, Size, refusals
from unrolled.kernels import dispatch

if TYPE_CHECKING:
    from unrolled.nn.recurrent import Recurrent

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
    options = [p for p in known if p.default is not p.empty and p.name not in ("device", "dtype")]
    return {p.name: p.default for p in options}


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


def check(layer: "Recurrent") -> None:
    """TypeError or ValueError for sizes and options that cannot be, or not together."""
    truths = {name: getattr(layer, name) for name in ("bias", "batch_first", "bidirectional")}
    check_types(layer.input_size, layer.hidden_size, layer.num_layers, **truths)
    refuse(refusals(layer))
    dispatch.check_backend(layer.backend)
