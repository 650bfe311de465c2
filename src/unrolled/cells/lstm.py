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

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from unrolled.cells.cell import (
    LAYER_NORM,
    Cell,
    Parameters,
    Refusals,
    Shapes,
    State,
    layer_norm,
    option,
    product,
)
from unrolled.cells.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
@dataclass(frozen=True)
class LSTM(Cell):
    """The equations above."""

    name: ClassVar[str] = "lstm"
    states: ClassVar[tuple[str, ...]] = ("h", "c")
    torch: ClassVar[frozenset[str] | None] = frozenset({"proj_size"})
    candidate: ClassVar[str] = "g"
    keeping: ClassVar[str] = "f"
    replacing: ClassVar[str] = "i"
    passing: ClassVar[str] = "o"

    proj_size: int = option(
        0,
        "numbers that h is projected to, a smaller answer of the same memory; 0: it is not",
        task="projection",
        least=0,
    )
    peephole: bool = option(False, "the gates see the cell state, the output gate the new one: finer timing")
    cells_per_block: int = option(
        1, "cells that share one set of gates: fewer weights, and less say over what each keeps", least=1
    )
    coupled_input_forget: bool = option(
        False, "the forget gate is one minus the input gate: what comes in replaces what was there"
    )
    layer_norm: bool = option(False, LAYER_NORM)
    forget_bias: float | None = option(
        None,
        "first value of the forget gate's whole bias; above 0 it remembers longer from the start",
        initial=True,
    )

    def refusals(self) -> Refusals:
        yield (
            self.forget_bias is not None and self.coupled_input_forget,
            "forget_bias and coupled_input_forget exclude each other: a coupled cell has no forget gate of "
            "its own; leave forget_bias out",
        )

    @property
    def stack(self) -> str:
        return "igo" if self.coupled_input_forget else "ifgo"

    @property
    def block(self) -> int:
        return self.cells_per_block

    @property
    def kernel(self) -> str:
        return "lstm" + ".coupled" * self.coupled_input_forget + ".peephole" * self.peephole

    def state_sizes(self, hidden_size: int) -> tuple[int, ...]:
        return (self.proj_size or hidden_size, hidden_size)

    def size_refusals(self, hidden_size: int, bias: bool) -> Refusals:
        H, K, P = hidden_size, self.cells_per_block, self.proj_size
        yield P >= H, f"proj_size={P} must be smaller than hidden_size={H}"
        yield H % K, f"hidden_size={H} is not a multiple of cells_per_block={K}; choose {H - H % K or K}"
        unbiased = self.forget_bias is not None and not bias
        yield unbiased, "forget_bias and bias=False exclude each other; leave one out"

    def further_shapes(self, hidden_size: int, bias: bool) -> Shapes:
        H = hidden_size
        shapes: Shapes = {"weight_hr": (self.proj_size, H)} if self.proj_size else {}
        shapes |= {"weight_peephole": (self.gates - 1, H)} if self.peephole else {}
        shapes |= super().further_shapes(H, bias)
        shapes |= {"gain_c": (H,)} if self.layer_norm else {}
        return shapes | ({"shift_c": (H,)} if self.layer_norm and bias else {})

    def constants(self, names: Collection[str], hidden_size: int) -> Iterator[tuple[str, slice, float]]:
        yield from super().constants(names, hidden_size)
        if self.forget_bias is not None:
            rows = self.rows_of(hidden_size)["f"]
            yield "bias_ih", rows, self.forget_bias
            yield "bias_hh", rows, 0.0

    def step(self, x: "Tensor", state: State, recurrent: "Tensor", p: Parameters) -> State:
        import torch
        from torch.nn.functional import linear

        _, c = state
        H = c.shape[-1]
        M, S = H // self.cells_per_block, self.rows(H)
        (wx,), (uh,) = product(x, p, "ih", S), product(recurrent, p, "hh", S)
        names = "igo" if self.coupled_input_forget else "ifgo"
        sizes = [H if gate == "g" else M for gate in names]
        a = dict(zip(names, torch.split(wx + uh, sizes, -1), strict=True))
        seen = dict(zip(names.replace("g", ""), p["weight_peephole"], strict=True)) if self.peephole else {}
        i = self._gate(a["i"], c, seen.get("i"))
        f = 1 - i if self.coupled_input_forget else self._gate(a["f"], c, seen.get("f"))
        c = f * c + i * torch.tanh(a["g"])
        o = self._gate(a["o"], c, seen.get("o"))
        m = layer_norm(c, p["gain_c"], p.get("shift_c")) if self.layer_norm else c
        h = o * torch.tanh(m)
        return (linear(h, p["weight_hr"]) if self.proj_size else h, c)

    def _gate(self, a: "Tensor", c: "Tensor", peephole: "Tensor | None") -> "Tensor":
        """σ of a (B, M) and the peepholes of c (B, H), once for each cell: (B, H)."""
        K = self.cells_per_block
        if peephole is not None:
            a = a + (peephole * c).reshape(*a.shape, K).sum(-1)
        gate = a.sigmoid()
        return gate if K == 1 else gate.unsqueeze(-1).expand(*gate.shape, K).flatten(-2)
