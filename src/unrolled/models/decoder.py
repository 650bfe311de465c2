"""The network that writes an answer symbol by symbol, without torch. Equations: tasks/decoder.py.

    {"embedding": name, "layers": [… as models/layers.py has them],
     "bridge": {"layer0.forward.h": {"read": ["layer0.forward.h", "layer0.backward.h"],
                                     "weight": name, "bias": name}, …},
     "attention": {"kind": "dot", "query": name, "key": name or null, "key_bias": name or null,
                   "u": name or null, "join": name, "join_bias": name} or null,
     "head": name, "bias": name}

Shapes   w (B, S) -> o (B, S, V + 1); memory y (B, T, M), lengths (B,); v (B, extra)
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from unrolled.decoding.search import Beams, Hypothesis, Step, beam_search
from unrolled.kernels.numpy import heads
from unrolled.models.layers import Layers
from unrolled.ops.state import Array, State, selected


class Memory(NamedTuple):
    """What attention reads, (B, T, …); `lengths` (B,)."""

    keys: Array
    values: Array
    lengths: Array


class Bridge:
    """The state of the layers that write, from arrays of what was read."""

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        self.parts = {
            str(name): (
                tuple(map(str, one["read"])),
                heads.Linear(arrays[one["weight"]], arrays[one["bias"]]),
            )
            for name, one in about.items()
        }

    def __call__(self, state: Mapping[str, Array]) -> State:
        """The arrays that it reads (B, size) -> the state (B, H)."""
        made = {}
        for name, (read, linear) in self.parts.items():
            array = linear(np.concatenate([state[one] for one in read], 1))
            made[name] = heads.tanh(array) if name.endswith(".h") else array
        return made

    def require(self, layers: Layers, dtype: Any) -> None:
        """ValueError unless it makes the state of these layers, or none at all."""
        widths = {name: array.shape[1] for name, array in layers.start(0).items()}
        made = {name: linear.out_features for name, (_, linear) in self.parts.items()}
        types = {layers.dtype, dtype, *(linear.dtype for _, linear in self.parts.values())}
        if (made and made != widths) or len(types) > 1:
            raise ValueError(f"a decoder of states {made}, which wants {widths}, or of several types")

    def fits(self, sizes: Mapping[str, int]) -> bool:
        """Whether arrays of these sizes are what it reads; none, that it reads nothing."""
        read = {name for names, _ in self.parts.values() for name in names}
        return bool(read) == bool(sizes) and all(
            set(names) <= sizes.keys() and sum(sizes[one] for one in names) == linear.in_features
            for names, linear in self.parts.values()
        )


class Attention:
    """What nn/attention.py computes, and the layer that joins its answer to the state."""

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        self.kind = str(about["kind"])
        self.query = heads.Linear(arrays[about["query"]])
        own, bias = about["key"], about["key_bias"]
        self.key = None if own is None else heads.Linear(arrays[own], None if bias is None else arrays[bias])
        self.u = None if about["u"] is None else arrays[about["u"]]
        self.join = heads.Linear(arrays[about["join"]], arrays[about["join_bias"]])
        self.memory_size = self.query.out_features if self.key is None else self.key.in_features
        width = self.query.in_features
        wanted = (width + self.memory_size, width, self.query.out_features)
        found = (self.join.in_features, self.join.out_features, (self.key or self.query).out_features)
        if wanted != found:
            raise ValueError(f"attention of sizes {found}; wanted {wanted}")
        s, k, y = (np.zeros((1, 1, n), self.query.dtype) for n in (width, wanted[2], self.memory_size))
        self(s, Memory(k, y, np.ones(1, np.int64)), None)  # ValueError for what cannot be computed

    def keys(self, y: Array) -> Array:
        """y (B, T, M) -> (B, T, D)."""
        return y if self.key is None else self.key(y)

    def __call__(self, s: Array, memory: Memory, rows: Array | None) -> tuple[Array, Array]:
        """s (N, S, H) -> what the head reads (N, S, H), and the weights (N, S, T)."""
        c, weights = heads.attention(self.kind, self.query(s), *memory, self.u, rows)
        return heads.tanh(self.join(np.concatenate([s, c], 2))), weights


class Decoder:
    """`end` and `begin` are the numbers of these symbols. ValueError where parts do not meet."""

    def __init__(self, about: Mapping[str, Any], arrays: Mapping[str, Array]) -> None:
        self.table = arrays[about["embedding"]]
        heads.embedding(np.empty(0, np.int64), self.table)  # ValueError for one that is no table of numbers
        self.layers = Layers(about["layers"], arrays)
        self.head = heads.Linear(arrays[about["head"]], arrays[about["bias"]])
        own = about["attention"]
        self.attention = None if own is None else Attention(own, arrays)
        self.end, self.begin = self.head.out_features - 1, self.head.out_features
        self.extra = self.layers.input_size - self.table.shape[1]
        self.bridge = Bridge(about["bridge"], arrays)
        self._require()

    def _require(self) -> None:
        size = self.layers.output_size
        fits = self.head.in_features == size and len(self.table) == self.end + 2
        fits = fits and self.extra >= 0 and self.layers.causal and self.table.dtype == self.layers.dtype
        if self.attention is not None:
            fits = fits and self.attention.query.in_features == size
        if not fits:
            raise ValueError(f"a decoder of {size} units, {self.end} symbols and {self.table.shape} embedded")
        self.bridge.require(self.layers, self.head.dtype)

    def start(self, state: Mapping[str, Array]) -> State:
        """The state before the first symbol, from the arrays that the bridge reads (B, size)."""
        return self.bridge(state)

    def remember(self, y: Array, lengths: Array) -> Memory:
        """y (B, T, M)."""
        return Memory(y if self.attention is None else self.attention.keys(y), y, lengths)

    def __call__(
        self,
        w: Array,
        state: Mapping[str, Array],
        memory: Memory | None = None,
        extra: Array | None = None,
        rows: Array | None = None,
    ) -> tuple[Array, State, Array | None]:
        """o (B, S, V + 1), the state after the last step, and the weights (B, S, T); `rows` (B,): which row
        of the memory each one reads."""
        x = heads.embedding(w, self.table)
        if extra is not None:
            x = np.concatenate([x, np.repeat(extra[:, None], w.shape[1], 1)], 2)
        s, last = self.layers(np.ascontiguousarray(x.swapaxes(0, 1)), state)
        s, weights = np.ascontiguousarray(s.swapaxes(0, 1)), None
        if self.attention is not None and memory is not None:
            s, weights = self.attention(s, memory, rows)
        return self.head(s), last, weights

    def stepper(
        self, state: Mapping[str, Array], memory: Memory | None = None, extra: Array | None = None
    ) -> Step:
        """For search.py: from the state of each example before its first symbol."""
        kept = dict(state)

        def step(tokens: Array, parents: Array, rows: Array) -> Array:
            nonlocal kept
            given = None if extra is None else extra[rows]
            o, kept, _ = self(tokens[:, None], selected(kept, parents), memory, given, rows)
            return heads.log_softmax(o)[:, 0]

        return step

    def answers(self, step: Step, how: Beams, longest: int, never: Sequence[int]) -> list[Hypothesis]:
        """What a search finds of one example, the best first."""
        own = how._replace(longest=longest)._asdict()
        return beam_search(step, [own.pop("longest")], begin=self.begin, end=self.end, never=never, **own)[0]
