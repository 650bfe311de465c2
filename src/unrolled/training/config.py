"""The options of a training. Each becomes a `--option` of the command line and a key of config.toml."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from unrolled.files.messages import option

DEFAULT_EPOCHS = 100
NO_LIMIT = 2**31 - 1

# Options whose defaults differ from task to task.
Patience = Annotated[
    int,
    Field(ge=0, description="stop after this many epochs without a lower validation loss; 0 = never"),
]
BatchSize = Annotated[int, Field(ge=1, le=2**20, description="rows in a batch")]
LearningRate = Annotated[float, Field(gt=0, le=1000, description="step size of the optimizer")]


class TrainingConfig(BaseModel):
    """How a model is trained. None means: not set; see each field. Everything random follows from `seed`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: int | None = Field(
        default=None,
        ge=1,
        le=NO_LIMIT,
        description=f"most passes over the training data ({DEFAULT_EPOCHS}; no limit where minutes is set)",
    )
    minutes: float | None = Field(
        default=None, gt=0, description="stop after this many minutes of training, within an epoch if need be"
    )
    patience: Patience = 10
    batch_size: BatchSize = 32
    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        default="adam", description="rule that updates the weights; adamw decays weights apart from gradients"
    )
    learning_rate: LearningRate = 0.001
    momentum: float = Field(default=0.0, ge=0, lt=1, description="momentum of optimizer sgd; 0 = none")
    weight_decay: float = Field(default=0.0, ge=0, le=1000, description="pull of the weights towards zero")
    schedule: Literal["constant", "cosine"] = Field(
        default="constant", description="learning rate over time; cosine falls to zero over all epochs"
    )
    clip: float = Field(default=1.0, ge=0, description="largest global gradient norm; 0 = no clipping")
    seed: int = Field(default=0, ge=0, lt=2**63, description="number that everything random follows from")
    threads: int = Field(
        default=1, ge=1, le=4096, description="processor threads; another number may round differently"
    )
    checkpoint_seconds: float = Field(
        default=60.0, ge=0, description="write a checkpoint this often within an epoch, in seconds"
    )

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(
                f"{option('momentum')} belongs to {option('optimizer', 'sgd')}, not '{self.optimizer}'; "
                "leave it out"
            )
        if self.schedule == "cosine" and self.minutes is not None and self.epochs is None:
            raise ValueError(
                f"{option('schedule', 'cosine')} falls over a number of epochs; give {option('epochs')} "
                f"beside {option('minutes')}"
            )
        return self

    @property
    def epoch_limit(self) -> int:
        """The number of epochs after which training ends whatever the losses."""
        if self.epochs is not None:
            return self.epochs
        return DEFAULT_EPOCHS if self.minutes is None else NO_LIMIT

    def settled(self) -> "TrainingConfig":
        """The same with what was left open as numbers, for a config.toml that repeats a training exactly."""
        epochs = self.epochs if self.epoch_limit == NO_LIMIT else self.epoch_limit
        return self.model_copy(update={"epochs": epochs})
