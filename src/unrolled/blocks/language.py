"""The network of language models: of the next symbol, from all symbols before it. Per step t:

e_t   = dropout(E[w_t])                row w_t of the embedding
h_t   = layer(e_t, h_{t-1})
logit = W dropout(h_t) + b             of w_{t+1}; tied: W = E R, R there only if sizes differ
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from unrolled.blocks.ensemble import Averaged
from unrolled.blocks.leaves import Embedding, Linear, Parameter
from unrolled.blocks.ops import Array, Carried, Ops, State
from unrolled.blocks.recurrent import Recurrent


@dataclass(frozen=True)
class Language(Averaged):
    """w -> logits (…, V), and the state to go on from. Tied, `head` is None and there is a `bias`. `others`:
    further members (ensemble.py)."""

    embedding: Embedding
    layer: Recurrent
    projection: Linear | None = None
    head: Linear | None = None
    bias: Parameter | None = None
    input_dropout: float = 0.0
    output_dropout: float = 0.0
    others: tuple["Language", ...] = ()

    @classmethod
    def of(
        cls, embedding: Embedding, layer: Recurrent, tie: bool, input_dropout: float, output_dropout: float
    ) -> "Language":
        return cls(embedding, layer, *_output(embedding, layer, tie), input_dropout, output_dropout)

    def rules(self) -> Iterator[tuple[object, str]]:
        yield from super().rules()
        yield self.embedding.size == self.layer.input_size, f"{self.embedding} into {self.layer}"
        output = self.projection, self.head, self.bias
        wanted = _output(self.embedding, self.layer, self.head is None)
        yield output == wanted, f"an output of {output}; wanted {wanted}"

    def alone(
        self, ops: Ops, p: Any, steps: Array, state: Carried = None, lengths: Array = None
    ) -> tuple[Array, State]:
        h, after = self.hidden(ops, p, steps, state, lengths)
        if self.head is not None:
            return self.head(ops, p.head, h), after
        return ops.tied(p.embedding, p.bias, h), after

    def hidden(
        self, ops: Ops, p: Any, w: Array, state: Carried = None, lengths: Array = None
    ) -> tuple[Array, State]:
        """What the logits are made of (…, F)."""
        e = ops.dropout(self.embedding(ops, p.embedding, w), self.input_dropout)
        h, after = self.layer(ops, p.layer, e, state, lengths)
        h = ops.dropout(h, self.output_dropout)
        return h if self.projection is None else self.projection(ops, p.projection, h), after


def _output(
    embedding: Embedding, layer: Recurrent, tie: bool
) -> tuple[Linear | None, Linear | None, Parameter | None]:
    """Projection, head and bias."""
    V, E, H = embedding.rows, embedding.size, layer.output_size
    if not tie:
        return None, Linear(H, V), None
    return Linear(H, E, bias=False) if H != E else None, None, Parameter((V,))
