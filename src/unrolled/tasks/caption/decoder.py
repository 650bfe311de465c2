"""A recurrent network that writes an answer, symbol by symbol, with an eye on what it answers. Per row:

    s_0 = bridge of what the encoder ended with: of each array of the state W r + b, of h its tanh, r the
          encoder's arrays of the same kind and layer side by side
    x_t = [E w_{t-1}; v]                  w_0 the begin symbol; v, where there is one, the same at each step
    s_t = layer(dropout(x))_t
    g_t = tanh(W_g [s_t; c_t] + b_g)      c_t what attention at s_t reads, nn/attention.py; without, g_t = s_t
    o_t = W_o dropout(g_t) + b_o          of the symbols and the end

What attention reads is no input of the next step, so all steps of a known answer are one call of the layers.
Of V symbols the end has number V and the begin, which is never written, V + 1.

Scheduled sampling replaces each input w_{t-1}, t ≥ 2, with a given chance by a symbol that the network draws
itself. The inputs are chosen by running the steps without gradient, dropout off; then one call goes over all
of them. The gradient is that of the steps, since none passes through what is drawn.

Shapes   w (B, S), lengths (B,) -> o (B, S, V + 1); memory y (B, T, M); v (B, extra)
Source   Luong et al. 2015, arXiv:1508.04025 (attention after the layers, without feeding it back); the bridge
         as in Bahdanau et al. 2014, arXiv:1409.0473; Bengio et al. 2015, arXiv:1506.03099
Rule     a row has the bits that it has alone; k steps one by one have the bits of one call over k steps
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import dropout

from unrolled.decoding.search import Step
from unrolled.nn import Attention, Embedding, Linear
from unrolled.nn.describe import describe
from unrolled.nn.functional import log_softmax, softmax, tanh
from unrolled.nn.state import Named
from unrolled.tasks.model import DecoderConfig, ModelConfig, build, decoder_layers


class Memory(NamedTuple):
    """What attention reads, (B, T, …); `lengths` (B,)."""

    keys: Tensor
    values: Tensor
    lengths: Tensor


class Bridge(nn.Module):
    """`sources` and `targets`: name and size of each array of both states, "layer0.forward.h"."""

    def __init__(self, sources: Mapping[str, int], targets: Mapping[str, int]) -> None:
        super().__init__()
        self.read = {name: _counterparts(name, list(sources)) for name in targets}
        made = {
            name: Linear(sum(sources[one] for one in self.read[name]), size) for name, size in targets.items()
        }
        self.linear = nn.ModuleDict({name.replace(".", "_"): layer for name, layer in made.items()})

    def forward(self, state: Named) -> Named:
        """The arrays of `sources`, (B, size) each -> those of `targets`."""
        made = {}
        for name, read in self.read.items():
            array = self.linear[name.replace(".", "_")](torch.cat([state[one] for one in read], 1))
            made[name] = tanh(array) if name.endswith(".h") else array
        return made

    def about(self, prefix: str) -> dict[str, Any]:
        """What models/decoder.py reads; `prefix`: where the state dict of the network has it."""
        made = {}
        for name, read in self.read.items():
            own = f"{prefix}linear.{name.replace('.', '_')}"
            made[name] = {"read": read, "weight": f"{own}.weight", "bias": f"{own}.bias"}
        return made


class Decoder(nn.Module):
    """`symbols` V; `memory_size` M, None without attention; `sources`: what the bridge reads. With none there
    is no bridge: answers begin with the layers' own initial state."""

    def __init__(
        self,
        symbols: int,
        config: DecoderConfig,
        model: ModelConfig,
        *,
        sources: Mapping[str, int],
        memory_size: int | None = None,
        extra: int = 0,
    ) -> None:
        super().__init__()
        self.end, self.begin, self.extra = symbols, symbols + 1, extra
        self.rate = config.decoder_dropout
        self.embedding = Embedding(symbols + 2, config.target_embedding_size)
        self.layer = build(decoder_layers(model, config), config.target_embedding_size + extra)
        self.bridge = Bridge(sources, self.layer.state_sizes()) if sources else None
        size = self.layer.output_size
        self.attention = self.join = None
        if config.attention != "none":
            if memory_size is None:
                raise ValueError(f"attention '{config.attention}' reads a memory; give memory_size")
            self.attention = Attention(config.attention, size, memory_size, config.attention_size)
            self.join = Linear(size + memory_size, size)
        self.head = Linear(size, symbols + 1)

    def start(self, state: Named) -> Named:
        """The state before the first symbol, from the arrays of `sources` (B, size)."""
        if self.bridge is None:
            raise ValueError("this decoder has no bridge; begin with layer.initial_state")
        made: Named = self.bridge(state)
        return made

    def remember(self, y: Tensor, lengths: Tensor) -> Memory:
        """y (B, T, M): what attention reads of it."""
        if self.attention is None:
            return Memory(y, y, lengths)
        return Memory(self.attention.keys(y), y, lengths)

    def forward(
        self,
        w: Tensor,
        lengths: Tensor,
        state: Named,
        memory: Memory | None = None,
        extra: Tensor | None = None,
        rows: Tensor | None = None,
    ) -> tuple[Tensor, Named, Tensor | None]:
        """w (B, S), lengths (B,) of it, from `state` -> o (B, S, V + 1), the state after each row's last
        step, and the weights of attention (B, S, T). `rows` (B,): which row of the memory each one reads."""
        x = self.embedding(w)
        if extra is not None:
            x = torch.cat([x, extra[:, None].expand(-1, w.shape[1], -1)], 2)
        s, last = self.layer(dropout(x, self.rate, self.training), state, lengths=lengths)
        weights = None
        if self.attention is not None and self.join is not None and memory is not None:
            c, weights = self.attention(s, memory.keys, memory.values, memory.lengths, rows)
            s = tanh(self.join(torch.cat([s, c], 2)))
        return self.head(dropout(s, self.rate, self.training)), self.layer.named(last), weights

    def inputs(self, y: Tensor) -> Tensor:
        """y (B, S) -> (B, S) the symbols before each: the begin, then all but the last."""
        return torch.cat([torch.full_like(y[:, :1], self.begin), y[:, :-1]], 1)

    @torch.no_grad()
    def mixed(
        self,
        y: Tensor,
        state: Named,
        memory: Memory | None,
        extra: Tensor | None,
        chance: float,
    ) -> Tensor:
        """As `inputs`, each but the first drawn by the network with this chance."""
        training = self.training
        self.eval()
        w = self.inputs(y)
        own, one = torch.rand(w.shape) < chance, torch.ones(len(w), dtype=torch.int64)
        for t in range(w.shape[1] - 1):
            o, state, _ = self.forward(w[:, t : t + 1], one, state, memory, extra)
            drawn = torch.multinomial(softmax(o[:, 0, : self.end]), 1)[:, 0]  # the end is no input
            w[:, t + 1] = torch.where(own[:, t + 1], drawn, w[:, t + 1])
        self.train(training)
        return w

    def stepper(self, state: Named, memory: Memory | None = None, extra: Tensor | None = None) -> Step:
        """For decoding/search.py: from the state of each example before its first symbol."""
        kept = state

        @torch.no_grad()
        def step(tokens: NDArray[Any], parents: NDArray[Any], rows: NDArray[Any]) -> NDArray[np.float32]:
            nonlocal kept
            at, own = torch.from_numpy(parents), torch.from_numpy(rows)
            before = {name: array[at] for name, array in kept.items()}
            given = None if extra is None else extra[own]
            one = torch.ones(len(tokens), dtype=torch.int64)
            o, kept, _ = self.forward(torch.from_numpy(tokens)[:, None], one, before, memory, given, own)
            made: NDArray[np.float32] = log_softmax(o)[:, 0].numpy()
            return made

        return step

    def about(self, prefix: str) -> dict[str, Any]:
        """What models/decoder.py reads; `prefix`: where the state dict of the network has it ("decoder.").

        ConfigError for layers that only torch can run.
        """
        attention: dict[str, Any] | None = None
        if self.attention is not None:
            own = f"{prefix}attention."
            key = self.attention.key
            attention = {
                "kind": self.attention.kind,
                "query": f"{own}query.weight",
                "key": None if key is None else f"{own}key.weight",
                "key_bias": None if key is None or key.bias is None else f"{own}key.bias",
                "u": None if self.attention.u is None else f"{own}u",
                "join": f"{prefix}join.weight",
                "join_bias": f"{prefix}join.bias",
            }
        return {
            "embedding": f"{prefix}embedding.weight",
            "layers": describe(self.layer, f"{prefix}layer."),
            "bridge": {} if self.bridge is None else self.bridge.about(f"{prefix}bridge."),
            "attention": attention,
            "head": f"{prefix}head.weight",
            "bias": f"{prefix}head.bias",
        }


def _counterparts(name: str, sources: list[str]) -> list[str]:
    """The arrays that the bridge makes `name` of: of its layer, or of the last, those of its kind, or h."""
    layer, _, kind = name.split(".")
    layers = {one.split(".")[0] for one in sources}
    nearest = min(int(layer.removeprefix("layer")), len(layers) - 1)
    own = [one for one in sources if one.split(".")[0] == f"layer{nearest}"]
    return [one for one in own if one.endswith(f".{kind}")] or [one for one in own if one.endswith(".h")]
