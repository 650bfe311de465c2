"""Minimal gated unit: one gate forgets and resets. Per step t, σ logistic, ⊙ elementwise:

    f_t = σ(W_f x_t + b_f + U_f h_{t-1} + c_f)              forget
    n_t = tanh(W_n x_t + b_n + U_n (f_t ⊙ h_{t-1}) + c_n)   candidate
    h_t = (1 - f_t) ⊙ h_{t-1} + f_t ⊙ n_t

layer_norm=True     each product W x and U h is normalised, times a gain, before its bias is added; rows f and
                    n each by themselves: N(a) = (a - mean a) / sqrt(var a + 1e-5)

Shapes   x (B, I), h (B, H) -> h (B, H); rows stack f, n: weight_ih (2H, I), weight_hh (2H, H), bias_ih (b),
         bias_hh (c), gain_ih, gain_hh (2H,)
Source   Zhou et al. 2016, "Minimal gated unit for recurrent neural networks", arXiv:1603.09420
Differs  two biases, as torch.nn's cells have them, add up to the paper's one; layer_norm is not of the paper:
         it is taken as Ba et al. 2016, arXiv:1607.06450, appendix, take it of a GRU. Some programs let f keep
         the old state, as z does in our GRU. MGU1 to MGU3 of Heck & Salem 2017, arXiv:1701.03452, whose gate
         sees less, are other cells
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unrolled.cells.cell import LAYER_NORM, Cell, Parameters, State, option, product
from unrolled.cells.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
@dataclass(frozen=True)
class MGU(Cell):
    """The equations above."""

    name: ClassVar[str] = "mgu"
    candidate: ClassVar[str] = "n"
    replacing: ClassVar[str] = "f"

    layer_norm: bool = option(False, LAYER_NORM)

    @property
    def stack(self) -> str:
        return "fn"

    def step(self, x: "Tensor", state: State, recurrent: "Tensor", p: Parameters) -> State:
        from torch import sigmoid, tanh

        (h,) = state
        H = h.shape[-1]
        wx_f, wx_n = product(x, p, "ih", H, H)
        uh_f, _ = product(recurrent, p, "hh", H, H)
        f = sigmoid(wx_f + uh_f)
        _, uh_n = product(f * recurrent, p, "hh", H, H)
        n = tanh(wx_n + uh_n)
        return ((1 - f) * h + f * n,)
