"""Elman's simple recurrent network. Per step t, φ one of tanh, relu, sigmoid:

    h_t = φ(W x_t + b + U h_{t-1} + c)

Shapes   x (B, I), h (B, H) -> h (B, H); W (H, I) weight_ih, U (H, H) weight_hh, b bias_ih and c bias_hh (H,)
Source   Elman 1990, "Finding structure in time", doi:10.1207/s15516709cog1402_1
Differs  Elman's units were logistic (`sigmoid`) and his context units a copy of h; torch.nn has no sigmoid.
         Jordan's network, called by the same name at times, feeds back the output of the head, not h
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import linear

from unrolled.cells.cell import Cell, refuse

NONLINEARITIES = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}


@dataclass(frozen=True)
class Elman(Cell):
    """The equations above. `nonlinearity` is tanh, relu or sigmoid."""

    name: ClassVar[str] = "elman"
    states: ClassVar[tuple[str, ...]] = ("h",)

    nonlinearity: str = "tanh"

    def __post_init__(self) -> None:
        known = ", ".join(NONLINEARITIES)
        unknown = self.nonlinearity not in NONLINEARITIES
        refuse([(unknown, f"nonlinearity={self.nonlinearity!r} is unknown; choose one of {known}")])

    @property
    def gates(self) -> int:
        return 1

    @cached_property
    def wants(self) -> frozenset[str]:
        return frozenset({self.nonlinearity})

    def shapes(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, tuple[int, ...]]:
        H = hidden_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (H, input_size), "weight_hh": (H, H)}
        return shapes | ({"bias_ih": (H,), "bias_hh": (H,)} if bias else {})

    def step(
        self, x: Tensor, state: tuple[Tensor, ...], recurrent: Tensor, p: Mapping[str, Tensor]
    ) -> tuple[Tensor, ...]:
        products = linear(x, p["weight_ih"], p.get("bias_ih"))
        products = products + linear(recurrent, p["weight_hh"], p.get("bias_hh"))
        return (NONLINEARITIES[self.nonlinearity](products),)
