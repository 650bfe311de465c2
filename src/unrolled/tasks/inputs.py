"""What tasks with one answer a sequence read, and what their network begins with. See batching/inputs.py."""

from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from unrolled.batching.inputs import Inputs, NumberInputs, TextInputs
from unrolled.errors import ConfigError
from unrolled.files.arrays import from_arrays
from unrolled.files.reading import read_sequences
from unrolled.files.sequences import Sequences
from unrolled.files.wav import Audio
from unrolled.nn import Embedding
from unrolled.tasks.augment import Augment, Front
from unrolled.tasks.config import Names, PathName
from unrolled.tasks.embedding import embedding
from unrolled.tasks.estimator import Source, paths
from unrolled.tasks.parts import PartsConfig
from unrolled.tasks.pooling import Embedded, PooledModelConfig


class NumbersConfig(PartsConfig):
    """Which files of numbers and recordings are read, what of them, and how they are split."""

    id: str | None = Field(
        default=None, description="column that tells which sequence a row belongs to, or names it"
    )
    time: str | None = Field(default=None, description="column that the rows of a sequence are sorted by")
    target: str | None = Field(default=None, description="column of the answers (found by a usual name)")
    features: Names = Field(default=(), description="columns of numbers to read (all that are left)")
    mels: int = Field(default=Audio.mels, description="recordings: frequency bands")
    frame_ms: float = Field(default=Audio.frame_ms, description="recordings: length of a frame")
    hop_ms: float = Field(default=Audio.hop_ms, description="recordings: from one frame to the next")
    low_hz: float = Field(default=Audio.low_hz, description="recordings: lowest frequency")
    high_hz: float | None = Field(
        default=None, description="recordings: highest frequency (half of their rate)"
    )

    @model_validator(mode="after")
    def _together(self) -> Self:
        self.audio()
        return self

    def audio(self) -> Audio:
        return Audio(self.frame_ms, self.hop_ms, self.mels, self.low_hz, self.high_hz)

    def asked(self) -> dict[str, Any]:
        """What of a source `read_sequences` is asked for."""
        columns = {name: getattr(self, name) for name in ("id", "time", "target", "features")}
        return columns | {"audio": self.audio()}


class SequencesConfig(NumbersConfig):
    """Which files are read, what of them, and how they are split."""

    text: str | None = Field(default=None, description="column of texts, a sequence each")
    labels: PathName | None = Field(
        default=None, description="IDX file of the answers (the one of the usual name beside the images)"
    )
    tokens: Literal["characters", "words", "symbols", "bpe"] = Field(
        default="words", description="symbols of a text; symbols: what stands between spaces; bpe: byte pairs"
    )
    least_count: int | None = Field(
        default=None, ge=1, description="symbols that come less often become <unk> (1; words: 2)"
    )
    most_symbols: int | None = Field(
        default=None, ge=1, description="most symbols, the rarer become <unk> (words: 20000; bpe: 4096)"
    )

    def asked(self) -> dict[str, Any]:
        return super().asked() | {"text": self.text}


def fit_inputs(config: SequencesConfig, model: PooledModelConfig, data: Sequences) -> Inputs:
    """What the training part needs. ConfigError for vectors that are of no use."""
    vectors = model.vectors
    if data.is_text:
        return TextInputs.fit(
            data,
            config.tokens,
            config.least_count,
            config.most_symbols,
            None if vectors is None else str(vectors),
        )
    if vectors is not None:
        raise ConfigError("vectors are for texts, these data are numbers; leave them out")
    return NumberInputs.fit(data)


def front(inputs: Inputs, config: PooledModelConfig) -> Front:
    """What the network begins with."""
    if isinstance(inputs, NumberInputs):
        return Augment(inputs.width, config.noise, config.time_mask, config.feature_mask)
    if (vocabulary := getattr(inputs.tokenizer, "vocabulary", None)) is None:
        return Embedded(Embedding(inputs.tokenizer.size, config.embedding_size))
    return Embedded(embedding(vocabulary, config.embedding_size, inputs.vectors))


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
    own = answers and paths(source) == config.files
    return read_sequences(
        source,
        labels=getattr(config, "labels", None) if own else None,
        answers=answers,
        known=known,
        transcripts=transcripts,
        **config.asked(),
    )
