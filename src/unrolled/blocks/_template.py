"""A network to copy, of tasks/_template.py: an answer for the next step from all steps before it. Per step:

    x_t = [z_t, w_t]                codecs/inputs.py: F scaled numbers, and which of them are missing
    h_t = layer(x_t, h_{t-1})
    o_t = z_t + W h_t + b           an answer for z_{t+1}; W and b begin at zero

The world that computes it hands in its operations `ops` (blocks/ops.py) and the parameters p, by the names of
the fields. Use nothing else: then it trains in torch, streams without it and is exported as it stands.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from unrolled.blocks.block import Block
from unrolled.blocks.leaves import Linear
from unrolled.blocks.ops import Array, Carried, Ops, State
from unrolled.blocks.pooled import Numbers
from unrolled.blocks.recurrent import Recurrent


@dataclass(frozen=True)
class Next(Block):
    """x -> o (…, F). NEW: the fields, of which `encoder` is what reads the steps."""

    encoder: Numbers
    layer: Recurrent
    head: Linear

    def rules(self) -> Iterator[tuple[object, str]]:
        """NEW: which sizes must meet; a description that anybody may have written is held against it."""
        sizes = self.encoder.size, self.layer.output_size
        wanted = self.layer.input_size, self.head.inputs
        yield sizes == wanted, f"sizes {sizes} do not meet {wanted}"
        F = self.head.outputs
        yield self.encoder.size >= F, f"{F} answers from {self.encoder.size} numbers"

    def __call__(
        self, ops: Ops, p: Any, steps: Array, state: Carried = None, lengths: Array = None
    ) -> tuple[Array, State]:
        """NEW: the equations. Hand `lengths` to the layer, and let nothing else look at other steps: then a
        row has the same bits alone and in any batch, whole and in a stream."""
        x = self.encoder(ops, p.encoder, steps, lengths)
        h, after = self.layer(ops, p.layer, x, state, lengths)
        return x[..., : self.head.outputs] + self.head(ops, p.head, h), after
