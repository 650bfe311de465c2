"""What tasks with one answer a sequence read, codecs/inputs.py, and their network, blocks/pooled.py."""

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from unrolled.blocks.ensemble import ensemble
from unrolled.blocks.front import Front
from unrolled.blocks.leaves import Embedding, Linear, Pooling
from unrolled.blocks.pooled import Numbers, Pooled, Poolings
from unrolled.codecs.inputs import Inputs, NumberInputs, TextInputs
from unrolled.errors import ConfigError
from unrolled.files.examples import Sequences
from unrolled.files.messages import listed, option
from unrolled.files.reading import read_sequences
from unrolled.ops.torch import Network as AnyNetwork
from unrolled.tasks import levels
from unrolled.tasks.config import PathName, Rate, Size, several
from unrolled.tasks.embedding import begin_with, embedding
from unrolled.tasks.model import Bidirectional, Hidden, recurrent
from unrolled.tasks.shared_options import (
    SYMBOLS,
    AugmentedModelConfig,
    LeastCount,
    MostSymbols,
    NumbersConfig,
    Tokens,
    Unicode,
    WordVectorsConfig,
)
from unrolled.tasks.sources import Source, paths
from unrolled.tasks.symbol_dropout import SymbolDropoutConfig, unknown_rate
from unrolled.training.config import LEAST_VALIDATION

Network = AnyNetwork[Pooled]


class SequencesConfig(NumbersConfig):
    """Which files are read, what of them, and how they are split."""

    in_short: ClassVar[tuple[str, ...]] = ("id", "target", "group", "test_files")
    changeable: ClassVar[tuple[str, ...]] = ("wide", "text", "labels")

    wide: Literal["rows"] | None = Field(
        default=None,
        description="read every row of a table as a series: its answer in the column of answers, a step in "
        "each other column of numbers (found where columns are numbered alike, or have no names)",
    )
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
    unicode: Unicode = "nfc"
    least_count: LeastCount = None
    most_symbols: MostSymbols = None


Kind = Literal["last", "mean", "max", "attention"]
Kinds = Annotated[tuple[Kind, ...], BeforeValidator(several)]

PooledDropout = Annotated[
    Rate,
    Field(
        description="share of what was pooled that is left out by chance in training; more learns small "
        "data less by heart"
    ),
]

# Where no other numbers are named: steps of series of numbers that recurrent layers read at most, about, or
# convolutions; and from how many on there are convolutions.
STEPS, READ, LONG = 48, 192, 80
# Of so few sequences, recordings or texts, which are soon read, so many networks are trained.
FEW, FEW_RECORDINGS, FEW_TEXTS, FEW_MEMBERS = 300, 1_000, 5_000, 3
# Numbers a step and stages of convolutions.
FRONT_SIZE, FRONT_STAGES = 64, 2
# Of texts, whose words are soon learned by heart: of their embeddings, in training.
TEXT_DROPOUT = 0.5
BY_TRIAL = f"by a trial from {LEAST_VALIDATION} validation sequences on"


class PooledModelConfig(SymbolDropoutConfig, WordVectorsConfig, AugmentedModelConfig):
    """The recurrent layers, and what stands before and after them. None: chosen (choice.py)."""

    in_short: ClassVar[tuple[str, ...]] = ("cell", "hidden", "layers", "bidirectional", "output_dropout")
    changeable: ClassVar[tuple[str, ...]] = ("input_dropout", "output_dropout")

    members: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="networks, each with weights of its own, whose outputs are averaged: an ensemble in one "
        f"model, slower by as many times ({FEW_MEMBERS} where fewer than {FEW} sequences of numbers, "
        f"{FEW_RECORDINGS:,} recordings or {FEW_TEXTS:,} texts train; 1)",
    )
    hidden: Hidden = 128
    bidirectional: Bidirectional = True
    subsample: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="steps of a sequence that become one step of the network: more is faster and reaches "
        f"farther back (as many as leave about {STEPS}, of convolutions {READ}; texts: 1)",
    )
    front: Literal["none", "conv"] | None = Field(
        default=None,
        description="what stands before the recurrent layers: conv, two convolutions over 5 steps that find "
        "short shapes, each of which halves the number of steps "
        f"(conv from {LONG} steps on; {BY_TRIAL}; texts: none)",
    )
    pooling: Kinds | None = Field(
        default=None,
        description="what of a sequence an answer is made from: its last step, the mean or the largest of "
        "all, or those steps that attention weighs most; or several of them together (last, mean and max; "
        "texts: attention and max)",
    )
    input_dropout: Rate | None = Field(
        default=None,
        description="share of what the recurrent layers read that is left out by chance in training; more "
        f"learns small data less by heart (0; texts: {TEXT_DROPOUT})",
    )
    output_dropout: PooledDropout = 0.0
    embedding_size: Size = Field(
        default=64,
        description="texts: numbers that tell a symbol from others; more can tell finer meanings, and need "
        "more texts",
    )

    @model_validator(mode="before")
    @classmethod
    def _one_direction(cls, values: Any) -> Any:
        """Of layers that are told to read backward, and of nothing else."""
        backward = isinstance(values, dict) and values.get("reverse") not in (None, False)
        return {"bidirectional": False} | values if backward else values

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if len(set(self.pooling or ())) < len(self.pooling or ()):
            raise ValueError(f"{option('pooling')} {listed(self.pooling or ())}: wanted each once")
        if "last" in (self.pooling or ()) and self.merge != "concat":
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
        if model.scale not in (None, "pooled"):
            raise ConfigError(
                f"{option('scale', model.scale)} is for numbers, and these data are texts; set "
                f"{option('scale', 'pooled')}, or leave it out"
            )
        levels.fitted(model, config, data)
        limits = config.least_count, config.most_symbols
        return TextInputs.fit(data, config.tokens, *limits, vectors, config.unicode)
    if vectors is not None:
        raise ConfigError(f"{option('vectors')} is for texts, and these data are numbers; leave it out")
    return levels.inputs(model, config, data)


def network_of(inputs: Inputs, config: PooledModelConfig, outputs: int) -> Network:
    """A new network, whose embedding begins with the vectors that there are."""
    network = Network(pooled(_encoder(inputs, config), config, outputs))
    if isinstance(inputs, TextInputs) and (inputs.vectors is not None or config.freeze_vectors):
        tokenizer: Any = inputs.tokenizer  # of words, where there are vectors
        for member in network.ensemble:
            begin_with(member.p.encoder, tokenizer.vocabulary, inputs.vectors, config.freeze_vectors)
    return network


def pooled(encoder: Embedding | Numbers, config: PooledModelConfig, outputs: int) -> Pooled:
    """Where options are left open, as texts have it."""
    k = config.subsample or 1
    front = Front.of(k * encoder.size, FRONT_SIZE, FRONT_STAGES) if config.front == "conv" else None
    layer = recurrent(config, k * encoder.size if front is None else front.outputs)
    kinds = config.pooling or default_pooling(config, isinstance(encoder, Embedding))
    parts = tuple(Pooling.of(kind, layer.output_size, layer.forward) for kind in kinds)
    pooling = Poolings(parts) if len(parts) > 1 else parts[0]
    rates = config.input_dropout or 0.0, config.output_dropout
    head = Linear(pooling.outputs, outputs)
    alone = Pooled(encoder, layer, pooling, head, *rates, subsample=k, front=front)
    return ensemble(alone, config.members or 1)


def default_pooling(config: PooledModelConfig, text: bool) -> tuple[Kind, ...]:
    if text:
        return ("attention", "max")
    return ("last", "mean", "max") if config.merge == "concat" else ("mean", "max")


def _encoder(inputs: Inputs, config: PooledModelConfig) -> Embedding | Numbers:
    """What the network begins with."""
    unknown = unknown_rate(config, "numbers" if isinstance(inputs, NumberInputs) else inputs.tokens)
    if isinstance(inputs, NumberInputs):
        return Numbers(inputs.width, config.noise, config.time_mask, config.feature_mask)
    if not hasattr(inputs.tokenizer, "vocabulary"):
        return Embedding(inputs.tokenizer.size, config.embedding_size)
    return embedding(inputs.tokenizer.size, config.embedding_size, inputs.vectors, unknown)


def remarks(inputs: Inputs, data: Sequences) -> list[str]:
    """What to say of the columns of numbers that a model learns from."""
    if not isinstance(inputs, NumberInputs) or inputs.rate_hz is not None or not data.named:
        return []
    return inputs.remarks(inputs.aligned(data))


def read(
    config: NumbersConfig,
    source: Source,
    answers: bool = True,
    known: tuple[str, ...] = (),
    rate_hz: int | None = None,
    **others: Any,
) -> Sequences:
    """What a source holds; `known` are the features that a model reads, `rate_hz` the rate of the recordings
    that it hears, `others` what else is asked.
    DataError with its place for whatever is wrong with it. `labels` are those of the files to train on."""
    trained_on = answers and paths(source) == config.files
    labels = getattr(config, "labels", None) if trained_on else None
    audio = config.audio() if rate_hz is None else replace(config.audio(), rate_hz=rate_hz)
    query = config.query(labels=labels, answers=answers, known=known, audio=audio, **others)
    return read_sequences(source, query)
