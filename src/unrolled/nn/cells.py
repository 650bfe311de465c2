"""One step of any cell, in the caller's loop. Equations: cells/."""

import math

import torch
from torch import Tensor, nn

from unrolled.cells import Call, Cell
from unrolled.cells.cell import refuse
from unrolled.kernels import dispatch
from unrolled.kernels.torch import backends as running
from unrolled.nn import parameters
from unrolled.nn import state as states
from unrolled.nn.options import Device, size_refusals


class Step(nn.Module):
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
        refuse(size_refusals(input_size, hidden_size, 1, False))
        dispatch.check_backend(backend)
        self.cell, self.input_size, self.hidden_size, self.bias = cell, input_size, hidden_size, bias
        self.backend = backend
        self._names = parameters.register(self, cell, input_size, hidden_size, bias, "", device, dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the first values anew, in the order of torch.nn."""
        self.cell.initialise(
            {name: getattr(self, name) for name in self._names}, 1 / math.sqrt(self.hidden_size)
        )

    def step(self, x: Tensor, state: Tensor | tuple[Tensor, ...] | None) -> tuple[Tensor, ...]:
        """x (B, I) or (I,), each state (B, H) or (H,), zeros if None -> the new states, likewise."""
        if x.dim() not in (1, 2) or x.shape[-1] != self.input_size:
            raise ValueError(f"input has shape {tuple(x.shape)}; wanted (B, {self.input_size}) or without B")
        short = self._straight(x, state)
        if short is not None:
            return short
        kinds = self.cell.states
        if state is not None and (isinstance(state, Tensor) or len(state) != len(kinds)):
            raise ValueError(f"hx is not a tuple ({', '.join(kinds)}); hand in one tensor for each")
        p = {name: getattr(self, name) for name in self._names}
        dtype = None if running.autocasting(x.device.type) else p["weight_hh"].dtype
        if dtype is not None and x.dtype != dtype:
            raise ValueError(f"input is {x.dtype}; this cell computes in {dtype}; convert one of them")
        rows = x if x.dim() == 2 else x.unsqueeze(0)
        sizes = dict(zip(kinds, self.cell.state_sizes(self.hidden_size), strict=True))
        if state is None:
            named = states.zeros(sizes, rows.shape[0], p["weight_hh"])
        else:
            named = dict(zip(sizes, (s if x.dim() == 2 else s.unsqueeze(0) for s in state), strict=True))
            states.check(named, sizes, rows.shape[0], dtype)
        call = Call(self.cell, rows.unsqueeze(0), tuple(named.values()), p)
        last = running.run([call], self.backend).last
        return last if x.dim() == 2 else tuple(s.squeeze(0) for s in last)

    def _straight(self, x: Tensor, state: Tensor | tuple[Tensor, ...] | None) -> tuple[Tensor, ...] | None:
        """The same where kernels/torch/straight.py takes it."""
        others = state is not None and (isinstance(state, Tensor) or len(state) != len(self.cell.states))
        if x.dim() != 2 or others or dispatch.named_backend(self.backend) is not None:
            return None
        try:
            weights = tuple(map(self._parameters.__getitem__, self._names))
        except KeyError:  # a parametrised weight is an attribute, and new at each call
            return None
        after = running.step(self.cell, self._names, weights, x, state)
        return None if after is None else tuple(after)

    def extra_repr(self) -> str:
        shown = [] if self.bias else ["bias=False"]
        return ", ".join(
            [f"{self.input_size}, {self.hidden_size}", *shown, *parameters.options_text(self.cell)]
        )
