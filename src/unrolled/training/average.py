"""A running average of the weights θ_k after step k = 1, 2, …, in which the last ninth of them weighs most:

    a_k = a_{k-1} + w_k (θ_k - a_{k-1}),   w_k = 9 / (k + 8)

Source   Shamir & Zhang 2013, arXiv:1212.1824 (polynomial-decay averaging, η = 8)
"""

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn


class Average:
    """Of the trainable parameters of `model`; all else of its state is as the model has it."""

    def __init__(self, model: nn.Module) -> None:
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.weights = {name: p.detach().clone() for name, p in self.parameters.items()}

    def add(self, step: int) -> None:
        """The weights after step `step`, from 1."""
        parameters: list[Tensor] = list(self.parameters.values())
        with torch.no_grad():
            torch._foreach_lerp_(list(self.weights.values()), parameters, 9 / (step + 8))

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Puts back what `weights` held. KeyError or ValueError for what does not fit."""
        for name, average in self.weights.items():
            if weights[name].shape != average.shape:
                raise ValueError(f"{name} has shape {tuple(weights[name].shape)}")
            average.copy_(weights[name])

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the average for a while."""
        trained = {name: p.detach().clone() for name, p in self.parameters.items()}
        self._write(self.weights)
        try:
            yield
        finally:
            self._write(trained)

    def _write(self, weights: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(weights[name])
