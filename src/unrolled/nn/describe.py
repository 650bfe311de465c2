"""Layers in plain values, as models/layers.py reads them: sizes, options, names of parameters."""

from itertools import groupby
from typing import Any

from unrolled.cells.layer import Place, rates_of
from unrolled.cells.registry import write_cell
from unrolled.errors import ConfigError
from unrolled.nn.layer import SequenceModule
from unrolled.nn.recurrent import Recurrent
from unrolled.nn.stack import Stack


def describe(module: SequenceModule, prefix: str) -> list[dict[str, Any]]:
    """A description of each layer; `prefix`: where the state dict of the model has them ("layer.")."""
    if isinstance(module, Stack):
        return _stack(module, prefix)
    assert isinstance(module, Recurrent)
    layers = groupby(module._places, key=lambda place: place.layer)
    return [_layer(module, list(places), prefix) for _, places in layers]


def _stack(stack: Stack, prefix: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for k, (member, names) in enumerate(zip(stack._members(), stack._renamed(), strict=True)):
        own = describe(member, f"{prefix}layers.{k}.")
        if stack.residual[k] and len(own) > 1:
            raise ConfigError(
                f"layer {k} of the stack has a sum around {len(own)} layers; make it single ones"
            )
        for layer in own:
            layer["residual"] = stack.residual[k]
            for one in layer["directions"]:
                one["states"] = [names[name] for name in one["states"]]
        found += own
    return found


def _layer(module: Recurrent, places: list[Place], prefix: str) -> dict[str, Any]:
    name, own = write_cell(module.cell)
    return {
        "cell": name,
        "options": own,
        "merge": module.merge,
        "residual": False,
        "zoneout": list(rates_of(module)),
        "directions": [_direction(module, place, prefix) for place in places],
    }


def _direction(module: Recurrent, place: Place, prefix: str) -> dict[str, Any]:
    weight = module._weights((place,))[0]
    H = place.hidden_size
    learned = module.cell.states if module.learn_initial_state else ()
    return {
        "reverse": place.reverse,
        "sizes": [weight.shape[1], H, module.cell.state_sizes(H)[0]],
        "parameters": {name: prefix + own for name, own in zip(place.names, place.parameters, strict=True)},
        "states": list(place.states),
        "initial": [f"{prefix}initial_{kind}{place.suffix}" for kind in learned],
    }
