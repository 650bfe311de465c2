"""One update of the weights θ from a loss L, learning rate α, with the gradient's global norm bounded by c:

    g = ∇L,  n = ‖g‖₂ over all parameters,  g ← g c / n  where n > c > 0,  θ ← optimizer(θ, g, α ρ)

ρ is `recurrent_rate` for the weights of recurrent layers, 1 for all others.

A value that is not finite stops the update: in L or g before any weight changes, in θ right after.

Source   Pascanu et al. 2013, arXiv:1211.5063 (clipping by the global norm)
Differs  torch.nn.utils.clip_grad_norm_ goes on with a NaN norm (pytorch#46849)
"""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from unrolled.nn.recurrent import Recurrent
from unrolled.training.config import TrainingConfig
from unrolled.training.optimizers import MOMENTS, OPTIMIZERS


class NotFiniteError(ArithmeticError):
    """A loss, gradient or weight is NaN or infinite; the message says which."""


class Update:
    """Updates a model's trainable parameters, and keeps what its optimizer keeps of each."""

    def __init__(self, model: nn.Module, config: TrainingConfig) -> None:
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.config = config
        self._apart = [] if config.recurrent_rate == 1 else _recurrent_weights(model)
        self.kept: dict[str, dict[str, Tensor]] = {}

    def __call__(self, loss: Tensor, learning_rate: float) -> tuple[float, float]:
        """Updates the weights; returns the loss and the norm n before clipping. NotFiniteError as above."""
        for parameter in self.parameters.values():
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = {name: p.grad for name, p in self.parameters.items() if p.grad is not None}
        total = get_total_norm(gradients.values())
        # One read of both: on a GPU each read waits for the device.
        value, norm = torch.stack((loss.detach(), total)).tolist()
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise NotFiniteError(self._say_where(value))
        if 0 < self.config.clip < norm:
            clip_grads_with_norm_(self.parameters.values(), self.config.clip, total)
        recurrent = {name: gradients.pop(name) for name in self._apart if name in gradients}
        with torch.no_grad():
            self._update(gradients, learning_rate)
            if recurrent:
                self._update(recurrent, learning_rate * self.config.recurrent_rate)
            self._check_weights()
        return value, norm

    def _update(self, gradients: Mapping[str, Tensor], learning_rate: float) -> None:
        parameters: list[Tensor] = [self.parameters[name] for name in gradients]
        kept = [self.kept.setdefault(name, {}) for name in gradients]
        update = OPTIMIZERS[self.config.optimizer]
        update(parameters, list(gradients.values()), kept, learning_rate, self.config)

    def moments(self) -> dict[str, Tensor]:
        """What the optimizer keeps, as `parameter.moment`."""
        return {f"{name}.{key}": value for name, kept in self.kept.items() for key, value in kept.items()}

    def load_moments(self, moments: Mapping[str, Tensor]) -> None:
        """Puts back what `moments` gave. KeyError or ValueError for what does not fit the parameters."""
        loaded: dict[str, dict[str, Tensor]] = {}
        for key, value in moments.items():
            name, _, moment = key.rpartition(".")
            parameter = self.parameters[name]
            if value.shape != (() if moment == "step" else parameter.shape):
                raise ValueError(f"{key} has shape {tuple(value.shape)}")
            dtype = torch.float32 if moment == "step" else parameter.dtype
            loaded.setdefault(name, {})[moment] = value.to(parameter.device, dtype)
        names = MOMENTS[self.config.optimizer]
        if any(kept.keys() != set(names) for kept in loaded.values()):
            raise ValueError(f"a parameter has other moments than {names}")
        self.kept = loaded

    def _check_weights(self) -> None:
        if math.isfinite(get_total_norm(self.parameters.values()).item()):
            return
        # The norm of large finite weights overflows too: only a weight itself decides.
        if name := first_not_finite(self.parameters.items()):
            raise NotFiniteError(f"the update made the weight '{name}' NaN or infinite")

    def _say_where(self, loss: float) -> str:
        name = first_not_finite((name, p.grad) for name, p in self.parameters.items())
        if not math.isfinite(loss):
            return f"the loss is {loss}" + (f" (and so the gradient of '{name}')" if name else "")
        if name:
            return f"the gradient of '{name}' is NaN or infinite (the loss is {loss:g})"
        return f"the norm of the gradient is beyond the range of its type (the loss is {loss:g})"


def _recurrent_weights(model: nn.Module) -> list[str]:
    """The names of all parameters of recurrent layers."""
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, Recurrent)]
    return [name for prefix, layer in layers for name, _ in layer.named_parameters(prefix)]


def first_not_finite(named: Iterable[tuple[str, Tensor | None]]) -> str | None:
    """The name of the first tensor that holds NaN or infinity."""
    for name, tensor in named:
        if tensor is not None and not bool(torch.isfinite(tensor).all()):
            return name
    return None
