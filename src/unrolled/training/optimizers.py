"""The optimizers by name, and the learning rate of each step.

At the share r of a training, from 0 to 1, learning rate α:

    constant   α
    cosine     α (1 + cos(π r)) / 2
    cooldown   α, and from r = 1 - q on α (1 - √((r - 1 + q) / q)), q = COOLDOWN

r is s / S before step s of S, from 0, or the share of the minutes that are over where that is more. With a
number of steps or epochs alone a resumed training takes the same rates.

Source   Loshchilov & Hutter 2016, arXiv:1608.03983; Hägele et al. 2024, arXiv:2405.18392 (cooldown)
Differs  falls once, without restarts
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from unrolled.training.config import COOLDOWN, TrainingConfig

Tensors = list[Tensor]
Moments = list[dict[str, Tensor]]  # what is kept of each parameter; empty before its first update
Optimizer = Callable[[Tensors, Tensors, Moments, float, TrainingConfig], None]


def _adam(
    function: Callable[..., None],
    parameters: Tensors,
    gradients: Tensors,
    moments: Moments,
    rate: float,
    config: TrainingConfig,
) -> None:
    for parameter, kept in zip(parameters, moments, strict=True):
        if not kept:
            kept["step"] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            kept["exp_avg"], kept["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
    steps, means, squares = ([kept[name] for kept in moments] for name in MOMENTS["adam"])
    numbers = {"lr": rate, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": config.weight_decay}
    switches = {"fused": True, "amsgrad": False, "maximize": False}
    function(parameters, gradients, means, squares, [], steps, **numbers, **switches)


def _sgd(
    parameters: Tensors, gradients: Tensors, moments: Moments, rate: float, config: TrainingConfig
) -> None:
    buffers: Any = [kept.get("momentum_buffer") for kept in moments] if config.momentum else []
    numbers: Any = {"lr": rate, "momentum": config.momentum, "weight_decay": config.weight_decay}
    switches: Any = {"fused": True, "nesterov": False, "maximize": False}
    sgd(parameters, gradients, buffers, dampening=0.0, **numbers, **switches)
    for kept, buffer in zip(moments, buffers, strict=False):
        kept["momentum_buffer"] = buffer


# Each updates parameters in place, by their gradients and moments, which it changes too. They are torch's
# functions: its classes import its compiler at their first step, which takes seconds.
OPTIMIZERS: dict[str, Optimizer] = {"adam": partial(_adam, adam), "adamw": partial(_adam, adamw), "sgd": _sgd}

# "step" is a number, the rest have the parameter's shape.
MOMENTS = {
    "adam": ("step", "exp_avg", "exp_avg_sq"),
    "adamw": ("step", "exp_avg", "exp_avg_sq"),
    "sgd": ("momentum_buffer",),
}


def learning_rate(config: TrainingConfig, share: float) -> float:
    """The rate where `share` of the training is over."""
    if config.schedule == "cosine":
        return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * min(share, 1.0)))
    if config.schedule == "constant" or share <= 1 - COOLDOWN:
        return config.learning_rate
    return config.learning_rate * (1.0 - math.sqrt(min((share - 1 + COOLDOWN) / COOLDOWN, 1.0)))
