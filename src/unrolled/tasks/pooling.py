"""What the network of tasks with one answer for a whole sequence is made of. Equations: blocks/pooled.py."""

from typing import Literal, Self

from pydantic import Field, model_validator

from unrolled.blocks.leaves import Embedding, Linear, Pooling
from unrolled.blocks.pooled import Numbers, Pooled
from unrolled.files.messages import option
from unrolled.tasks.config import PathName, Rate, Size
from unrolled.tasks.model import InputDropout, recurrent
from unrolled.tasks.shared_options import AugmentedModelConfig


class PooledModelConfig(AugmentedModelConfig):
    """The recurrent layers, and what stands before and after them."""

    pooling: Literal["last", "mean", "max", "attention"] = Field(
        default="attention", description="how the steps of a sequence become one vector"
    )
    input_dropout: InputDropout = 0.0
    output_dropout: Rate = Field(default=0.0, description="dropout after the pooling")
    embedding_size: Size = Field(
        default=64, description="texts: numbers that a symbol becomes for the network"
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


def pooled(encoder: Embedding | Numbers, config: PooledModelConfig, outputs: int) -> Pooled:
    """The network of so many outputs."""
    layer = recurrent(config, encoder.size)
    size = layer.output_size
    pooling = Pooling.of(config.pooling, size, layer.forward)
    rates = config.input_dropout, config.output_dropout
    return Pooled(encoder, layer, pooling, Linear(size, outputs), *rates)
