"""What tasks with one answer a sequence read, codecs/inputs.py, and their network, blocks/pooled.py."""

from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from unrolled.blocks.leaves import Embedding, Linear, Pooling
from unrolled.blocks.pooled import Numbers, Pooled
from unrolled.codecs.inputs import Inputs, NumberInputs, TextInputs
from unrolled.errors import ConfigError
from unrolled.files.arrays import from_arrays
from unrolled.files.examples import Sequences
from unrolled.files.messages import option
from unrolled.files.reading import read_sequences
from unrolled.ops.torch import Network as AnyNetwork
from unrolled.tasks.config import PathName, Rate, Size
from unrolled.tasks.embedding import begin_with, embedding
from unrolled.tasks.model import InputDropout, recurrent
from unrolled.tasks.shared_options import (
    SYMBOLS,
    AugmentedModelConfig,
    LeastCount,
    MostSymbols,
    NumbersConfig,
    Tokens,
    WordVectorsConfig,
)
from unrolled.tasks.sources import Source, paths

Network = AnyNetwork[Pooled]


class SequencesConfig(NumbersConfig):
    """Which files are read, what of them, and how they are split."""

    in_short: ClassVar[tuple[str, ...]] = ("id", "target", "text", "test_files")
    changeable: ClassVar[tuple[str, ...]] = ("text", "labels")

    text: str | None = Field(
        default=None, description="column of texts, each of which is a sequence and gets an answer"
    )
    labels: PathName | None = Field(
        default=None,
        description="IDX file of the answers to learn (the one of the usual name beside the images)",
    )
    tokens: Tokens = Field(
        default="words",
        description="pieces that a text is read in: words tell more of what is meant, characters know "
        f"every spelling; {SYMBOLS}",
    )
    least_count: LeastCount = None
    most_symbols: MostSymbols = None


class PooledModelConfig(WordVectorsConfig, AugmentedModelConfig):
    """The recurrent layers, and what stands before and after them."""

    in_short: ClassVar[tuple[str, ...]] = ("cell", "hidden", "layers", "bidirectional", "output_dropout")
    changeable: ClassVar[tuple[str, ...]] = ("input_dropout", "output_dropout")

    members: int = Field(
        default=1,
        ge=1,
        le=64,
        description="networks, each with weights of its own, whose outputs are averaged: an ensemble in one "
        "model, slower by as many times",
    )
    pooling: Literal["last", "mean", "max", "attention"] = Field(
        default="attention",
        description="what of a sequence an answer is made from: its last step, the mean or the largest of "
        "all, or those steps that attention weighs most",
    )
    input_dropout: InputDropout = 0.0
    output_dropout: Rate = Field(
        default=0.0,
        description="share of what was pooled that is left out by chance in training; more learns small "
        "data less by heart",
    )
    embedding_size: Size = Field(
        default=64,
        description="texts: numbers that tell a symbol from others; more can tell finer meanings, and need "
        "more texts",
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


def fit_inputs(config: SequencesConfig, model: PooledModelConfig, data: Sequences) -> Inputs:
    """What the training part needs. ConfigError for vectors that are of no use."""
    vectors = model.vectors
    if data.is_text:
        return TextInputs.fit(data, config.tokens, config.least_count, config.most_symbols, vectors)
    if vectors is not None:
        raise ConfigError(f"{option('vectors')} is for texts, and these data are numbers; leave it out")
    return NumberInputs.fit(data)


def network_of(inputs: Inputs, config: PooledModelConfig, outputs: int) -> Network:
    """A new network, whose embedding begins with the vectors that there are."""
    network = Network(pooled(_encoder(inputs, config), config, outputs))
    if isinstance(inputs, TextInputs) and (inputs.vectors is not None or config.freeze_vectors):
        tokenizer: Any = inputs.tokenizer  # of words, where there are vectors
        others = network.p.others if network.block.others else ()
        for member in (network.p, *others):
            begin_with(member.encoder, tokenizer.vocabulary, inputs.vectors, config.freeze_vectors)
    return network


def pooled(encoder: Embedding | Numbers, config: PooledModelConfig, outputs: int) -> Pooled:
    layer = recurrent(config, encoder.size)
    pooling = Pooling.of(config.pooling, layer.output_size, layer.forward)
    rates = config.input_dropout, config.output_dropout
    alone = Pooled(encoder, layer, pooling, Linear(layer.output_size, outputs), *rates)
    return replace(alone, others=(alone,) * (config.members - 1))


def _encoder(inputs: Inputs, config: PooledModelConfig) -> Embedding | Numbers:
    """What the network begins with."""
    if isinstance(inputs, NumberInputs):
        return Numbers(inputs.width, config.noise, config.time_mask, config.feature_mask)
    if not hasattr(inputs.tokenizer, "vocabulary"):
        return Embedding(inputs.tokenizer.size, config.embedding_size)
    return embedding(inputs.tokenizer.size, config.embedding_size, inputs.vectors)


def read(
    config: NumbersConfig,
    source: Source,
    answers: bool = True,
    known: tuple[str, ...] = (),
    transcripts: bool = False,
) -> Sequences:
    """What a source holds; `known` are the features that a model reads. DataError with its place for whatever
    is wrong with it. `labels` are those of the files to train on."""
    if isinstance(source, np.ndarray) or (isinstance(source, list) and not paths(source)):
        return from_arrays(source)
    if isinstance(source, tuple) and len(source) == 2 and not paths(source):
        return from_arrays(*source)
    trained_on = answers and paths(source) == config.files
    labels = getattr(config, "labels", None) if trained_on else None
    query = config.query(labels=labels, answers=answers, known=known, transcripts=transcripts)
    return read_sequences(source, query)
