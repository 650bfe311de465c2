"""The options of a training. Each becomes a `--option` of the command line and a key of config.toml.

How long a training goes on, and how long it waits for a lower validation loss, is counted in gradient steps:
an epoch of ten batches teaches little, one of ten thousand much.
"""

import math
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from unrolled.cells.cell import SHORTEST
from unrolled.errors import ConfigError
from unrolled.files.messages import option
from unrolled.training.selection import LOSS

# Where neither epochs, steps nor minutes are given: so many epochs, and of small data more, so many steps.
DEFAULT_EPOCHS, LEAST_STEPS, FEWEST_EPOCHS = 100, 1000, 5
LEAST_PATIENCE = 200
# A validation part of fewer examples (of texts tokens, of tags segments of one tag) tells too little to end a
# training, or to choose its weights.
LEAST_VALIDATION = 30
NO_LIMIT = 2**31 - 1
INIT_SCALE = 0.01
LEAST_REACH = SHORTEST + 1  # steps, of init chrono and orthogonal

# Options whose defaults differ from task to task.
BatchSize = Annotated[
    int,
    Field(
        ge=1,
        le=2**20,
        description="examples that each step learns from; more are steadier and faster, fewer often answer "
        "small data better",
    ),
]
Refit = Annotated[
    bool,
    Field(
        description="train again on all data, for as many steps as the kept weights had: that model "
        "answers, knowing the newest data; the figures are of the first, which has half of minutes"
    ),
]
LearningRate = Annotated[
    float,
    Field(
        gt=0,
        le=1000,
        description="how far each step changes the weights; too much never settles, too little learns slowly",
    ),
]
Schedule = Annotated[
    Literal["constant", "cosine", "cooldown"],
    Field(
        description="learning rate over time; cosine falls to zero from the beginning on, cooldown in the "
        "last quarter, or from the best weights where patience ends, so that the weights settle"
    ),
]
COOLDOWN = 0.25  # the share of a training in which the learning rate falls


def _absolute(folder: Any) -> Any:
    """So that it is found again from any other."""
    return str(Path(folder).absolute()) if isinstance(folder, str | Path) else folder


RunFolder = Annotated[str, BeforeValidator(_absolute)]


class TrainingConfig(BaseModel):
    """How a model is trained. None means: not set; see each field. Everything random follows from `seed`."""

    in_short: ClassVar[tuple[str, ...]] = ("minutes", "learning_rate")

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    # Epochs without a lower validation loss that a task's data are worth waiting for.
    patience_epochs: ClassVar[int] = 10
    # Most steps where none are named, but for FEWEST_EPOCHS.
    most_steps: ClassVar[int] = NO_LIMIT

    epochs: int | None = Field(
        default=None,
        ge=1,
        le=NO_LIMIT,
        description="most passes over the training data; too few know little, and patience ends the "
        f"training where more do not help ({DEFAULT_EPOCHS}, and at least {LEAST_STEPS:,} steps; no limit "
        "where steps or minutes is set)",
    )
    steps: int | None = Field(
        default=None,
        ge=1,
        le=NO_LIMIT,
        description="most gradient steps; too few know little, and patience ends the training where more "
        "do not help",
    )
    minutes: float | None = Field(
        default=None,
        gt=0,
        description="stop after this many minutes of training, within an epoch if need be; large data are "
        "answered better with more",
    )
    patience: int | None = Field(
        default=None,
        ge=0,
        description="stop after this many gradient steps without a better result on the validation part; "
        "0 = never; more may find a better epoch late (those of 3 to 10 epochs, by the task, and at least "
        f"{LEAST_PATIENCE}; 0 where fewer than {LEAST_VALIDATION} examples validate, of texts tokens, of "
        "tags segments of one tag, and in tasks whose learning rate falls to zero)",
    )
    keep: Literal["best", "last", "average"] | None = Field(
        default=None,
        description="weights that answer: of the best epoch on the validation part; of the last step; or "
        "an average over the last steps, which varies less, the best one (best; last where fewer than "
        f"{LEAST_VALIDATION} examples validate, of texts tokens, of tags segments of one tag)",
    )
    refit: Refit = False
    start_from: RunFolder | None = Field(
        default=None,
        description="run whose model the training starts from: its weights, scalers and vocabularies, and "
        "its options where no others are set; a few new data then do",
    )
    start_sha256: str | None = Field(
        default=None,
        pattern="^[0-9a-f]{64}$",
        description="refuse a run to start from that has another checksum than this, of which another "
        "model would come",
    )
    init: Literal["torch", "normal", "chrono", "orthogonal"] = Field(
        default="torch",
        description="first weights: as torch.nn draws those of each layer, which suits most; normal, all "
        "from N(0, init-scale²) with biases of 0, as textbooks do; chrono or orthogonal, which reach back "
        "over long sequences: gates that keep their states for up to init-scale steps, or states that turn "
        "with periods of up to init-scale steps and hardly fade",
    )
    init_scale: float | None = Field(
        default=None,
        gt=0,
        le=2**20,
        description=f"init normal: deviation of the first weights ({INIT_SCALE}); small ones begin slowly. "
        "init chrono, orthogonal: most steps to reach back (those of the longest training sequence)",
    )
    batch_size: BatchSize = 32
    optimizer: Literal["adam", "adamw", "sgd"] = Field(
        default="adam",
        description="rule that updates the weights: adam suits most; adamw decays weights apart from "
        "gradients; sgd needs its learning rate found",
    )
    learning_rate: LearningRate = 0.001
    recurrent_rate: float = Field(
        default=1.0,
        gt=0,
        le=1000,
        description="share of the learning rate that recurrent weights have: over hundreds of steps "
        "a small change of theirs is a large one of the answer, and 0.1 or less lets the rest learn faster",
    )
    momentum: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="share of a step that goes on in the next, of optimizer sgd: faster and smoother; 0 = "
        "none",
    )
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        description="pull of the weights towards zero; more answers small data more carefully",
    )
    schedule: Schedule = "constant"
    clip: float = Field(
        default=1.0,
        ge=0,
        description="largest global gradient norm, so that no odd batch undoes what was learned; 0 = no "
        "clipping",
    )
    seed: int = Field(
        default=0,
        ge=0,
        lt=2**63,
        description="number that everything random follows from: the same one gives the same model to the "
        "bit, another one slightly other answers",
    )
    threads: int = Field(
        default=1,
        ge=1,
        le=4096,
        description="processor threads, for speed; another number may round the weights differently",
    )
    checkpoint_seconds: float = Field(
        default=60.0,
        ge=0,
        description="write a checkpoint this often within an epoch, in seconds: the most that a power cut "
        "costs; it changes no answer",
    )

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(
                f"{option('momentum')} belongs to {option('optimizer', 'sgd')}, not '{self.optimizer}'; "
                "leave it out"
            )
        if self.init_scale is not None and self.init == "torch":
            raise ValueError(
                f"{option('init_scale')} belongs to {option('init', 'normal')}, 'chrono' and 'orthogonal'; "
                "set both, or leave it out"
            )
        reaches = self.init in ("chrono", "orthogonal")
        if reaches and self.init_scale is not None and self.init_scale < LEAST_REACH:
            raise ValueError(
                f"{option('init_scale', self.init_scale)} of {option('init', self.init)} is a number of "
                f"steps: wanted {LEAST_REACH} or more"
            )
        if self.init != "torch" and self.start_from is not None:
            raise ValueError(
                f"{option('start_from')} has first weights already; leave {option('init')} out, or train anew"
            )
        if self.start_sha256 is not None and self.start_from is None:
            raise ValueError(
                f"{option('start_sha256')} belongs to {option('start_from')}; set both, or leave it out"
            )
        return self

    @property
    def measure(self) -> str:
        """What epochs are chosen by: `select` of the tasks that have a choice, else the loss."""
        return getattr(self, "select", None) or LOSS

    def by_loss(self) -> Self:
        """The same whose epochs are chosen by the loss, as where there is no validation part."""
        return self if self.measure == LOSS else self.model_copy(update={"select": LOSS})

    def step_limit(self, steps_per_epoch: int) -> int | None:
        """The number of steps after which training ends whatever the losses; None where only time ends it."""
        limits = [self.steps] if self.steps else []
        limits += [self.epochs * steps_per_epoch] if self.epochs else []
        return min(limits, default=None)

    def settled(self, steps_per_epoch: int, validated: bool, few: bool = False) -> Self:
        """The same with what was left open as numbers, for a config.toml that repeats a training exactly.
        `validated`: whether there is a validation part; `few`: whether it has fewer examples than
        LEAST_VALIDATION. ConfigError for options that need one."""
        if not validated:
            self._require_blind()
        epochs, patience = self.epochs, self.patience
        if epochs is None and self.steps is None and self.minutes is None:
            most = max(FEWEST_EPOCHS, self.most_steps // steps_per_epoch)
            epochs = max(min(DEFAULT_EPOCHS, most), math.ceil(LEAST_STEPS / steps_per_epoch))
        if patience is None:
            watched = validated and not few and self.patience_epochs > 0
            patience = max(self.patience_epochs * steps_per_epoch, LEAST_PATIENCE) if watched else 0
        chosen = validated and not (few and self.measure == LOSS)
        keep = self.keep or ("best" if chosen else "last")
        return self.model_copy(update={"epochs": epochs, "patience": patience, "keep": keep})

    def _require_blind(self) -> None:
        """ConfigError for what only a validation part can decide."""
        wrong = option("keep", "best") if self.keep == "best" else ""
        wrong = wrong or (option("patience", self.patience) if self.patience else "")
        wrong = wrong or (option("select", self.measure) if self.measure != LOSS else "")
        if wrong:
            raise ConfigError(f"{wrong} needs a validation part, and validation is 0; leave one of them out")
