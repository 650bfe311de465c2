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

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unrolled.cells.cell import LAYER_NORM, Cell, Parameters, State, option, product
from unrolled.cells.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
@dataclass(frozen=True)
class GRU(Cell):
    """The equations above."""

    name: ClassVar[str] = "gru"
    torch: ClassVar[frozenset[str] | None] = frozenset()
    candidate: ClassVar[str] = "n"
    keeping: ClassVar[str] = "z"
    passing: ClassVar[str] = "r"

    reset_after: bool = option(
        True, "the reset gate acts after the recurrent product, not before it; answers differ little"
    )
    layer_norm: bool = option(False, LAYER_NORM)

    @property
    def stack(self) -> str:
        return "rzn"

    @property
    def kernel(self) -> str:
        return "gru" if self.reset_after else "gru.before"

    def step(self, x: "Tensor", state: State, recurrent: "Tensor", p: Parameters) -> State:
        from torch import sigmoid, tanh

        (h,) = state
        H = h.shape[-1]
        wx_rz, wx_n = product(x, p, "ih", 2 * H, H)
        uh_rz, uh_n = product(recurrent, p, "hh", 2 * H, H)
        r, z = sigmoid(wx_rz + uh_rz).chunk(2, -1)
        if not self.reset_after:
            _, uh_n = product(r * recurrent, p, "hh", 2 * H, H)
        n = tanh(wx_n + (r * uh_n if self.reset_after else uh_n))
        return (z * h + (1 - z) * n,)
