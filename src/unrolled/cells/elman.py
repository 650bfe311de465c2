"""Elman's simple recurrent network. Per step t, φ one of tanh, relu, sigmoid:

    h_t = φ(W x_t + b + U h_{t-1} + c)

Shapes   x (B, I), h (B, H) -> h (B, H); W (H, I) weight_ih, U (H, H) weight_hh, b bias_ih and c bias_hh (H,)
Source   Elman 1990, "Finding structure in time", doi:10.1207/s15516709cog1402_1
Differs  Elman's units were logistic (`sigmoid`) and his context units a copy of h; torch.nn has no sigmoid.
         Jordan's network, called by the same name at times, feeds back the output of the head, not h
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unrolled.cells.cell import Cell, Parameters, State, option, product
from unrolled.cells.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
@dataclass(frozen=True)
class Elman(Cell):
    """The equations above."""

    name: ClassVar[str] = "rnn"
    torch: ClassVar[frozenset[str] | None] = frozenset({"tanh", "relu"})
    candidate: ClassVar[str] = "h"

    nonlinearity: str = option(
        "tanh",
        "function of the sums; relu can carry a value over many steps, and may explode; the others do not",
        choices=("tanh", "relu", "sigmoid"),
    )

    @property
    def stack(self) -> str:
        return "h"

    @property
    def kernel(self) -> str:
        return f"elman.{self.nonlinearity}"

    def step(self, x: "Tensor", state: State, recurrent: "Tensor", p: Parameters) -> State:
        import torch

        H = recurrent.shape[-1]
        (wx,), (uh,) = product(x, p, "ih", H), product(recurrent, p, "hh", H)
        function = getattr(torch, self.nonlinearity)
        return (function(wx + uh),)
