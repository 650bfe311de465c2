"""The networks of forecasters: here the one that feeds its forecasts back; direct.py has the one that gives
all steps at once. Per step t of a series, of its K scaled targets z_t and all else that is known,
r_t (codecs/series.py):

    h_t = layer([z_t - a, r_t], h_{t-1})     a = z_1 in the targets of relative level, else 0
    o_t = W h_t + b                          W and b are zero at first; dropout on h_t
    ŷ_t = output(o_t) moved by b_t           b_t = z_t where residual, else a

ŷ_t are the distributions of z_{t+1} … z_{t+S}. An untrained residual network is persistence.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from unrolled.blocks.block import Block, require_sizes
from unrolled.blocks.leaves import Linear
from unrolled.blocks.ops import Array, Carried, Ops, State
from unrolled.blocks.outputs import Output
from unrolled.blocks.recurrent import Recurrent


class Forecaster(Block, ABC):
    """What both have: raw numbers (…, S, K, R) of an `output`, of rows of `inputs` numbers."""

    output: Output

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """S, K, and how many raw numbers there are."""

    @property
    @abstractmethod
    def inputs(self) -> int:
        """I."""


@dataclass(frozen=True)
class Recursive(Forecaster):
    """[z, r] (…, I) -> raw numbers (…, S, K, R). `steps` S; `relative`, for each of the K targets."""

    layer: Recurrent
    head: Linear
    output: Output
    steps: int
    relative: tuple[bool, ...]
    residual: bool = True
    output_dropout: float = 0.0

    @classmethod
    def of(
        cls,
        layer: Recurrent,
        output: Output,
        steps: int,
        relative: tuple[bool, ...],
        residual: bool,
        output_dropout: float = 0.0,
    ) -> "Recursive":
        head = Linear(layer.output_size, steps * len(relative) * output.size, zero=True)
        return cls(layer, head, output, steps, relative, residual, output_dropout)

    def rules(self) -> Iterator[tuple[object, str]]:
        require_sizes(self, {"targets": len(self.relative)})
        yield self.layer.causal, "forecasts would depend on the steps to come"
        yield len(self.relative) <= self.layer.input_size, f"{len(self.relative)} targets"
        outputs = math.prod(self.shape)
        wanted = Linear(self.layer.output_size, outputs, zero=True)
        yield self.head == wanted, f"the head is {self.head}; wanted {wanted}"

    @property
    def inputs(self) -> int:
        return self.layer.input_size

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.steps, len(self.relative), self.output.size

    def start(self, ops: Ops, p: Any, rows: int) -> State:
        state = self.layer.start(ops, p.layer, rows)
        return state | ops.anchor_start(p.head, len(self.relative), rows)

    def __call__(
        self, ops: Ops, p: Any, x: Array, state: Carried = None, lengths: Array = None
    ) -> tuple[Array, State]:
        K = len(self.relative)
        z, r = x[..., :K], x[..., K:]
        a, anchored = ops.anchor(z, self.relative, state, lengths)
        h, after = self.layer(ops, p.layer, ops.concat(z - a, r), state, lengths)
        o = self.head(ops, p.head, ops.dropout(h, self.output_dropout))
        raw = o.reshape(*o.shape[:-1], *self.shape)
        base = z if self.residual else a
        return self.output.moved(ops, raw, base[..., None, :]), after | anchored
