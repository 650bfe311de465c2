"""The network of transcripts: at every step what is labelled there, or that nothing is. Per row:

    x_t     numbers, changed at random in training
    s_i     = [x_{k(i-1)+1} … x_{ki}]           k steps side by side; zeros where the last ones lack some
    y_i     = layer(dropout(s))_i
    log p_i = log softmax(W dropout(y_i) + b)

of no label and of each (decoding/ctc.py), or of each state of a hidden Markov model (decoding/hybrid.py). Of
several members (ensemble.py) log p_i = log softmax(mean of theirs).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from unrolled.blocks.block import Block, Shapes
from unrolled.blocks.ensemble import Averaged, mean
from unrolled.blocks.front import shortened
from unrolled.blocks.leaves import Linear
from unrolled.blocks.ops import Array, Carried, Ops, State
from unrolled.blocks.pooled import Numbers
from unrolled.blocks.recurrent import Recurrent


@dataclass(frozen=True)
class Chain(Block):
    """What alignments say of each of `size` states: how likely a path stays there, and its share of all
    steps; and how likely there is a pause. Estimated, not learned by gradients."""

    leaf: ClassVar[str] = "estimates"

    size: int

    def shapes(self) -> Shapes:
        return {"stay": (self.size,), "pause": (), "prior": (self.size,)}


@dataclass(frozen=True)
class Transcriber(Averaged):
    """x (…, I) -> log p (…, O), of ⌈T / k⌉ steps for T. `subsample` k; `chain` where outputs are states."""

    encoder: Numbers
    layer: Recurrent
    head: Linear
    chain: Chain | None = None
    subsample: int = 1
    input_dropout: float = 0.0
    output_dropout: float = 0.0
    others: tuple["Transcriber", ...] = ()

    def rules(self) -> Iterator[tuple[object, str]]:
        yield from super().rules()
        sizes = self.subsample * self.encoder.size, self.layer.output_size
        wanted = self.layer.input_size, self.head.inputs
        yield sizes == wanted, f"sizes {sizes} do not meet {wanted}"
        states = self.head.outputs if self.chain is None else self.chain.size
        yield states == self.head.outputs, f"{states} states of {self.head.outputs} outputs"

    def steps(self, lengths: Array) -> Array:
        """⌈length / k⌉."""
        return shortened(lengths, self.subsample)

    def together(self, ops: Ops, each: Sequence[Array]) -> Array:
        return ops.log_softmax(mean(each))

    def alone(
        self, ops: Ops, p: Any, steps: Array, state: Carried = None, lengths: Array = None
    ) -> tuple[Array, State]:
        x = self.encoder(ops, p.encoder, steps, lengths)
        s = ops.side_by_side(x, lengths, self.subsample)
        lengths = shortened(lengths, self.subsample)
        y, after = self.layer(ops, p.layer, ops.dropout(s, self.input_dropout), state, lengths)
        return ops.log_softmax(self.head(ops, p.head, ops.dropout(y, self.output_dropout))), after
