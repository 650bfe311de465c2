"""First weights other than torch.nn's.

normal       as textbooks draw them: every weight from N(0, σ²), every bias 0. What does not begin at random
             stays: gains, a forget gate's own bias, outputs and states that begin at zero, tables that begin
             with vectors, and what is not trained
chrono       as torch.nn's, but for gates that keep a state: units forget after 1 to T steps
orthogonal   as torch.nn's, but for what the state is multiplied by, which turns pairs of units with periods
             of up to T steps, and for the gates, which begin open

Source   Zhang et al., "Dive into Deep Learning", 9.5: σ = 0.01; of the others cells/cell.py
"""

from typing import Any

import torch
from torch import Tensor, nn

from unrolled.cells import CELLS
from unrolled.errors import ConfigError
from unrolled.files.messages import either, option
from unrolled.nn.recurrent import Recurrent
from unrolled.training.batches import Batches, Ragged
from unrolled.training.config import INIT_SCALE, LEAST_REACH, TrainingConfig

BEGUN = "begins_with_vectors"  # the attribute of a table that does


def draw(network: nn.Module, training: TrainingConfig, batches: Batches[Any]) -> None:
    """Those of `init`, from torch's generator. ConfigError where the network or the data do not suit it."""
    if training.init == "normal":
        draw_normal(network, training.init_scale or INIT_SCALE)
    elif training.init != "torch":
        steps = training.init_scale or _longest(training.init, batches)
        for layer in [module for module in network.modules() if isinstance(module, Recurrent)]:
            REQUIRED[training.init](layer)
            layer.begin(training.init, steps)


def draw_normal(network: nn.Module, deviation: float) -> None:
    """From torch's generator, in the order of the parameters."""
    fixed = [(p, p.detach().clone()) for p in network.parameters() if not p.requires_grad]
    for module in network.modules():
        if isinstance(module, Recurrent):
            module.reset_parameters(deviation)
        elif not hasattr(module, BEGUN):
            for name, parameter in module.named_parameters(recurse=False):
                _draw(name, parameter.detach(), deviation)
    for parameter, values in fixed:
        parameter.detach().copy_(values)


def _require_gates(layer: Recurrent) -> None:
    chrono = option("init", "chrono")
    if not layer.cell.has_gates:
        with_gates = either([name for name, cell in CELLS.items() if cell().has_gates])
        raise ConfigError(
            f"{chrono} draws the biases of gates, and {option('cell', layer.cell.name)} has none; set "
            f"{option('cell')} to {with_gates}, or leave {option('init')} out"
        )
    if not layer.bias:
        raise ConfigError(
            f"{chrono} draws the biases of gates, and {option('bias', False)} leaves them out; leave one of "
            "both out"
        )
    _refuse_forget_bias(layer, chrono)


def _require_square(layer: Recurrent) -> None:
    orthogonal = option("init", "orthogonal")
    if getattr(layer.cell, "proj_size", 0):
        raise ConfigError(
            f"{orthogonal} turns the units' own states, and {option('projection')} hands others back; leave "
            "one of both out"
        )
    _refuse_forget_bias(layer, orthogonal)


def _refuse_forget_bias(layer: Recurrent, init: str) -> None:
    if getattr(layer.cell, "forget_bias", None) is not None:
        raise ConfigError(
            f"{init} and {option('forget_bias')} both say how the forget gate's bias begins; leave one of "
            "both out"
        )


REQUIRED = {"chrono": _require_gates, "orthogonal": _require_square}


def _longest(init: str, batches: Batches[Any]) -> int:
    """Steps of the longest training sequence."""
    steps = max(batches.lengths) if isinstance(batches, Ragged) else 0
    if steps < LEAST_REACH:
        raise ConfigError(
            f"{option('init', init)} needs to know how many steps to reach back, which does not follow from "
            f"these data; set {option('init_scale', 100)}, or as many as there are"
        )
    return int(steps)


def _draw(name: str, parameter: Tensor, deviation: float) -> None:
    if name == "bias":
        parameter.zero_()
    elif bool(torch.any(parameter)):
        parameter.normal_(0, deviation)
