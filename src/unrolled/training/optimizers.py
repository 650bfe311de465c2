"""The optimizers by name, and the learning rate of each step.

Step s of S (epochs × steps an epoch), s from 0, learning rate α:

    constant   α
    cosine     α (1 + cos(π s / S)) / 2

The rate depends on s alone, so a resumed training takes the same rates.

Source   Loshchilov & Hutter 2016, arXiv:1608.03983
Differs  falls once, without restarts
"""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from unrolled.training.config import TrainingConfig

Make = Callable[[Iterable[Tensor], TrainingConfig], torch.optim.Optimizer]


def _adam(parameters: Iterable[Tensor], config: TrainingConfig) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True)


def _adamw(parameters: Iterable[Tensor], config: TrainingConfig) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )


def _sgd(parameters: Iterable[Tensor], config: TrainingConfig) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        parameters,
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        fused=True,
    )


OPTIMIZERS: dict[str, Make] = {"adam": _adam, "adamw": _adamw, "sgd": _sgd}

# What each keeps for a parameter, as its state_dict names it: "step" is a number, the rest have its shape.
MOMENTS = {
    "adam": ("step", "exp_avg", "exp_avg_sq"),
    "adamw": ("step", "exp_avg", "exp_avg_sq"),
    "sgd": ("momentum_buffer",),
}


def learning_rate(config: TrainingConfig, step: int, steps_per_epoch: int) -> float:
    """The rate of step `step` (from 0, counted over all epochs)."""
    if config.schedule == "constant":
        return config.learning_rate
    share = step / (config.epoch_limit * steps_per_epoch)
    return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * share))
