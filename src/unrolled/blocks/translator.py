"""The network that reads a source and writes its target. Per pair x, y:

    h_t = layer(dropout(E x))_t
    o_t = decoder from the last states of h, with attention over h_1 … h_S, reading y_1 … y_{t-1}

decoder as of decoder.py.

Source   Sutskever et al. 2014, arXiv:1409.3215; Bahdanau et al. 2014, arXiv:1409.0473
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from unrolled.blocks.decoder import Condition, Decoder, Writer
from unrolled.blocks.leaves import Embedding
from unrolled.blocks.ops import Array, Ops
from unrolled.blocks.recurrent import Recurrent


@dataclass(frozen=True)
class Translator(Writer):
    """x -> what the decoder is conditioned on. `others`: further members (ensemble.py)."""

    embedding: Embedding
    layer: Recurrent
    decoder: Decoder
    input_dropout: float = 0.0
    others: tuple["Translator", ...] = ()

    def rules(self) -> Iterator[tuple[object, str]]:
        yield from super().rules()
        yield self.embedding.size == self.layer.input_size, f"{self.embedding} into {self.layer}"
        bridge, attention = self.decoder.bridge, self.decoder.attention
        reads, wanted = bridge and bridge.reads, tuple(self.layer.state_sizes.items())
        yield reads == wanted, f"a bridge from {reads!s:.80}; wanted {wanted!s:.80}"
        fits = attention is None or attention.memory_size == self.layer.output_size
        yield fits, f"{attention} reads {self.layer.output_size} numbers a step"
        yield not self.decoder.extra, f"the decoder reads {self.decoder.extra} numbers beside the symbol"

    def __call__(self, ops: Ops, p: Any, x: Array, lengths: Array = None) -> Condition:
        e = ops.dropout(self.embedding(ops, p.embedding, x), self.input_dropout)
        h, last = self.layer(ops, p.layer, e, None, lengths)
        assert self.decoder.bridge is not None
        state = self.decoder.bridge(ops, p.decoder.bridge, last)
        return Condition(state, self.decoder.memory(ops, p.decoder, h, lengths))
