"""The options of taggers."""

from typing import Literal, Self

from pydantic import Field, model_validator

from unrolled.files.messages import option
from unrolled.tasks.config import Names, PathName, Section
from unrolled.tasks.model import CellName, ModelConfig, require_forward
from unrolled.tasks.shared_options import PartsConfig
from unrolled.training.config import TrainingConfig


class TagData(PartsConfig):
    """Which files are read, what of them, and how they are split."""

    column: str | None = Field(
        default=None,
        description="column of tags: CoNLL-U upos (as without), xpos …; CoNLL a number (the last)",
    )
    id: str | None = Field(
        default=None, description="table: column that tells which sequence a row belongs to"
    )
    time: str | None = Field(default=None, description="table: column that rows of a sequence are sorted by")
    target: str | None = Field(default=None, description="table: column of tags")
    features: Names = Field(default=(), description="table: columns of numbers to read (all others)")
    text: str | None = Field(default=None, description="table: column of words, in place of numbers")
    least_count: int = Field(default=1, ge=1, description="words that come less often become <unk>")
    most_symbols: int | None = Field(default=None, ge=1, description="most words, the rarer become <unk>")


class TagModelConfig(ModelConfig):
    """The recurrent layers, and what stands before and after them."""

    cell: CellName = Field(default="lstm", description="kind of recurrent cell")
    hidden: int = Field(default=128, ge=1, le=2**16, description="hidden units of a layer")
    bidirectional: bool = Field(default=True, description="read every sequence in both directions")
    embedding_size: int = Field(
        default=100, ge=1, le=2**16, description="numbers that a word becomes for the network"
    )
    vectors: PathName | None = Field(
        default=None, description="file of word vectors (word2vec text format) that the embedding begins with"
    )
    character_size: int = Field(default=32, ge=1, le=2**16, description="numbers that a character becomes")
    character_hidden: int = Field(
        default=64,
        ge=0,
        le=2**16,
        description="hidden units a direction that read a word's characters; 0 = none",
    )
    input_dropout: float = Field(default=0.3, ge=0, lt=1, description="dropout before the recurrent layers")
    output_dropout: float = Field(default=0.3, ge=0, lt=1, description="dropout after the recurrent layers")


class TagOptions(Section):
    """How tags are learned and decoded."""

    crf: bool = Field(
        default=False,
        description="learn what tag follows which (conditional random field), in place of softmax",
    )
    constraints: bool = Field(
        default=True, description="decode no I- tag where none may stand, if tags are B-, I- and O"
    )
    word_dropout: float = Field(
        default=0.25, ge=0, description="a: in training a word of count n becomes <unk> with a / (a + n)"
    )
    window: int | None = Field(
        default=None,
        ge=1,
        description="steps that backpropagation goes back, the state carried on: long sequences (whole ones)",
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none", description="balanced: rare tags count as much in the loss as frequent ones"
    )


class TagTraining(TrainingConfig):
    """How a model is trained."""

    patience: int = Field(
        default=4, ge=0, description="stop after this many epochs without a lower validation loss; 0 = never"
    )
    learning_rate: float = Field(default=0.002, gt=0, le=1000, description="step size of the optimizer")


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
            require_forward(self.model, "tag with a window", "need what no state has carried yet")
            if self.tag.crf:
                raise ValueError(
                    f"{option('crf')} learns from whole paths, and {option('window')} cuts them; leave one "
                    "of the two out"
                )
        return self
