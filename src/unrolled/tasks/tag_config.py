"""The options of taggers."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from unrolled.files.messages import option
from unrolled.tasks.config import (
    NO_ANSWER,
    Count,
    DateFormat,
    Decimal,
    Missing,
    Names,
    NoHeader,
    Rate,
    Section,
    Size,
    SkipWrong,
)
from unrolled.tasks.model import (
    CellKind,
    Hidden,
    Members,
    ModelConfig,
    OutputDropout,
)
from unrolled.tasks.shared_options import (
    SplitConfig,
    TaskTraining,
    Unicode,
    WordVectorsConfig,
    select_by,
)
from unrolled.tasks.symbol_dropout import CharacterDropout, SymbolDropoutConfig


class TagData(SplitConfig):
    """Which files are read, what of them, and how they are split."""

    in_short: ClassVar[tuple[str, ...]] = ("column", "target", "group", "validation_files", "test_files")
    changeable: ClassVar[tuple[str, ...]] = (
        *("id", "time", "target", "text", "no_header", "missing", "skip_wrong"),
    )

    column: str | None = Field(
        default=None,
        description="column of tags to learn: CoNLL-U upos (as without), xpos …; CoNLL a number (the last)",
    )
    no_header: NoHeader = False
    id: str | None = Field(
        default=None,
        description="table: column that tells which sequence a row belongs to; tags look no further than "
        "their own",
    )
    time: str | None = Field(
        default=None,
        description="table: column that rows of a sequence are sorted by; their order is part of what is "
        "learned",
    )
    date_format: DateFormat = None
    decimal: Decimal = None
    target: str | None = Field(default=None, description="table: column of tags to learn and to give")
    missing: Missing = NO_ANSWER
    skip_wrong: SkipWrong = False
    features: Names = Field(
        default=(), description="table: columns of numbers that tags are made from (all others)"
    )
    text: str | None = Field(
        default=None, description="table: column of words that tags are made from, in place of numbers"
    )
    unicode: Unicode = "nfc"
    least_count: Count = Field(
        default=1, description="words that come less often become <unk>, told apart by their characters alone"
    )
    most_symbols: Count | None = Field(
        default=None,
        description="most words that are told apart, the rarer become <unk>; fewer make a smaller model "
        "that knows fewer words",
    )


class TagModelConfig(SymbolDropoutConfig, WordVectorsConfig, ModelConfig):
    """The recurrent layers, and what stands before and after them."""

    in_short: ClassVar[tuple[str, ...]] = ("hidden", "layers", "vectors")
    changeable: ClassVar[tuple[str, ...]] = ("input_dropout", "output_dropout")

    cell: CellKind = "lstm"
    members: Members = 1
    hidden: Hidden = 128
    bidirectional: bool | None = Field(  # type: ignore[assignment]
        default=None,
        description="read every sequence in both directions, so that a step is understood by what follows "
        "it too; twice the work, and no stream (on; of long series of numbers by a trial on the validation "
        "part)",
        json_schema_extra={"unset": True},
    )
    embedding_size: Size = Field(
        default=100,
        description="numbers that tell a word from others; more can tell finer meanings, and need more text",
    )
    character_size: Size = Field(
        default=32, description="numbers that tell a character from others; more can tell finer differences"
    )
    character_hidden: int = Field(
        default=64,
        ge=0,
        le=2**16,
        description="numbers a direction that are remembered of a word's characters: what tags words that "
        "training did not hold; 0 = none, faster",
    )
    affix_size: int = Field(
        default=16,
        ge=0,
        le=2**16,
        description="numbers that a word's shape and each of its prefixes and suffixes of 1 to 4 characters "
        "become; 0 = none are read",
    )
    character_dropout: CharacterDropout = 0.1
    input_dropout: Rate | None = Field(
        default=None,
        description="share of what the recurrent layers read that is left out by chance in training; more "
        "learns small data less by heart (words: 0.3; numbers: 0)",
    )
    output_dropout: OutputDropout = 0.3


class TagOptions(Section):
    """How tags are learned and decoded."""

    in_short: ClassVar[tuple[str, ...]] = ("crf", "class_weights")
    changeable: ClassVar[tuple[str, ...]] = ("rare_word_dropout", "window", "lookahead", "class_weights")

    crf: bool = Field(
        default=False,
        description="learn what tag follows which (conditional random field), in place of softmax: the "
        "tags of a sequence fit one another; takes longer",
    )
    scheme: Literal["iob1", "iob2", "bioes", "bilou", "none"] | None = Field(
        default=None,
        description="how tags say where entities begin and end: none = tags are of no entities (told by the "
        "tags of the training part)",
    )
    constraints: bool = Field(
        default=True,
        description="answer with no tag of an entity where its scheme does not have it, so that entities "
        "are whole",
    )
    rare_word_dropout: float = Field(
        default=0.25,
        ge=0,
        description="a: in training a word of count n becomes <unk> with a / (a + n); more tags unknown "
        "words better by what is around them",
    )
    window: Count | None = Field(
        default=None,
        description="steps of long sequences that are learned from at once (truncated backpropagation): in "
        "one direction the state is carried on, in both the steps around are read too; fewer take less "
        "memory and learn shorter patterns (whole sequences; of numbers with more than 1,000 steps 64)",
    )
    lookahead: int | None = Field(
        default=None,
        ge=0,
        le=2**20,
        description="both directions with a window: steps before and behind it that are read with it, in use "
        "too; more know more of what is around a step, and take longer (32)",
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none",
        description="balanced: rare tags count as much in the loss as frequent ones, and are answered more "
        "often",
    )


class TagTraining(TaskTraining):
    """How a model is trained."""

    in_short: ClassVar[tuple[str, ...]] = ("minutes", "learning_rate", "select")

    patience_epochs: ClassVar[int] = 4
    select: Literal["loss", "accuracy", "macro-f1", "entity-f1"] | None = select_by(
        "accuracy (share of right tags), macro-f1 (mean F1 of tags, rare ones alike) or entity-f1 (whole "
        "entities)",
        usual="entity-f1 where tags are of entities, else loss",
    )


class TagConfig(Section):
    """All options of `tag`."""

    data: TagData = TagData()
    model: TagModelConfig = TagModelConfig()
    tag: TagOptions = TagOptions()
    training: TagTraining = TagTraining()

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.tag.crf and self.tag.class_weights != "none":
            raise ValueError(
                f"{option('class_weights')} weighs single steps, {option('crf')} whole paths; leave one of "
                "the two out"
            )
        if self.tag.window is not None:
            self._require_window()
        if self.tag.lookahead is not None and (self.model.bidirectional is False or self.model.reverse):
            raise ValueError(
                f"{option('lookahead')} is for layers that read in both directions, which these do not; "
                "leave it out"
            )
        return self

    def _require_window(self) -> None:
        if self.model.reverse:
            raise ValueError(
                f"{option('window')} cuts sequences, and {option('reverse')} reads them from their ends, "
                "which no state has carried yet; leave one of the two out"
            )
        if self.tag.crf:
            raise ValueError(
                f"{option('crf')} learns from whole paths, and {option('window')} cuts them; leave one of "
                "the two out"
            )
