"""One update of the weights θ from a loss L, learning rate α, with the gradient's global norm bounded by c:

    g = ∇L,  n = ‖g‖₂ over all parameters,  g ← g c / n  where n > c > 0,  θ ← optimizer(θ, g, α)

A value that is not finite stops the update: in L or g before any weight changes, in θ right after.

Source   Pascanu et al. 2013, arXiv:1211.5063 (clipping by the global norm)
Differs  torch.nn.utils.clip_grad_norm_ goes on with a NaN norm (pytorch#46849)
"""

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from unrolled.training.config import TrainingConfig
from unrolled.training.optimizers import MOMENTS, OPTIMIZERS


class NotFiniteError(ArithmeticError):
    """A loss, gradient or weight is NaN or infinite; the message says which."""


class Update:
    """Owns the optimizer of a model's trainable parameters."""

    def __init__(self, model: nn.Module, config: TrainingConfig) -> None:
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.optimizer = OPTIMIZERS[config.optimizer](self.parameters.values(), config)
        self.moment_names = MOMENTS[config.optimizer]
        self.clip = config.clip

    def __call__(self, loss: Tensor, learning_rate: float) -> tuple[float, float]:
        """Updates the weights; returns the loss and the norm n before clipping. NotFiniteError as above."""
        for parameter in self.parameters.values():
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        total = get_total_norm(gradients)
        # One read of both: on a GPU each read waits for the device.
        value, norm = torch.stack((loss.detach(), total)).tolist()
        if not (math.isfinite(value) and math.isfinite(norm)):
            raise NotFiniteError(self._say_where(value))
        if 0 < self.clip < norm:
            clip_grads_with_norm_(self.parameters.values(), self.clip, total)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        self._check_weights()
        return value, norm

    def moments(self) -> dict[str, Tensor]:
        """What the optimizer keeps, as `parameter.moment`."""
        names, kept = list(self.parameters), self.optimizer.state_dict()["state"]
        return {
            f"{names[index]}.{moment}": value
            for index, moments in kept.items()
            for moment, value in moments.items()
            if value is not None
        }

    def load_moments(self, moments: Mapping[str, Tensor]) -> None:
        """Puts back what `moments` gave. KeyError or ValueError for what does not fit the parameters."""
        place = {name: index for index, name in enumerate(self.parameters)}
        kept: dict[int, dict[str, Tensor]] = {}
        for key, value in moments.items():
            name, _, moment = key.rpartition(".")
            if value.shape != (() if moment == "step" else self.parameters[name].shape):
                raise ValueError(f"{key} has shape {tuple(value.shape)}")
            kept.setdefault(place[name], {})[moment] = value
        if any(own.keys() != set(self.moment_names) for own in kept.values()):
            raise ValueError(f"a parameter has other moments than {self.moment_names}")
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": kept, "param_groups": groups})

    def _check_weights(self) -> None:
        with torch.no_grad():
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


def first_not_finite(named: Iterable[tuple[str, Tensor | None]]) -> str | None:
    """The name of the first tensor that holds NaN or infinity."""
    for name, tensor in named:
        if tensor is not None and not bool(torch.isfinite(tensor).all()):
            return name
    return None
