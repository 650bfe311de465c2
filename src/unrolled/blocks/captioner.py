"""The network that tells about an input of one step, in words or in a sequence of numbers. Per input:

    r, y     = encoder(x)                       encoders.py
    s_0      = bridge(r)                        condition state or both; else 0
    words    o_t = decoder of decoder.py, with attention over y, v = r: condition input or both
    numbers  s_t = layer(dropout([ŷ_{t-1}; t = 1; r]))_t         ŷ_0 = 0; r: input or both
             a_t, e_t = W dropout(s_t) + b      what step t is (outputs.py), and how sure it is the last

Shapes   w (…, D + 1), ŷ and t = 1 -> a (…, D, R), e (…)
Source   Graves 2013, arXiv:1308.0850 (handwriting, with a mixture in place of one distribution)
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from unrolled.blocks.block import Block
from unrolled.blocks.decoder import Bridge, Condition, Decoder, Writer, require_bridge
from unrolled.blocks.encoders import Attributes, Convolution, Rows
from unrolled.blocks.leaves import Linear
from unrolled.blocks.ops import Array, Memory, Ops, State
from unrolled.blocks.outputs import Output
from unrolled.blocks.recurrent import Recurrent

CODE = "layer0.code.h"  # its name among the arrays that a bridge reads
CONDITIONS = ("state", "input", "both")


@dataclass(frozen=True)
class NumberDecoder(Block):
    """w -> a, e, from the state before. `size` D; `extra` numbers of r go into each step, no memory."""

    layer: Recurrent
    bridge: Bridge | None
    head: Linear
    size: int
    output: Output
    dropout: float = 0.0

    @classmethod
    def of(
        cls, layer: Recurrent, bridge: Bridge | None, size: int, output: Output, dropout: float
    ) -> "NumberDecoder":
        head = Linear(layer.output_size, size * output.size + 1)
        return cls(layer, bridge, head, size, output, dropout)

    def rules(self) -> Iterator[tuple[object, str]]:
        yield from require_bridge(self.layer, self.bridge)
        head = Linear(self.layer.output_size, self.size * self.output.size + 1)
        yield self.head == head, f"the head is {self.head}; wanted {head}"
        yield self.extra >= 0, f"{self.layer.input_size} numbers a step; wanted {self.size + 1} or more"

    @property
    def writes(self) -> tuple[str, int]:
        """So many numbers a step."""
        return "numbers", self.size

    @property
    def begin(self) -> tuple[float, ...]:
        """w before anything was written."""
        return (*(0.0,) * self.size, 1.0)

    @property
    def extra(self) -> int:
        return self.layer.input_size - self.size - 1

    def __call__(
        self,
        ops: Ops,
        p: Any,
        w: Array,
        state: Mapping[str, Array],
        memory: Memory | None = None,
        extra: Array | None = None,
        lengths: Array = None,
    ) -> tuple[Array, Array, State]:
        x = ops.concat(w, ops.at_each_step(extra, w)) if self.extra else w
        s, after = self.layer(ops, p.layer, ops.dropout(x, self.dropout), state, lengths)
        y = self.head(ops, p.head, ops.dropout(s, self.dropout))
        return y[..., :-1].reshape(*y.shape[:-1], self.size, self.output.size), y[..., -1], after

    def stepper(self, ops: Ops, p: Any, condition: Condition) -> Callable[[Any], tuple[Any, Any]]:
        """For decoding/numbers.py. Its arrays are numpy's."""
        state, _, extra = condition

        def step(w: Any) -> tuple[Any, Any]:
            nonlocal state
            a, e, state = self(ops, p, ops.one_step(w), state, extra=extra)
            return ops.of_one_step(a), ops.of_one_step(e)

        return step


@dataclass(frozen=True)
class Captioner(Writer):
    """x -> what the decoder is conditioned on. `condition`: state, input or both. `others`: further members
    (ensemble.py)."""

    encoder: Convolution | Rows | Attributes
    decoder: Decoder | NumberDecoder
    condition: str
    others: tuple["Captioner", ...] = ()

    def rules(self) -> Iterator[tuple[object, str]]:
        yield from super().rules()
        yield self.condition in CONDITIONS, f"no condition is called {self.condition!s:.40}"
        reads, extra = conditions(self.condition, self.encoder.code_size)
        bridge, decoder = self.decoder.bridge, self.decoder
        sources = {} if bridge is None else dict(bridge.reads)
        yield sources == reads, f"a bridge from {sources!s:.80}; wanted {reads}"
        yield decoder.extra == extra, f"the decoder reads {decoder.extra} numbers beside; wanted {extra}"
        if isinstance(decoder, Decoder) and decoder.attention is not None:
            memory = decoder.attention.memory_size, self.encoder.memory_size
            yield memory[0] == memory[1], f"attention reads {memory[0]} numbers of places of {memory[1]}"

    def __call__(self, ops: Ops, p: Any, *x: Array) -> Condition:
        code, places = self.encoder(ops, p.encoder, *x)
        decoder, weights = self.decoder, p.decoder
        if decoder.bridge is None:
            state = decoder.layer.start(ops, weights.layer, len(code))
        else:
            state = decoder.bridge(ops, weights.bridge, {CODE: code})
        memory = decoder.memory(ops, weights, places) if isinstance(decoder, Decoder) else None
        return Condition(state, memory, code if decoder.extra else None)


def conditions(condition: str, code_size: int) -> tuple[dict[str, int], int]:
    """What of the code the decoder's bridge reads, and how many numbers each step does."""
    reads = {CODE: code_size} if condition != "input" else {}
    return reads, code_size if condition != "state" else 0
