"""The options of `classify`."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from unrolled.files.messages import option
from unrolled.tasks.config import Rate, Section, several
from unrolled.tasks.inputs import PooledDropout, PooledModelConfig, SequencesConfig
from unrolled.tasks.pooled import PooledConfig, PooledTraining
from unrolled.tasks.shared_options import Noise, select_by

# What `select` takes beside the loss, and the option that such a measure belongs to.
BELONGS = {"micro-f1": "multi_label", "kappa": "ordinal", "rank-error": "ordinal"}


def _between_commas(value: Any) -> Any:
    """low,mid,high as three names."""
    values = several(value)
    return values[0].split(",") if len(values) == 1 and isinstance(values[0], str) else values


ClassOrder = Annotated[tuple[str, ...], BeforeValidator(_between_commas)]


class LabelledConfig(SequencesConfig):
    """Which files are read, what of them and of their labels, and how they are split."""

    in_short: ClassVar[tuple[str, ...]] = (*SequencesConfig.in_short, "multi_label")

    multi_label: bool = Field(
        default=False,
        description="several classes may be right for a sequence, or none: each is answered by a yes or no "
        "of its own",
    )
    label_separator: str | None = Field(
        default=None,
        min_length=1,
        description="sign between several labels in a cell, read and written (| ; or , where it stands in "
        "the cells); a wrong one makes one label of several",
    )
    ordinal: bool = Field(
        default=False,
        description="the classes are in an order, that of their numbers: answers are rather off by one "
        "class than by two",
    )
    class_order: ClassOrder = Field(
        default=(), description="the order of classes that are no numbers, lowest first: low,mid,high"
    )

    @model_validator(mode="after")
    def _of_one_kind(self) -> Self:
        if self.multi_label and self.ordinal:
            raise ValueError(
                f"{option('ordinal')} wants one class for each sequence, and {option('multi_label')} any "
                "number of them; leave one out"
            )
        if self.label_separator is not None and not self.multi_label:
            raise ValueError(
                f"{option('label_separator')} belongs to {option('multi_label')}; set both, or leave it out"
            )
        if self.class_order and not self.ordinal:
            raise ValueError(
                f"{option('class_order')} belongs to {option('ordinal')}; set both, or leave it out"
            )
        return self


class ClassifyOptions(Section):
    """What a mistake costs."""

    in_short: ClassVar[tuple[str, ...]] = ("class_weights",)

    class_weights: Literal["none", "balanced"] = Field(
        default="none",
        description="balanced: rare classes count as much in the loss as frequent ones, and are answered "
        "more often (of several labels, each label as much as its absence)",
    )
    label_smoothing: Rate = Field(
        default=0.0,
        description="share of the truth that is spread over all classes in the loss; more makes "
        "probabilities less extreme",
    )
    label_threshold: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="several labels: probability from which a label is answered; less finds more, and more "
        "that is wrong (for each label the one with the best F1 on the validation part; 0.5 where too few "
        "have it there)",
    )


class ClassifyTraining(PooledTraining):
    """How a model is trained."""

    in_short: ClassVar[tuple[str, ...]] = ("minutes", "learning_rate", "select")

    select: Literal["loss", "accuracy", "macro-f1", "micro-f1", "kappa", "rank-error"] | None = select_by(
        "accuracy (share of right classes, or of sequences with all labels right), macro-f1 (mean F1 of "
        "classes, rare ones alike), micro-f1 (F1 of all labels together), kappa or rank-error (ordinal: by "
        "how many classes answers are off)",
        "loss; one class of texts: accuracy",
    )


class ClassifyModelConfig(PooledModelConfig):
    """The recurrent layers, and what stands before and after them."""

    noise: Noise = 0.2
    output_dropout: PooledDropout = 0.4


class ClassifyConfig(PooledConfig):
    """All options of `classify`."""

    data: LabelledConfig = LabelledConfig()
    model: ClassifyModelConfig = ClassifyModelConfig()
    training: ClassifyTraining = ClassifyTraining()
    classify: ClassifyOptions = ClassifyOptions()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        owner = BELONGS.get(self.training.measure)
        if owner is not None and not getattr(self.data, owner):
            raise ValueError(
                f"{option('select', self.training.select)} belongs to {option(owner)}; set both, or "
                f"{option('select', 'accuracy')}"
            )
        if self.classify.label_threshold is not None and not self.data.multi_label:
            raise ValueError(
                f"{option('label_threshold')} belongs to {option('multi_label')}; set both, or leave it out"
            )
        return self
