"""Blocks with parameters of their own, but for recurrent layers (recurrent.py)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

from unrolled.blocks.block import Block, Shapes, require_sizes
from unrolled.blocks.ops import Array, Memory, Ops, State


@dataclass(frozen=True)
class Linear(Block):
    """x (…, I) -> y (…, O) = x Wᵀ + b; weight W (O, I), bias b (O), drawn as torch.nn does or zero."""

    leaf: ClassVar[str] = "linear"

    inputs: int
    outputs: int
    bias: bool = True
    zero: bool = False

    def shapes(self) -> Shapes:
        weight: Shapes = {"weight": (self.outputs, self.inputs)}
        return weight | ({"bias": (self.outputs,)} if self.bias else {})

    def __call__(self, ops: Ops, p: Any, x: Array) -> Array:
        return ops.linear(p, x)


@dataclass(frozen=True)
class Embedding(Block):
    """index (…) -> row (…, N) of the array weight (V, N), drawn from N(0, scale²) at first."""

    leaf: ClassVar[str] = "embedding"

    rows: int
    size: int
    scale: float = 1.0

    @property
    def reads(self) -> tuple[str, int]:
        """What a step is: one of so many symbols."""
        return "symbols", self.rows

    def shapes(self) -> Shapes:
        return {"weight": (self.rows, self.size)}

    def __call__(self, ops: Ops, p: Any, index: Array, lengths: Array = None) -> Array:
        return ops.embedding(p, index)


@dataclass(frozen=True)
class Parameter(Block):
    """An array by the name of the field, drawn from N(0, scale²) at first; scale 0: zero."""

    leaf: ClassVar[str] = "parameter"

    shape: tuple[int, ...]
    scale: float = 0.0

    def rules(self) -> Iterator[tuple[object, str]]:
        require_sizes(self, {f"dimension {k}": size for k, size in enumerate(self.shape)})
        yield from ()

    def shapes(self) -> Shapes:
        return {"": self.shape}


@dataclass(frozen=True)
class CRF(Block):
    """The scores of a conditional random field over K tags: `transitions` from tag to tag, and of the first
    and the last tag. Zero at first."""

    leaf: ClassVar[str] = "crf"

    tags: int

    def shapes(self) -> Shapes:
        K = self.tags
        return {"transitions": (K, K), "start": (K,), "end": (K,)}


@dataclass(frozen=True)
class Attention(Block):
    """s, y_1 … y_T -> c, what each step of s reads of y, and the weights: equations in nn/attention.py.

    `size` D; None: what the papers have there. Keys and values are made of y once, a memory.
    """

    leaf: ClassVar[str] = "attention"

    kind: str
    query_size: int
    memory_size: int
    size: int | None = None

    def rules(self) -> Iterator[tuple[object, str]]:
        yield self.kind in ("dot", "additive"), f"no attention is called {self.kind!s:.40}"
        if self.size is not None:
            require_sizes(self, {"size": self.size})

    def shapes(self) -> Shapes:
        additive = self.kind == "additive"
        D = self.size or (self.query_size if additive else self.memory_size)
        shapes: Shapes = {"u": (D,)} if additive else {}
        shapes |= {"query.weight": (D, self.query_size)}
        if additive or self.size is not None:
            shapes |= {"key.weight": (D, self.memory_size)}
        return shapes | ({"key.bias": (D,)} if additive else {})

    def __call__(self, ops: Ops, p: Any, s: Array, memory: Memory, rows: Any = None) -> tuple[Array, Array]:
        return ops.attention(p, s, memory, rows)


@dataclass(frozen=True)
class Pooling(Block):
    """p_t, the vector that the steps y_1 … y_t become:

    last       y_t of the `forward` units that read forward, y_1 of the others, which read backward
    mean       1/t Σ_s y_s
    max        max_s y_s, unit by unit
    attention  Σ_s a_s y_s, a = softmax_s(v·y_s + c)    Raffel and Ellis 2015, arXiv:1512.08756, without a
                                                        hidden layer in the score, which is zero at first
    """

    kind: str
    size: int
    forward: int = field(metadata={"least": 0})
    score: Linear | None = None

    def rules(self) -> Iterator[tuple[object, str]]:
        yield self.kind in ("last", "mean", "max", "attention"), f"no pooling is called {self.kind!s:.40}"
        yield self.forward <= self.size, f"{self.forward} of {self.size} units read forward"
        wanted = Linear(self.size, 1, zero=True) if self.kind == "attention" else None
        yield self.score == wanted, f"pooling {self.kind} has the score {self.score}; wanted {wanted}"

    @classmethod
    def of(cls, kind: str, size: int, forward: int) -> "Pooling":
        return cls(kind, size, forward, Linear(size, 1, zero=True) if kind == "attention" else None)

    @property
    def outputs(self) -> int:
        return self.size

    def start(self, ops: Ops, p: Any, rows: int) -> State:
        return ops.pooling_start(self.kind, self.size, rows)

    def __call__(
        self, ops: Ops, p: Any, y: Array, state: Any, lengths: Array = None, last: bool = False
    ) -> tuple[Array, State]:
        scores = None if self.score is None else self.score(ops, p.score, y)[..., 0]
        return ops.pooling(self.kind, self.forward, y, state, lengths, scores, last)
