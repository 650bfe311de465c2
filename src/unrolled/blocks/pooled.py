"""The network of tasks with one answer for a whole sequence. Per row:

    e_t = encoder(x_t)           text: a row of the embedding; numbers: changed at random in training
    y_t = layer(dropout(e))_t    the recurrent layers, t = 1 … T, T the row's length
    p_t = pooling(y_1 … y_t)     leaves.py
    o_t = W dropout(p_t) + b     the answer is o_T; o_t is that to the first t steps

Of several members, networks alike with weights of their own, o_t is the mean of theirs.

Steps are added from the first to the last (kernels/torch/pooling.py): neither the padding nor the batch
changes a bit, and what the sum of the first t steps comes to is known after t steps.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from unrolled.blocks.block import Block, at
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
    """steps -> o, of every step or of the last. `others`: further members, each alike."""

    encoder: Embedding | Numbers
    layer: Recurrent
    pooling: Pooling
    head: Linear
    input_dropout: float = 0.0
    output_dropout: float = 0.0
    others: tuple["Pooled", ...] = ()

    def rules(self) -> Iterator[tuple[object, str]]:
        sizes = self.encoder.size, self.layer.output_size, self.layer.output_size
        wanted = self.layer.input_size, self.pooling.size, self.head.inputs
        yield sizes == wanted, f"sizes {sizes} do not meet {wanted}"
        alike = not self.others or all(one == replace(self, others=()) for one in self.others)
        yield alike, f"members that are not alike: {self.others!s:.80}"

    def start(self, ops: Ops, p: Any, rows: int) -> State:
        state: State = {}
        for path, block in self.inner().items():
            prefix = f"{path}." if path.startswith("others.") else ""
            state |= {prefix + name: array for name, array in block.start(ops, at(p, path), rows).items()}
        return state

    def __call__(
        self, ops: Ops, p: Any, steps: Array, state: Carried = None, lengths: Array = None, last: bool = False
    ) -> tuple[Array, State]:
        each, after = self.each(ops, p, steps, state, lengths, last)
        return (sum(each[1:], each[0]) / len(each) if self.others else each[0]), after

    def each(
        self, ops: Ops, p: Any, steps: Array, state: Carried = None, lengths: Array = None, last: bool = False
    ) -> tuple[list[Array], State]:
        """What each member says. The states of the others have their paths in front of their names."""
        first, after = self._alone(ops, p, steps, state, lengths, last)
        said = [first]
        for k, one in enumerate(self.others):
            prefix = f"others.{k}."
            before = None if state is None else _within(prefix, state)
            o, carried = one(ops, p.others[k], steps, before, lengths, last)
            said.append(o)
            after = after | {prefix + name: array for name, array in carried.items()}
        return said, after

    def _alone(
        self, ops: Ops, p: Any, steps: Array, state: Carried, lengths: Array, last: bool
    ) -> tuple[Array, State]:
        x = self.encoder(ops, p.encoder, steps, lengths)
        y, after = self.layer(ops, p.layer, ops.dropout(x, self.input_dropout), state, lengths)
        v, pooled = self.pooling(ops, p.pooling, y, state, lengths, last)
        return self.head(ops, p.head, ops.dropout(v, self.output_dropout)), after | pooled


def _within(prefix: str, state: Mapping[str, Array]) -> State:
    """What stands under a prefix, without it."""
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
