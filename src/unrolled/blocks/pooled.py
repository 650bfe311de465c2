"""The network of tasks with one answer for a whole sequence. Per row:

    e_t = encoder(x_t)           text: a row of the embedding; numbers: changed at random in training
    y_t = layer(dropout(e))_t    the recurrent layers, t = 1 … T, T the row's length
    p_t = pooling(y_1 … y_t)     leaves.py
    o_t = W dropout(p_t) + b     the answer is o_T; o_t is that to the first t steps

Steps are added from the first to the last (kernels/torch/pooling.py): neither the padding nor the batch
changes a bit, and what the sum of the first t steps comes to is known after t steps.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from unrolled.blocks.block import Block
from unrolled.blocks.leaves import Embedding, Linear, Pooling
from unrolled.blocks.ops import Array, Carried, Ops, State
from unrolled.blocks.recurrent import Recurrent


@dataclass(frozen=True)
class Numbers(Block):
    """x (…, width) as it is; in training with noise, and with stretches hidden (ops/augment.py)."""

    size: int
    noise: float = 0.0
    time_mask: float = 0.0
    feature_mask: float = 0.0

    @property
    def reads(self) -> tuple[str, int]:
        """What a step is: so many numbers."""
        return "numbers", self.size

    def __call__(self, ops: Ops, p: Any, x: Array, lengths: Array = None) -> Array:
        return ops.augmented(x, lengths, self.noise, self.time_mask, self.feature_mask)


@dataclass(frozen=True)
class Pooled(Block):
    """steps -> o, of every step or of the last."""

    encoder: Embedding | Numbers
    layer: Recurrent
    pooling: Pooling
    head: Linear
    input_dropout: float = 0.0
    output_dropout: float = 0.0

    def rules(self) -> Iterator[tuple[object, str]]:
        sizes = self.encoder.size, self.layer.output_size, self.layer.output_size
        wanted = self.layer.input_size, self.pooling.size, self.head.inputs
        yield sizes == wanted, f"sizes {sizes} do not meet {wanted}"

    def __call__(
        self, ops: Ops, p: Any, steps: Array, state: Carried = None, lengths: Array = None, last: bool = False
    ) -> tuple[Array, State]:
        x = self.encoder(ops, p.encoder, steps, lengths)
        y, after = self.layer(ops, p.layer, ops.dropout(x, self.input_dropout), state, lengths)
        v, pooled = self.pooling(ops, p.pooling, y, state, lengths, last)
        return self.head(ops, p.head, ops.dropout(v, self.output_dropout)), after | pooled
