"""One step of any cell, in the caller's loop. Equations: cells/."""

import math

import torch
from torch import Tensor

from unrolled.cells import Cell
from unrolled.cells.cell import refuse
from unrolled.kernels import dispatch
from unrolled.kernels.packs import Packs
from unrolled.kernels.torch import backends
from unrolled.kernels.torch.call import Form
from unrolled.kernels.torch.native import planned
from unrolled.kernels.torch.operators import recorded
from unrolled.nn import parameters
from unrolled.nn.frozen import Freezable
from unrolled.nn.options import Device, check_types
from unrolled.nn.torch_compat import TorchCell


class Step(TorchCell, Freezable):
    """One step of `cell`, with torch.nn's parameters: weight_ih, weight_hh, bias_ih, bias_hh …"""

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        bias: bool,
        device: Device,
        dtype: torch.dtype | None,
        backend: str | None,
    ) -> None:
        super().__init__()
        check_types(input_size, hidden_size, 1, bias=bias)
        self.cell, self.input_size, self.hidden_size, self.bias = cell, input_size, hidden_size, bias
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            refuse([(size < 1, f"{name}={size}: wanted 1 or more")])
        dispatch.check_backend(backend)
        self.backend = backend
        self._packs = Packs()
        shapes = cell.shapes(input_size, hidden_size, bias)
        self._names = tuple(shapes)
        parameters.register(self, shapes, device, dtype)
        for name in () if bias else ("bias_ih", "bias_hh"):
            self.register_parameter(name, None)  # as in torch.nn
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the first values anew, in the order of torch.nn."""
        self.cell.initialise(
            {name: getattr(self, name) for name in self._names}, 1 / math.sqrt(self.hidden_size)
        )

    def step(self, x: Tensor, state: Tensor | tuple[Tensor, ...] | None) -> tuple[Tensor, ...]:
        """x (B, I) or (I,), each state (B, H) or (H,), zeros if None -> the new states, likewise."""
        other = self.elsewhere(x, state)
        if other is not None:
            return other
        if x.dim() not in (1, 2) or x.shape[-1] != self.input_size:
            raise ValueError(f"input has shape {tuple(x.shape)}; wanted (B, {self.input_size}) or without B")
        kinds = self.cell.states
        if state is not None and (isinstance(state, Tensor) or len(state) != len(kinds)):
            raise ValueError(f"hx is not a tuple ({', '.join(kinds)}); hand in one tensor for each")
        for kind, s in zip(kinds, state or (), strict=False):
            if s.dim() != x.dim():
                raise ValueError(
                    f"hx: {kind} has shape {tuple(s.shape)}; wanted {x.dim()} dimensions, as input has"
                )
        if x.dim() == 1:
            rows = None if state is None else tuple([s.unsqueeze(0) for s in state])
            return tuple([s.squeeze(0) for s in self.step(x.unsqueeze(0), rows)])
        tensors = [x, *(state or ()), *parameters.values(self, (self._names,))]
        weight = tensors[-1]
        key = weight.dtype, weight.is_cpu, state is None, recorded(tensors)
        plan = self._packs.plans.get(key)
        if plan is None:
            form = Form(self.cell, self._names, initial=state is not None, trace=key[-1], step=True)
            plan = self._packs.plans[key] = planned(form, tensors, self._packs)
        return tuple(backends.run(plan, tensors, self.backend)[: len(kinds)])

    def extra_repr(self) -> str:
        bias = [] if self.bias else ["bias=False"]
        sizes = f"{self.input_size}, {self.hidden_size}"
        return ", ".join([sizes, *bias, *parameters.options_text(self.cell)])
