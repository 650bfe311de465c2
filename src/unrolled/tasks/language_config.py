"""The options of `language`. Imports no torch."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from unrolled.files.messages import either, option
from unrolled.tasks.config import Count, Names, Section, Size, validation_part
from unrolled.tasks.model import Hidden, InputDropout, Members, ModelConfig, OutputDropout, require_forward
from unrolled.tasks.shared_options import (
    SYMBOLS,
    LeastCount,
    MostSymbols,
    SplitConfig,
    TaskTraining,
    Unicode,
    WordVectorsConfig,
)
from unrolled.tasks.symbol_dropout import SymbolDropoutConfig
from unrolled.training.config import LearningRate

EMBEDDING_SIZE = 128


class DataConfig(SplitConfig):
    """Which text is read, and what its symbols are."""

    in_short: ClassVar[tuple[str, ...]] = ("tokens", "test")

    tokens: Literal["characters", "words", "spaced-words", "symbols", "bpe"] = Field(
        default="characters",
        description="pieces that the text is read and written in: characters spell anything, words and "
        "byte pairs see further back; spaced-words: words with the space before each, line ends, and other "
        f"spacing; {SYMBOLS}",
    )
    unicode: Unicode = "nfc"
    least_count: LeastCount = None
    most_symbols: MostSymbols = None
    validation: float = validation_part("part before the test part", "characters")
    test: float = Field(
        default=0.1,
        ge=0,
        description="part at the end that the figures are made on, not trained on: a share, or characters "
        "from 1; 0 = none",
    )


class LanguageModelConfig(SymbolDropoutConfig, WordVectorsConfig, ModelConfig):
    """The recurrent layers, and what stands before and after them."""

    in_short: ClassVar[tuple[str, ...]] = ("cell", "hidden", "layers", "output_dropout")
    changeable: ClassVar[tuple[str, ...]] = ("input_dropout", "output_dropout")

    members: Members = 1
    hidden: Hidden = 256
    embedding: Literal["learned", "none"] = Field(
        default="learned",
        description="what the layers read of a symbol: a row that is learned; or none, its one-hot vector, "
        "looked up in their input weights: for few symbols, and as textbooks do",
    )
    embedding_size: Size = Field(
        default=EMBEDDING_SIZE,
        description="numbers that tell a symbol from others; more can tell finer meanings, and need more "
        "text",
    )
    tie: bool = Field(
        default=False,
        description="predict symbols by the rows of the embedding: fewer weights, which small texts can "
        "teach better",
    )
    input_dropout: InputDropout = 0.0
    output_dropout: OutputDropout = 0.2

    @model_validator(mode="after")
    def _one_hot(self) -> Self:
        if self.embedding == "none":
            useless = [name for name in ("vectors", "tie", "input_dropout") if getattr(self, name)]
            useless += ["variational_dropout"] if self.variational_dropout else []
            useless += ["embedding_size"] if self.embedding_size != EMBEDDING_SIZE else []
            if useless:
                raise ValueError(
                    f"{option('embedding', 'none')} has no embedding for {either([*map(option, useless)])}; "
                    "leave one or the other out"
                )
        return self


class SamplingConfig(Section):
    """How the text is cut into batches."""

    in_short: ClassVar[tuple[str, ...]] = ("window",)

    sampling: Literal["consecutive", "random"] = Field(
        default="consecutive",
        description="rows that walk through the text and carry their state, which learn what stands far "
        "back; or windows drawn at random, which do not",
    )
    window: Count = Field(
        default=128,
        description="tokens that backpropagation goes back; more learns longer dependencies, and takes "
        "more memory",
    )
    backprop_windows: Count = Field(
        default=1,
        description="consecutive: windows that the gradient flows back through; 1 cuts the state from its "
        "history at each batch; k reads the k - 1 windows before once more, for about k times the time and "
        "the memory; as many as an epoch has batches cut nothing",
    )

    @model_validator(mode="after")
    def _goes_back(self) -> Self:
        if self.backprop_windows > 1 and self.sampling == "random":
            raise ValueError(
                f"{option('backprop_windows')} needs windows that follow one another; set "
                f"{option('sampling', 'consecutive')}, or leave it out"
            )
        return self


class LanguageTraining(TaskTraining):
    """How a model is trained."""

    in_short: ClassVar[tuple[str, ...]] = ("epochs", "minutes", "learning_rate", "batch_size")

    patience_epochs: ClassVar[int] = 3

    learning_rate: LearningRate = 0.005
    samples_every: Count | None = Field(
        default=None,
        description="after every so many epochs print what the model writes, and keep it in the run, in "
        "samples/epoch-N.txt",
    )
    samples_length: Count | None = Field(
        default=None, description="tokens of each such text; more show more, and take longer (50)"
    )
    prime: Names = Field(default=(), description="text that each such text begins with, one for each")

    @model_validator(mode="after")
    def _sampled(self) -> Self:
        for name in ("samples_length", "prime"):
            if getattr(self, name) and self.samples_every is None:
                raise ValueError(
                    f"{option(name)} belongs to {option('samples_every')}; set both, or leave it out"
                )
        return self


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
        if self.data.group is not None:
            raise ValueError(
                f"language draws no parts, the text is cut in order; leave {option('group')} out, and "
                f"name the texts of others with {option('test_files')}"
            )
        if self.model.vectors is not None and self.data.tokens not in ("words", "spaced-words"):
            raise ValueError(
                f"{option('vectors')} is for words; set {option('tokens', 'words')}, or leave "
                f"{option('vectors')} out"
            )
        return self
