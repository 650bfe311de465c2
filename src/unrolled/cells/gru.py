"""Gated recurrent unit. Per step t, σ logistic, ⊙ elementwise:

    r_t = σ(W_r x_t + b_r + U_r h_{t-1} + c_r)              reset
    z_t = σ(W_z x_t + b_z + U_z h_{t-1} + c_z)              update
    n_t = tanh(W_n x_t + b_n + r_t ⊙ (U_n h_{t-1} + c_n))   candidate
    h_t = z_t ⊙ h_{t-1} + (1 - z_t) ⊙ n_t

reset_after=False   n_t = tanh(W_n x_t + b_n + U_n (r_t ⊙ h_{t-1}) + c_n)
layer_norm=True     each product W x and U h is normalised, times a gain, before its bias is added;
                    rows r and z are normalised together, n alone: N(a) = (a - mean a) / sqrt(var a + 1e-5)

Shapes   x (B, I), h (B, H) -> h (B, H); rows stack r, z, n: weight_ih (3H, I), weight_hh (3H, H),
         bias_ih (b), bias_hh (c), gain_ih, gain_hh (3H,)
Source   Cho et al. 2014, arXiv:1406.1078v1: the reset follows the product U_n h. Ba et al. 2016,
         arXiv:1607.06450, appendix, for layer_norm
Differs  reset_after=False resets before it, as v3 of that paper and Keras's default once did; Ba et al. and
         some textbooks let 1 - z keep the old state; Keras and ONNX stack z, r, h
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

from unrolled.cells.cell import Cell


@dataclass(frozen=True)
class GRU(Cell):
    """The equations above."""

    name: ClassVar[str] = "gru"
    states: ClassVar[tuple[str, ...]] = ("h",)

    reset_after: bool = True
    layer_norm: bool = False

    @property
    def gates(self) -> int:
        return 3

    @cached_property
    def wants(self) -> frozenset[str]:
        wanted = {"reset_after=False": not self.reset_after, "layer_norm": self.layer_norm}
        return frozenset(name for name, on in wanted.items() if on)

    def shapes(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, tuple[int, ...]]:
        H = hidden_size
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (3 * H, input_size), "weight_hh": (3 * H, H)}
        shapes |= {"bias_ih": (3 * H,), "bias_hh": (3 * H,)} if bias else {}
        return shapes | ({"gain_ih": (3 * H,), "gain_hh": (3 * H,)} if self.layer_norm else {})

    def step(
        self, x: Tensor, state: tuple[Tensor, ...], recurrent: Tensor, p: Mapping[str, Tensor]
    ) -> tuple[Tensor, ...]:
        (h,) = state
        wx_rz, wx_n = self._products(x, p, "ih")
        uh_rz, uh_n = self._products(recurrent, p, "hh")
        r, z = torch.sigmoid(wx_rz + uh_rz).chunk(2, -1)
        if not self.reset_after:
            _, uh_n = self._products(r * recurrent, p, "hh")
        n = torch.tanh(wx_n + (r * uh_n if self.reset_after else uh_n))
        return (z * h + (1 - z) * n,)

    def _products(self, v: Tensor, p: Mapping[str, Tensor], side: str) -> list[Tensor]:
        """W x + b or U h + c: rows r and z together, rows n."""
        weight, bias = p[f"weight_{side}"], p.get(f"bias_{side}")
        H = weight.shape[0] // 3
        if not self.layer_norm:
            return list(torch.split(linear(v, weight, bias), [2 * H, H], -1))
        products = torch.split(linear(v, weight), [2 * H, H], -1)
        gains = torch.split(p[f"gain_{side}"], [2 * H, H])
        shifts = (None, None) if bias is None else torch.split(bias, [2 * H, H])
        return [
            layer_norm(a, a.shape[-1:], gain, shift)
            for a, gain, shift in zip(products, gains, shifts, strict=True)
        ]
