"""The options of `language`. Imports no torch."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from unrolled.files.messages import option
from unrolled.tasks.config import Count, Section, Size, validation_part
from unrolled.tasks.model import Hidden, InputDropout, ModelConfig, OutputDropout, require_forward
from unrolled.tasks.shared_options import (
    SYMBOLS,
    LeastCount,
    MostSymbols,
    SplitConfig,
    TaskTraining,
    Tokens,
    WordVectors,
)


class DataConfig(SplitConfig):
    """Which text is read, and what its symbols are."""

    tokens: Tokens = Field(default="characters", description=f"symbols of the text; {SYMBOLS}")
    least_count: LeastCount = None
    most_symbols: MostSymbols = None
    validation: float = validation_part("part before the test part", "characters")
    test: float = Field(
        default=0.1,
        ge=0,
        description="part at the end that the model is judged on: a share, or characters from 1",
    )


class LanguageModelConfig(ModelConfig):
    """The recurrent layers, and what stands before and after them."""

    changeable: ClassVar[tuple[str, ...]] = ("input_dropout", "output_dropout")

    hidden: Hidden = 256
    embedding_size: Size = Field(default=128, description="numbers that a symbol becomes for the network")
    vectors: WordVectors = None
    tie: bool = Field(default=False, description="predict symbols by the rows of the embedding")
    input_dropout: InputDropout = 0.0
    output_dropout: OutputDropout = 0.2


class SamplingConfig(Section):
    """How the text is cut into batches."""

    sampling: Literal["consecutive", "random"] = Field(
        default="consecutive",
        description="rows that walk through the text and carry their state, or windows drawn at random",
    )
    window: Count = Field(default=128, description="tokens that backpropagation goes back")


class LanguageTraining(TaskTraining):
    """How a model is trained."""

    patience_epochs: ClassVar[int] = 3


class LanguageConfig(Section):
    """All options of `language`."""

    data: DataConfig = DataConfig()
    model: LanguageModelConfig = LanguageModelConfig()
    sampling: SamplingConfig = SamplingConfig()
    training: LanguageTraining = LanguageTraining()

    @model_validator(mode="after")
    def _together(self) -> Self:
        require_forward(self.model, "language", "see the symbols to predict")
        if self.data.split_seed:
            raise ValueError(
                f"language draws no parts, the text is cut in order; leave {option('split_seed')} out"
            )
        if self.model.vectors is not None and self.data.tokens != "words":
            raise ValueError(
                f"{option('vectors')} is for words; set {option('tokens', 'words')}, or leave "
                f"{option('vectors')} out"
            )
        return self
