"""The network of tasks with one answer for a whole sequence. Per row:

    e_t = encoder(x_t)           text: a row of the embedding; numbers: changed at random in training
    s_i = [e_{k(i-1)+1} … e_{ki}]    k steps side by side (transcriber.py); then a front, where there is one
    y_i = layer(dropout(s))_i    the recurrent layers, i = 1 … ⌈T / k⌉, T the row's length
    p_i = pooling(y_1 … y_i)     leaves.py; of several poolings one behind the other
    o_i = W dropout(p_i) + b     the answer is the last o; where k = 1 and there is no front, o_t is that to
                                 the first t steps

Of several members (ensemble.py) o_t is the mean of theirs.

Steps are added from the first to the last (kernels/torch/pooling.py): neither the padding nor the batch
changes a bit, and what the sum of the first t steps comes to is known after t steps.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from unrolled.blocks.block import Block
from unrolled.blocks.ensemble import Averaged
from unrolled.blocks.front import Front, shortened
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
class Poolings(Block):
    """Several poolings of the same steps, what they give one behind the other."""

    parts: tuple[Pooling, ...]

    def rules(self) -> Iterator[tuple[object, str]]:
        kinds = [one.kind for one in self.parts]
        yield len(kinds) > 1, f"{len(kinds)} poolings; wanted several"
        yield len(set(kinds)) == len(kinds), f"poolings {kinds!s:.80}; wanted each once"
        sizes = {(one.size, one.forward) for one in self.parts}
        yield len(sizes) == 1, f"poolings of {sizes!s:.80} units"

    @property
    def size(self) -> int:
        """Units of a step."""
        return self.parts[0].size

    @property
    def outputs(self) -> int:
        return len(self.parts) * self.size

    def start(self, ops: Ops, p: Any, rows: int) -> State:
        each = zip(self.parts, p.parts, strict=True)
        return {
            f"{one.kind}.{name}": array
            for one, weights in each
            for name, array in one.start(ops, weights, rows).items()
        }

    def __call__(
        self, ops: Ops, p: Any, y: Array, state: Carried, lengths: Array = None, last: bool = False
    ) -> tuple[Array, State]:
        vectors, after = list[Array](), State()
        for one, weights in zip(self.parts, p.parts, strict=True):
            head = f"{one.kind}."
            carried = (
                None
                if state is None
                else {
                    name.removeprefix(head): array for name, array in state.items() if name.startswith(head)
                }
            )
            v, pooled = one(ops, weights, y, carried, lengths, last)
            vectors.append(v)
            after |= {head + name: array for name, array in pooled.items()}
        return ops.concat(*vectors), after


@dataclass(frozen=True)
class Pooled(Averaged):
    """steps -> o, of every step or of the last. `subsample` k; `others`: further members, each alike."""

    encoder: Embedding | Numbers
    layer: Recurrent
    pooling: Pooling | Poolings
    head: Linear
    input_dropout: float = 0.0
    output_dropout: float = 0.0
    subsample: int = 1
    front: Front | None = None
    others: tuple["Pooled", ...] = ()

    def rules(self) -> Iterator[tuple[object, str]]:
        yield from super().rules()
        front = (self.front.outputs,) if self.front else ()
        sizes = self.subsample * self.encoder.size, *front, self.layer.output_size, self.pooling.outputs
        front = (self.front.inputs,) if self.front else ()
        wanted = *front, self.layer.input_size, self.pooling.size, self.head.inputs
        yield sizes == wanted, f"sizes {sizes} do not meet {wanted}"

    @property
    def causal(self) -> bool:
        """Of steps side by side the first answers depend on the later ones."""
        return super().causal and self.subsample == 1

    def alone(
        self, ops: Ops, p: Any, steps: Array, state: Carried = None, lengths: Array = None, last: bool = False
    ) -> tuple[Array, State]:
        x = ops.side_by_side(self.encoder(ops, p.encoder, steps, lengths), lengths, self.subsample)
        lengths = shortened(lengths, self.subsample)
        if self.front is not None:
            x, lengths = self.front(ops, p.front, x, lengths)
        y, after = self.layer(ops, p.layer, ops.dropout(x, self.input_dropout), state, lengths)
        v, pooled = self.pooling(ops, p.pooling, y, state, lengths, last)
        return self.head(ops, p.head, ops.dropout(v, self.output_dropout)), after | pooled
