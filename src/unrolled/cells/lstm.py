"""Long short-term memory. Per step t, σ logistic, ⊙ elementwise:

    i_t = σ(W_i x_t + b_i + U_i h_{t-1} + d_i)        input gate
    f_t = σ(W_f x_t + b_f + U_f h_{t-1} + d_f)        forget gate
    g_t = tanh(W_g x_t + b_g + U_g h_{t-1} + d_g)     candidate
    o_t = σ(W_o x_t + b_o + U_o h_{t-1} + d_o)        output gate
    c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t
    h_t = o_t ⊙ tanh(c_t)

peephole              p_i ⊙ c_{t-1}, p_f ⊙ c_{t-1} and p_o ⊙ c_t are added inside the three σ
coupled_input_forget  f_t = 1 - i_t, three rows stack i, g, o
cells_per_block = K   H cells stand in M = H / K blocks; i, f and o have one unit a block, which its K cells
                      share; peepholes come from every cell of the block and are summed per gate
layer_norm            W x and U h are normalised each over its whole stack, times a gain, before b and d are
                      added; tanh(c_t) becomes tanh(gain_c ⊙ N(c_t) + shift_c);
                      N(a) = (a - mean a) / sqrt(var a + 1e-5)
proj_size = P         h_t = R (o_t ⊙ tanh(c_t)), so that h is (B, P)
forget_bias           b_f starts at this value and d_f at zero, whatever was drawn

Shapes   x (B, I), h (B, P or H), c (B, H) -> h, c; rows stack i, f, g, o, S = 3M + H of them (4H when K = 1):
         weight_ih (S, I), weight_hh (S, P or H), bias_ih (b) and bias_hh (d) (S,), weight_hr (R) (P, H),
         weight_peephole (3, H) rows i, f, o (2, H where coupled), gain_ih, gain_hh (S,), gain_c, shift_c (H,)
Source   Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735; forget gate Gers et al. 2000;
         peepholes Gers & Schmidhuber 2000; blocks Graves 2012, "Supervised sequence labelling", ch. 4;
         coupling Greff et al. 2015, arXiv:1503.04069; projection Sak et al. 2014, arXiv:1402.1128;
         normalisation Ba et al. 2016, arXiv:1607.06450, eq. 20 to 22
Differs  the 1997 cell had no forget gate; Keras stacks i, f, c, o and ONNX i, o, f, c;
         some "peephole" cells let o see c_{t-1}
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import layer_norm, linear

from unrolled.cells.cell import Cell, refuse


@dataclass(frozen=True)
class LSTM(Cell):
    """The equations above."""

    name: ClassVar[str] = "lstm"
    states: ClassVar[tuple[str, ...]] = ("h", "c")

    proj_size: int = 0
    peephole: bool = False
    cells_per_block: int = 1
    coupled_input_forget: bool = False
    layer_norm: bool = False
    forget_bias: float | None = None

    def __post_init__(self) -> None:
        refuse(
            [
                (self.proj_size < 0, f"proj_size={self.proj_size}: wanted 0 (no projection) or more"),
                (self.cells_per_block < 1, f"cells_per_block={self.cells_per_block}: wanted 1 or more"),
                (
                    self.forget_bias is not None and self.coupled_input_forget,
                    "forget_bias and coupled_input_forget exclude each other: a coupled cell has no forget "
                    "gate of its own; leave forget_bias out",
                ),
            ]
        )

    @property
    def gates(self) -> int:
        return 3 if self.coupled_input_forget else 4

    @property
    def block(self) -> int:
        return self.cells_per_block

    @cached_property
    def wants(self) -> frozenset[str]:
        wanted = {
            "proj_size": self.proj_size > 0,
            "peephole": self.peephole,
            "cells_per_block": self.cells_per_block > 1,
            "coupled_input_forget": self.coupled_input_forget,
            "layer_norm": self.layer_norm,
        }
        return frozenset(name for name, on in wanted.items() if on)

    def rows(self, hidden_size: int) -> dict[str, int]:
        """Rows of each gate in the stack, in order."""
        M = hidden_size // self.cells_per_block
        rows = {"i": M, "f": M, "g": hidden_size, "o": M}
        return {gate: n for gate, n in rows.items() if not (gate == "f" and self.coupled_input_forget)}

    def state_sizes(self, hidden_size: int) -> tuple[int, ...]:
        return (self.proj_size or hidden_size, hidden_size)

    def shapes(self, input_size: int, hidden_size: int, bias: bool) -> dict[str, tuple[int, ...]]:
        self._check_sizes(hidden_size, bias)
        H, P, S = hidden_size, self.proj_size, sum(self.rows(hidden_size).values())
        shapes: dict[str, tuple[int, ...]] = {"weight_ih": (S, input_size), "weight_hh": (S, P or H)}
        shapes |= {"bias_ih": (S,), "bias_hh": (S,)} if bias else {}
        shapes |= {"weight_hr": (P, H)} if P else {}
        shapes |= {"weight_peephole": (self.gates - 1, H)} if self.peephole else {}
        shapes |= {"gain_ih": (S,), "gain_hh": (S,), "gain_c": (H,)} if self.layer_norm else {}
        return shapes | ({"shift_c": (H,)} if self.layer_norm and bias else {})

    def _check_sizes(self, H: int, bias: bool) -> None:
        K, P = self.cells_per_block, self.proj_size
        refuse(
            [
                (P >= H, f"proj_size={P} must be smaller than hidden_size={H}"),
                (H % K, f"hidden_size={H} is not a multiple of cells_per_block={K}; choose {H - H % K or K}"),
                (
                    self.forget_bias is not None and not bias,
                    "forget_bias and bias=False exclude each other; leave one out",
                ),
            ]
        )

    def initialise(self, p: Mapping[str, Tensor], bound: float) -> None:
        super().initialise(p, bound)
        if self.forget_bias is not None:
            M = p["bias_ih"].shape[0] // (3 + self.cells_per_block)
            forget = slice(M, 2 * M)
            with torch.no_grad():
                p["bias_ih"][forget] = self.forget_bias
                p["bias_hh"][forget] = 0.0

    def step(
        self, x: Tensor, state: tuple[Tensor, ...], recurrent: Tensor, p: Mapping[str, Tensor]
    ) -> tuple[Tensor, ...]:
        _, c = state
        products = self._product(x, p, "ih") + self._product(recurrent, p, "hh")
        rows = self.rows(c.shape[-1])
        a = dict(zip(rows, torch.split(products, list(rows.values()), -1), strict=True))
        peepholes = self._peepholes(p)
        i = self._gate(a["i"], c, peepholes.get("i"))
        f = 1 - i if self.coupled_input_forget else self._gate(a["f"], c, peepholes.get("f"))
        c = f * c + i * torch.tanh(a["g"])
        o = self._gate(a["o"], c, peepholes.get("o"))
        m = layer_norm(c, c.shape[-1:], p["gain_c"], p.get("shift_c")) if self.layer_norm else c
        h = o * torch.tanh(m)
        return (linear(h, p["weight_hr"]) if self.proj_size else h, c)

    def _product(self, v: Tensor, p: Mapping[str, Tensor], side: str) -> Tensor:
        """W x + b or U h + d."""
        weight, bias = p[f"weight_{side}"], p.get(f"bias_{side}")
        if not self.layer_norm:
            return linear(v, weight, bias)
        return layer_norm(linear(v, weight), weight.shape[:1], p[f"gain_{side}"], bias)

    def _peepholes(self, p: Mapping[str, Tensor]) -> dict[str, Tensor]:
        if not self.peephole:
            return {}
        names = ("i", "o") if self.coupled_input_forget else ("i", "f", "o")
        return dict(zip(names, p["weight_peephole"].unbind(), strict=True))

    def _gate(self, a: Tensor, c: Tensor, peephole: Tensor | None) -> Tensor:
        """σ of a (B, M) and the peepholes of c (B, H), once for each cell: (B, H)."""
        K = self.cells_per_block
        if peephole is not None:
            a = a + (peephole * c).reshape(*a.shape, K).sum(-1)
        gate = torch.sigmoid(a)
        return gate if K == 1 else gate.unsqueeze(-1).expand(*gate.shape, K).flatten(-2)
