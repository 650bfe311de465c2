"""The network of tasks with one answer for a whole sequence, and how its steps become one vector. Per row:

    e_t = front(x_t)             text: a row of the embedding; numbers: themselves, augmented in training
    y_t = layer(dropout(e))_t    the recurrent layers, t = 1 … T, T the row's length
    p   = pooling(y_1 … y_T)     one of
    o   = W dropout(p) + b

    last       y_T of units that read forward, y_1 of those that read backward: each after its last step
    mean       1/T Σ_t y_t
    max        max_t y_t, unit by unit
    attention  Σ_t a_t y_t, a = softmax_t(v·y_t + c)        Raffel and Ellis 2015, arXiv:1512.08756, without
                                                            a hidden layer in the score

Steps are added from the first to the last (kernels/torch/pooling.py): neither the padding nor the batch
changes a bit, and what the sum of the first t steps comes to is known after t steps.

Shapes   x (B, T, I) or, of text, (B, T) int64; lengths (B,); y (B, T, H) -> p (B, H) -> o (B, O)
"""

from typing import Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from unrolled.files.wording import option
from unrolled.kernels.torch.pooling import pooling
from unrolled.nn import Linear
from unrolled.tasks.augment import Front
from unrolled.tasks.config import PathName
from unrolled.tasks.model import ModelConfig, build, cell_of
from unrolled.tasks.sections import AugmentedModelConfig


class PooledModelConfig(AugmentedModelConfig):
    """The recurrent layers, and what stands before and after them."""

    pooling: Literal["last", "mean", "max", "attention"] = Field(
        default="attention", description="how the steps of a sequence become one vector"
    )
    input_dropout: float = Field(default=0.0, ge=0, lt=1, description="dropout before the recurrent layers")
    output_dropout: float = Field(default=0.0, ge=0, lt=1, description="dropout after the pooling")
    embedding_size: int = Field(
        default=64, ge=1, le=2**16, description="texts: numbers that a symbol becomes for the network"
    )
    vectors: PathName | None = Field(
        default=None,
        description="texts: file of word vectors (word2vec text format) that the embedding begins with",
    )

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.pooling == "last" and self.merge != "concat":
            raise ValueError(
                f"{option('pooling', 'last')} takes each direction after its own last step, and "
                f"{option('merge', self.merge)} puts both together at each step; set "
                f"{option('merge', 'concat')}, or another pooling"
            )
        return self


class Last(nn.Module):
    """Of `size` units the first `forwards` read forward."""

    def __init__(self, size: int, forwards: int) -> None:
        super().__init__()
        self.forwards = forwards

    def forward(self, y: Tensor, lengths: Tensor) -> Tensor:
        last = y[torch.arange(len(y)), lengths - 1, : self.forwards]
        return torch.cat([last, y[:, 0, self.forwards :]], -1)


class Mean(nn.Module):
    def __init__(self, size: int, forwards: int) -> None:
        super().__init__()

    def forward(self, y: Tensor, lengths: Tensor) -> Tensor:
        return pooling("mean", y, lengths)


class Max(nn.Module):
    def __init__(self, size: int, forwards: int) -> None:
        super().__init__()

    def forward(self, y: Tensor, lengths: Tensor) -> Tensor:
        return pooling("max", y, lengths)


class Attention(nn.Module):
    """The score v is zero before training: attention begins as the mean."""

    def __init__(self, size: int, forwards: int) -> None:
        super().__init__()
        self.score = Linear(size, 1)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    def forward(self, y: Tensor, lengths: Tensor) -> Tensor:
        return pooling("attention", y, lengths, self.score(y).squeeze(-1))


POOLINGS: dict[str, type[nn.Module]] = {"last": Last, "mean": Mean, "max": Max, "attention": Attention}


class Embedded(Front):
    """Numbers of symbols (B, T) -> rows of `table` (B, T, N)."""

    def __init__(self, table: nn.Embedding) -> None:
        super().__init__(table.embedding_dim)
        self.table = table

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        embedded: Tensor = self.table(x)
        return embedded


class PooledNetwork(nn.Module):
    """`outputs` O."""

    def __init__(self, front: Front, config: PooledModelConfig, outputs: int) -> None:
        super().__init__()
        self.front, self.layer = front, build(config, front.width)
        layer = self.layer
        self.before, self.after = nn.Dropout(config.input_dropout), nn.Dropout(config.output_dropout)
        self.forwards = forwards(config, layer.output_size)
        self.pooling = POOLINGS[config.pooling](layer.output_size, self.forwards)
        self.head = Linear(layer.output_size, outputs)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """x (B, T, I) or (B, T), lengths (B,) -> o (B, O)."""
        y, _ = self.layer(self.before(self.front(x, lengths)), lengths=lengths)
        out: Tensor = self.head(self.after(self.pooling(y, lengths)))
        return out


def forwards(config: ModelConfig, size: int) -> int:
    """How many of the layer's `size` outputs, the first ones, read forward."""
    if config.bidirectional and config.merge == "concat":
        return cell_of(config).state_sizes(config.hidden)[0]
    return 0 if config.reverse else size
