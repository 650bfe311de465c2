"""The network of tags: an answer at every step of a row.

    x_t = front(step t)                  words: words.py; numbers as they are
    y   = layer(dropout(x))              the recurrent layers, both directions by default
    o_t = W dropout(y_t) + b             a score for each of K tags; of a CRF, nn/crf.py, the emissions

    path      of a CRF the likeliest; else the likeliest tags, each by itself, or where `allowed` binds them
              the likeliest path that it allows
    p_t       softmax(o_t); the marginals of a CRF

Shapes   what the front takes, lengths (B,) -> o (B, T, K) -> path (B, T), p (B, T, K)
"""

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from unrolled.decoding.tags import masks
from unrolled.kernels.torch import crf as chain
from unrolled.nn import CRF, Linear
from unrolled.nn.describe import describe
from unrolled.nn.functional import log_softmax, softmax
from unrolled.tasks.config import PathName
from unrolled.tasks.entities import Allowed
from unrolled.tasks.model import CellName, ModelConfig, build
from unrolled.tasks.words import WordFront


class TagModelConfig(ModelConfig):
    """The recurrent layers, and what stands before and after them."""

    cell: CellName = Field(default="lstm", description="kind of recurrent cell")
    hidden: int = Field(default=128, ge=1, le=2**16, description="hidden units of a layer")
    bidirectional: bool = Field(default=True, description="read every sequence in both directions")
    embedding_size: int = Field(
        default=100, ge=1, le=2**16, description="numbers that a word becomes for the network"
    )
    vectors: PathName | None = Field(
        default=None, description="file of word vectors (word2vec text format) that the embedding begins with"
    )
    character_size: int = Field(default=32, ge=1, le=2**16, description="numbers that a character becomes")
    character_hidden: int = Field(
        default=64,
        ge=0,
        le=2**16,
        description="hidden units a direction that read a word's characters; 0 = none",
    )
    input_dropout: float = Field(default=0.3, ge=0, lt=1, description="dropout before the recurrent layers")
    output_dropout: float = Field(default=0.3, ge=0, lt=1, description="dropout after the recurrent layers")


class NumberFront(nn.Module):
    """x (B, T, width) as it is."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        return x


class Network(nn.Module):
    """`front` gives x (B, T, front.width); of `tags` K with `crf` a chain of tags on top. `allowed`: which
    tags may follow which, None where all may."""

    def __init__(
        self,
        front: WordFront | NumberFront,
        config: TagModelConfig,
        tags: int,
        crf: bool,
        allowed: Allowed | None,
    ) -> None:
        super().__init__()
        self.front, self.layer = front, build(config, front.width)
        self.before, self.after = nn.Dropout(config.input_dropout), nn.Dropout(config.output_dropout)
        self.head = Linear(self.layer.output_size, tags)
        self.bound = None if allowed is None else _masks(allowed)
        self.crf = CRF(tags, self.bound) if crf else None

    def forward(self, x: Any, lengths: Tensor) -> Tensor:
        """o (B, T, K)."""
        return self.go_on(x, lengths, None)[0]

    def go_on(self, x: Any, lengths: Tensor, state: Any) -> tuple[Tensor, Any]:
        """o (B, T, K) from a state of the layers, None for the first, and the state after each row's last."""
        y, state = self.layer(self.before(self.front(x)), state, lengths=lengths)
        return self.head(self.after(y)), state

    def answer(self, o: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """o (B, T, K) -> the tag of every step (B, T), and the probability of each tag (B, T, K), float64."""
        if self.crf is not None:
            return self.crf.decode(o, lengths), self.crf.marginals(o, lengths).double()
        p = softmax(o.double())
        if self.bound is None:
            return o.argmax(2), p
        a, start, end = (mask.double() for mask in self.bound)
        return chain.viterbi(log_softmax(o.double()), (a, start, end), lengths), p

    def about(self) -> dict[str, Any]:
        """What stands beside the layers, by the names of the state dict, for models/tag.py."""
        words: dict[str, Any] | None = None
        if isinstance(self.front, WordFront):
            words = {"table": "front.table.weight", "letters": None, "spelling": None}
            if self.front.spelling is not None:
                spelling = describe(self.front.spelling, "front.spelling.")
                words |= {"letters": "front.letters.weight", "spelling": spelling}
        chain = {name: f"crf.{name}" for name in ("transitions", "start", "end")}
        own = {"head": "head.weight", "bias": "head.bias"}
        return own | {"words": words, "chain": chain if self.crf is not None else None}


def _masks(allowed: Allowed) -> tuple[Tensor, Tensor, Tensor]:
    a, start, end = map(torch.from_numpy, masks(allowed.start, allowed.transitions))
    return a, start, end
