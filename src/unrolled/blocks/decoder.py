"""A recurrent network that writes an answer, symbol by symbol, with an eye on what it answers. Per row:

    s_0 = bridge of what was read, or zero
    x_t = [E w_{t-1}; v]                  w_0 the begin symbol; v, where there is one, the same at each step
    s_t = layer(dropout(x))_t
    g_t = tanh(W_g [s_t; c_t] + b_g)      c_t what attention at s_t reads; without attention g_t = s_t
    o_t = W_o dropout(g_t) + b_o          of the symbols and the end

What attention reads is no input of the next step, so all steps of a known answer are one call of the layers.
Of V symbols the end has number V and the begin, which is never written, V + 1.

Shapes   w (…) -> o (…, V + 1); what attention reads y (…, M); v (B, extra)
Source   Luong et al. 2015, arXiv:1508.04025 (attention after the layers, without feeding it back); the bridge
         as in Bahdanau et al. 2014, arXiv:1409.0473
Rule     a row has the bits that it has alone; k steps one by one have the bits of one call over k steps
"""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from unrolled.blocks.block import Block
from unrolled.blocks.ensemble import Ensemble
from unrolled.blocks.leaves import Attention, Embedding, Linear
from unrolled.blocks.ops import Array, Memory, Ops, State
from unrolled.blocks.recurrent import Recurrent

Sizes = tuple[tuple[str, int], ...]  # name and size of each array of a state
MOST_STATES = 1 << 10


def end_of(symbols: int) -> int:
    """The number that ends an answer of so many symbols."""
    return symbols


class Condition(NamedTuple):
    """What an answer is conditioned on: the state before its first step, what attention reads, and v."""

    state: State
    memory: Memory | None = None
    extra: Array | None = None


@dataclass(frozen=True)
class Bridge(Block):
    """A state from arrays that were read: of each W r + b, of h its tanh, r the arrays of the same kind and
    layer side by side. Of a layer that was not read stands the last one, of a kind that was not read h."""

    reads: Sizes
    makes: Sizes
    linears: tuple[Linear, ...]

    @classmethod
    def of(cls, reads: Mapping[str, int], layer: Recurrent) -> "Bridge | None":
        """To the state of a layer; None where nothing is read."""
        sizes = tuple(reads.items()), tuple(layer.state_sizes.items())
        return cls(*sizes, _linears(*sizes)) if reads else None

    def rules(self) -> Iterator[tuple[object, str]]:
        most = max(len(self.reads), len(self.makes))
        yield 0 < most <= MOST_STATES, f"a bridge of {most} arrays"
        wanted = _linears(self.reads, self.makes)
        yield self.linears == wanted, f"a bridge of {self.linears!s:.80}; wanted {wanted!s:.80}"

    def __call__(self, ops: Ops, p: Any, state: Mapping[str, Array]) -> State:
        after: State = {}
        read = sources(self.reads, self.makes)
        for (name, _), names, linear, weights in zip(self.makes, read, self.linears, p.linears, strict=True):
            array = linear(ops, weights, ops.concat(*(state[one] for one in names)))
            after[name] = ops.tanh(array) if name.endswith(".h") else array
        return after


def _linears(reads: Sizes, makes: Sizes) -> tuple[Linear, ...]:
    sizes = dict(reads)
    inputs = [sum(sizes[name] for name in names) for names in sources(reads, makes)]
    return tuple(Linear(total, size) for total, (_, size) in zip(inputs, makes, strict=True))


def sources(reads: Sizes, makes: Sizes) -> list[list[str]]:
    """Of each array that a bridge makes the names of those that are read for it."""
    layers: dict[str, list[str]] = {}
    for name, _ in reads:
        layers.setdefault(name.split(".")[0], []).append(name)
    each = []
    for name, _ in makes:
        layer, _, kind = name.split(".")
        nearest = layers[f"layer{min(int(layer.removeprefix('layer')), len(layers) - 1)}"]
        same = [one for one in nearest if one.endswith(f".{kind}")]
        each.append(same or [one for one in nearest if one.endswith(".h")])
    return each


def require_bridge(layer: Recurrent, bridge: Bridge | None) -> Iterator[tuple[object, str]]:
    """Rules of layers that write: they read forward, and a bridge makes their state."""
    yield layer.causal, "the layers that write read backward"
    makes, wanted = bridge and bridge.makes, tuple(layer.state_sizes.items())
    yield makes in (None, wanted), f"a bridge to {makes!s:.80}; wanted {wanted!s:.80}"


@dataclass(frozen=True)
class Decoder(Block):
    """w -> o, from the state before. `extra` numbers of v go into each step."""

    embedding: Embedding
    layer: Recurrent
    bridge: Bridge | None
    attention: Attention | None
    join: Linear | None
    head: Linear
    dropout: float = 0.0

    @classmethod
    def of(
        cls,
        symbols: int,
        embedding_size: int,
        layer: Recurrent,
        bridge: Bridge | None,
        attention: Attention | None,
        dropout: float,
    ) -> "Decoder":
        """Of V symbols."""
        embedding, head = Embedding(symbols + 2, embedding_size), Linear(layer.output_size, symbols + 1)
        return cls(embedding, layer, bridge, attention, _join(layer, attention), head, dropout)

    def rules(self) -> Iterator[tuple[object, str]]:
        yield from require_bridge(self.layer, self.bridge)
        H, join = self.layer.output_size, _join(self.layer, self.attention)
        yield self.join == join, f"attention is joined by {self.join}; wanted {join}"
        yield self.attention is None or self.attention.query_size == H, f"{self.attention} of {H} units"
        head = Linear(H, self.embedding.rows - 1)
        yield self.head == head, f"the head is {self.head}; wanted {head}"
        yield self.extra >= 0, f"{self.layer.input_size} numbers a step, {self.embedding.size} of the symbol"

    @property
    def symbols(self) -> int:
        """V."""
        return self.embedding.rows - 2

    @property
    def writes(self) -> tuple[str, int]:
        """One of so many symbols a step, beside the end."""
        return "symbols", self.symbols

    @property
    def end(self) -> int:
        return end_of(self.symbols)

    @property
    def begin(self) -> int:
        return self.symbols + 1

    @property
    def extra(self) -> int:
        return self.layer.input_size - self.embedding.size

    def memory(self, ops: Ops, p: Any, y: Array, lengths: Array = None) -> Memory | None:
        """What attention reads of y."""
        return None if self.attention is None else ops.memory(p.attention, y, lengths)

    def __call__(
        self,
        ops: Ops,
        p: Any,
        w: Array,
        state: Mapping[str, Array],
        memory: Memory | None = None,
        extra: Array | None = None,
        lengths: Array = None,
        rows: Any = None,
    ) -> tuple[Array, State, Array | None]:
        """o, the state after each row's last step, and the weights of attention. `rows` (N,): which row of
        the memory each one reads."""
        x, weights = self.embedding(ops, p.embedding, w), None
        if self.extra:
            x = ops.concat(x, ops.at_each_step(extra, x))
        s, after = self.layer(ops, p.layer, ops.dropout(x, self.dropout), state, lengths)
        if self.attention is not None and self.join is not None and memory is not None:
            c, weights = self.attention(ops, p.attention, s, memory, rows)
            s = ops.tanh(self.join(ops, p.join, ops.concat(s, c)))
        return self.head(ops, p.head, ops.dropout(s, self.dropout)), after, weights

    def stepper(self, ops: Ops, p: Any, condition: Condition) -> Callable[[Any, Any, Any], Any]:
        """For decoding/search.py. Its arrays are numpy's."""
        state, memory, extra = condition

        def step(tokens: Any, parents: Any, rows: Any) -> Any:
            nonlocal state
            before = {name: ops.selected(array, parents) for name, array in state.items()}
            v = None if extra is None else ops.selected(extra, rows)
            o, state, _ = self(ops, p, ops.one_step(tokens), before, memory, v, rows=rows)
            return ops.of_one_step(ops.log_softmax(o))

        return step


class Writer(Ensemble):
    """A network that reads, and whose `decoder` writes what it read of. Members write together: each reads
    what all of them wrote."""

    decoder: Any

    @abstractmethod
    def __call__(self, *arguments: Any, **options: Any) -> Condition:
        """(ops, p, x, …) -> what its own decoder is conditioned on."""

    def conditions(self, ops: Ops, p: Any, *x: Any) -> list[Condition]:
        """That of each member's."""
        return [one(ops, weights, *x) for one, weights in self.parts(p)]

    def steppers(self, ops: Ops, p: Any, conditions: Sequence[Condition]) -> list[Callable[..., Any]]:
        """Of each member's decoder, from the first step on."""
        return [
            one.decoder.stepper(ops, weights.decoder, condition)
            for (one, weights), condition in zip(self.parts(p), conditions, strict=True)
        ]


def _join(layer: Recurrent, attention: Attention | None) -> Linear | None:
    H = layer.output_size
    return None if attention is None else Linear(H + attention.memory_size, H)
