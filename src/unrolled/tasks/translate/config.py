"""The options of `translate`. Imports no torch."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from unrolled.files.messages import option
from unrolled.tasks.config import Count, NoHeader, Rate, Section, Size, SkipWrong, validation_part
from unrolled.tasks.decoding import Decoding, Length
from unrolled.tasks.model import DecoderConfig, Hidden, Members, ModelConfig
from unrolled.tasks.selection import MOST_JUDGED
from unrolled.tasks.shared_options import SYMBOLS, SplitConfig, TaskTraining, Unicode, select_by
from unrolled.tasks.symbol_dropout import SymbolDropoutConfig
from unrolled.training.config import NO_LIMIT

Tokens = Literal["words", "characters", "symbols", "bpe"]
MOST_WORDS = 8_000  # symbols of a side, whose symbols are byte pairs where its words are more
CHOSEN = f"(words; characters of single words; bpe where words are more than {MOST_WORDS:,})"
SAMPLING_EPOCHS = 10  # unless told


class TranslateData(SplitConfig):
    """Which pairs are read, what their symbols are, and how they are split."""

    in_short: ClassVar[tuple[str, ...]] = (
        *("source_tokens", "target_tokens", "source_column", "target_column", "test_files"),
    )
    changeable: ClassVar[tuple[str, ...]] = ("source_column", "target_column", "no_header", "skip_wrong")

    no_header: NoHeader = False
    source_column: str | None = Field(
        default=None,
        description="column of the texts to read (found by a usual name); without a header its number",
    )
    target_column: str | None = Field(
        default=None,
        description="column of the texts to write for them (found by a usual name); without a header its "
        "number",
    )
    source_tokens: Tokens | None = Field(
        default=None,
        description="pieces that a source is read in: words or byte pairs for sentences, characters for "
        f"single words; {SYMBOLS} {CHOSEN}",
    )
    target_tokens: Tokens | None = Field(
        default=None,
        description="pieces that a target is written in: words only as training has them, byte pairs and "
        f"characters also new ones; {SYMBOLS} {CHOSEN}",
    )
    skip_wrong: SkipWrong = False
    unicode: Unicode = "nfc"
    source_least_count: Count | None = Field(
        default=None,
        description="symbols of sources that come less often become <unk>, all alike to the model (1; "
        "words: 2)",
    )
    source_most_symbols: Count | None = Field(
        default=None,
        description="most symbols of sources that are told apart; fewer train faster and know less (words, "
        "symbols: 20000; bpe: 4096)",
    )
    target_least_count: Count = Field(
        default=1,
        description="symbols of targets that come less often are never written; more trains faster and has "
        "fewer words to answer with",
    )
    target_most_symbols: Count | None = Field(
        default=None,
        description="most symbols that answers are written in; fewer train faster and leave rare words out "
        "(words, symbols: 20000; bpe: 4096)",
    )
    validation: float = validation_part("sources", "a number")
    test: float = Field(
        default=0.1,
        ge=0,
        description="sources that the figures are made on, not trained on: a share, or a number from 1; 0 "
        "= none: more to learn from, no figures",
    )


class TranslateModelConfig(SymbolDropoutConfig, ModelConfig):
    """The layers that read a source, and what stands before them."""

    in_short: ClassVar[tuple[str, ...]] = ("hidden", "layers")
    changeable: ClassVar[tuple[str, ...]] = ("input_dropout",)

    members: Members = 1
    hidden: Hidden = 128
    bidirectional: bool = Field(
        default=True,
        description="read every source in both directions, so that a symbol is understood by what follows "
        "it too; twice the work of reading",
    )
    embedding_size: Size = Field(
        default=64,
        description="numbers that tell a symbol of a source from others; more can tell finer meanings, and "
        "need more pairs",
    )
    input_dropout: Rate = Field(
        default=0.2,
        description="share of what the layers that read are given that is left out by chance in training; "
        "more learns small data less by heart",
    )


class LearningConfig(Section):
    """What is learned from a pair."""

    label_smoothing: Rate = Field(
        default=0.0,
        description="share of each right symbol's mass that goes to all symbols in the loss; more makes "
        "answers less sure of themselves",
    )
    scheduled_sampling: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="largest share of the symbols before that the network draws itself in training; more "
        "recovers better from its own mistakes",
    )
    sampling_epochs: int | None = Field(
        default=None,
        ge=1,
        le=NO_LIMIT,
        description="scheduled_sampling: epochs in which that share grows from 0; fewer disturb the "
        f"beginning ({SAMPLING_EPOCHS})",
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
        description="most symbols of an answer, which is cut there (10 more than the greatest ratio of "
        "training pairs gives)",
    )


class TranslateTraining(TaskTraining):
    """How a model is trained."""

    in_short: ClassVar[tuple[str, ...]] = ("minutes", "learning_rate", "select")

    patience_epochs: ClassVar[int] = 5
    batch_size: int = Field(
        default=64,
        ge=1,
        le=2**20,
        description="pairs that each step learns from; more are steadier and faster, fewer often answer "
        "small data better",
    )
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
