"""The options of `translate`. Imports no torch."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from unrolled.files.messages import option
from unrolled.tasks.config import Count, Rate, Section, Size, validation_part
from unrolled.tasks.decoding import Decoding, Length
from unrolled.tasks.model import DecoderConfig, Hidden, ModelConfig
from unrolled.tasks.selection import MOST_JUDGED
from unrolled.tasks.shared_options import SYMBOLS, SplitConfig, TaskTraining, select_by
from unrolled.training.config import NO_LIMIT

Tokens = Literal["words", "characters", "symbols", "bpe"]
MOST_WORDS = 8_000  # symbols of a side, whose symbols are byte pairs where its words are more
CHOSEN = f"(words; characters of single words; bpe where words are more than {MOST_WORDS:,})"
SAMPLING_EPOCHS = 10  # unless told


class TranslateData(SplitConfig):
    """Which pairs are read, what their symbols are, and how they are split."""

    changeable: ClassVar[tuple[str, ...]] = ("source_column", "target_column")

    source_column: str | None = Field(
        default=None, description="column of sources (found by a usual name); without a header its number"
    )
    target_column: str | None = Field(
        default=None, description="column of targets (found by a usual name); without a header its number"
    )
    source_tokens: Tokens | None = Field(default=None, description=f"symbols of a source; {SYMBOLS} {CHOSEN}")
    target_tokens: Tokens | None = Field(default=None, description=f"symbols of a target; {SYMBOLS} {CHOSEN}")
    source_least_count: Count | None = Field(
        default=None, description="symbols of sources that come less often become <unk> (1; words: 2)"
    )
    source_most_symbols: Count | None = Field(
        default=None, description="most symbols of sources (words, symbols: 20000; bpe: 4096)"
    )
    target_least_count: Count = Field(
        default=1, description="symbols of targets that come less often are never written"
    )
    target_most_symbols: Count | None = Field(
        default=None, description="most symbols of targets (words, symbols: 20000; bpe: 4096)"
    )
    validation: float = validation_part("sources", "a number")
    test: float = Field(
        default=0.1, ge=0, description="sources that the model is judged on: a share, or a number from 1"
    )


class TranslateModelConfig(ModelConfig):
    """The layers that read a source, and what stands before them."""

    changeable: ClassVar[tuple[str, ...]] = ("input_dropout",)

    hidden: Hidden = 128
    bidirectional: bool = Field(default=True, description="read every source in both directions")
    embedding_size: Size = Field(
        default=64, description="numbers that a symbol of a source becomes for the network"
    )
    input_dropout: Rate = Field(default=0.2, description="dropout before the layers that read")


class LearningConfig(Section):
    """What is learned from a pair."""

    label_smoothing: Rate = Field(
        default=0.0, description="share of each right symbol's mass that goes to all symbols"
    )
    scheduled_sampling: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="largest share of the symbols before that the network draws itself in training",
    )
    sampling_epochs: int | None = Field(
        default=None,
        ge=1,
        le=NO_LIMIT,
        description=f"scheduled_sampling: epochs in which that share grows from 0 ({SAMPLING_EPOCHS})",
    )

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.sampling_epochs is not None and not self.scheduled_sampling:
            raise ValueError(
                f"{option('sampling_epochs')} needs {option('scheduled_sampling')}, which is 0; set it above "
                f"0, or leave {option('sampling_epochs')} out"
            )
        return self


class TranslateDecoding(Decoding):
    """How answers are found."""

    longest: Length | None = Field(
        default=None,
        description="most symbols of an answer (10 more than the greatest ratio of training pairs gives)",
    )


class TranslateTraining(TaskTraining):
    """How a model is trained."""

    patience_epochs: ClassVar[int] = 5
    batch_size: int = Field(default=64, ge=1, le=2**20, description="pairs in a batch")
    select: Literal["loss", "bleu", "accuracy"] = select_by(
        f"bleu or accuracy (whole answers that are right) of greedy answers to at most {MOST_JUDGED} sources"
    )


class TranslateConfig(Section):
    """All options of `translate`."""

    data: TranslateData = TranslateData()
    model: TranslateModelConfig = TranslateModelConfig()
    decoder: DecoderConfig = DecoderConfig()
    learning: LearningConfig = LearningConfig()
    decoding: TranslateDecoding = TranslateDecoding()
    training: TranslateTraining = TranslateTraining()

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.model.reverse and self.model.bidirectional:
            raise ValueError(
                f"{option('reverse')} is for one direction, and {option('bidirectional')} reads both; leave "
                "one of them out"
            )
        return self
