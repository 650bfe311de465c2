"""Strided convolutions over time before recurrent layers. Per stage, of rows of length T_0 = T:

    T_k = ⌈T_{k-1} / 2⌉
    x^k_i = relu(W^k [x^{k-1}_{2i-2} … x^{k-1}_{2i+2}] + b^k)        i = 1 … T_k, 0 outside of the row

A convolution is a linear layer over copied steps: torch's own may add up in another order in a larger batch.
What a step becomes depends on steps behind it: such a network reads whole sequences.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from unrolled.blocks.block import Block
from unrolled.blocks.leaves import Linear
from unrolled.blocks.ops import Array, Ops

WIDTH, STRIDE = 5, 2  # steps that a stage reads at once, and from one reading to the next


@dataclass(frozen=True)
class Front(Block):
    """x (…, I) of T steps -> (…, O) of ⌈T / 2^K⌉, K stages."""

    stages: tuple[Linear, ...]

    @classmethod
    def of(cls, inputs: int, size: int, stages: int) -> "Front":
        """Stages of so many numbers a step."""
        widths = pairwise([inputs] + [size] * stages)
        return cls(tuple(Linear(WIDTH * read, written) for read, written in widths))

    def rules(self) -> Iterator[tuple[object, str]]:
        yield len(self.stages) > 0, "a front of no stage"
        wanted = [WIDTH * one for one in (self.inputs, *(stage.outputs for stage in self.stages[:-1]))]
        sizes = [stage.inputs for stage in self.stages]
        yield sizes == wanted, f"stages that read {sizes!s:.80} numbers; wanted {wanted!s:.80}"

    @property
    def inputs(self) -> int:
        """I."""
        return self.stages[0].inputs // WIDTH

    @property
    def outputs(self) -> int:
        """O."""
        return self.stages[-1].outputs

    @property
    def causal(self) -> bool:
        return False

    def __call__(self, ops: Ops, p: Any, x: Array, lengths: Array) -> tuple[Array, Array]:
        for stage, weights in zip(self.stages, p.stages, strict=True):
            x = ops.relu(stage(ops, weights, ops.side_by_side(x, lengths, STRIDE, WIDTH)))
            lengths = shortened(lengths, STRIDE)
        return x, lengths


def shortened(lengths: Any, k: int) -> Any:
    """⌈length / k⌉; None where none are told."""
    return None if lengths is None else -(-lengths // k)
