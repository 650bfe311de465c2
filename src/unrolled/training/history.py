"""What is counted while an epoch runs, and what is kept of it: the rows of metrics.jsonl.

    {"kind": "step",  "epoch", "step", "loss", "gradient_norm"}                  at most STEP_ROWS an epoch
    {"kind": "epoch", "epoch", "step", "train_loss", "validation_loss", "validation_…", "gradient_norm_mean",
     "gradient_norm_max", "clipped", "learning_rate"}                            one an epoch

Epochs and steps count from 1, steps over all epochs. Norms are before clipping; `clipped` is the share of
steps whose norm was above `clip`. `validation_loss` is null without a validation part; where it is another
measure than the training's, "validated" says which; measures of answers to that part stand behind it, see
selection.py; where the training went back to the best weights, "undone" tells how many steps that took back.
No row holds a time: a resumed training writes the same bytes as an uninterrupted one.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict

from unrolled.files.metrics import Row
from unrolled.training.config import TrainingConfig
from unrolled.training.selection import Validated, rank

STEP_ROWS = 50


@dataclass
class Progress:
    """How far a training is. A checkpoint holds it, so every field is plain numbers or None."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    epoch: int = 1
    step: int = 0
    loss_sum: float = 0.0
    norm_sum: float = 0.0
    norm_max: float = 0.0
    clipped: int = 0
    learning_rate: float = 0.0
    best_epoch: int | None = None
    best_loss: float | None = None
    best_rank: tuple[float, float] | None = None
    best_step: int = 0
    cooled_from: int | None = None  # the step at which patience ended, from which on the learning rate falls
    undone: int = 0
    seconds: float = 0.0

    def steps_done(self, steps_per_epoch: int) -> int:
        """Steps over all epochs."""
        return (self.epoch - 1) * steps_per_epoch + self.step

    def count(self, loss: float, norm: float, clip: float, learning_rate: float) -> None:
        """Adds one step."""
        self.step += 1
        self.loss_sum += loss
        self.norm_sum += norm
        self.norm_max = max(self.norm_max, norm)
        self.clipped += 0 < clip < norm
        self.learning_rate = learning_rate

    def epoch_row(self, validated: Validated | None, steps_per_epoch: int, measure: str = "") -> Row:
        """The row of the running epoch; `measure` names the validation loss where it is another than the
        training's."""
        row: Row = {
            "kind": "epoch",
            "epoch": self.epoch,
            "step": self.steps_done(steps_per_epoch),
            "train_loss": self.loss_sum / self.step,
            **({"validation_loss": None} if validated is None else validated.columns()),
            "gradient_norm_mean": self.norm_sum / self.step,
            "gradient_norm_max": self.norm_max,
            "clipped": self.clipped / self.step,
            "learning_rate": self.learning_rate,
        }
        row |= {"undone": self.undone} if self.undone else {}
        return row | {"validated": measure} if measure else row

    def next_epoch(self, row: Row, select: str) -> bool:
        """Ends the running epoch, whose row this is. True where `select` makes it the best so far."""
        values: Any = row
        ranked = None if values["validation_loss"] is None else rank(row, select)
        best = ranked is not None and (self.best_rank is None or ranked < self.best_rank)
        if best:
            self.best_epoch, self.best_step = self.epoch, values["step"]
            self.best_loss, self.best_rank = values["validation_loss"], ranked
        self.epoch, self.step, self.clipped = self.epoch + 1, 0, 0
        self.loss_sum = self.norm_sum = self.norm_max = 0.0
        return best


@dataclass(frozen=True)
class History:
    """What a training leaves: rows as above, the epoch whose weights the model holds with its validation loss
    (None where there was no validation part), and why it ended."""

    rows: tuple[Row, ...]
    kept_epoch: int
    kept_loss: float | None
    stopped: str
    seconds: float


def kept_row(rows: Sequence[Row], training: TrainingConfig) -> Any:
    """The row of the epoch whose weights such a training keeps."""
    epochs: list[Any] = [row for row in rows if row["kind"] == "epoch"]
    if training.keep == "last" or epochs[-1]["validation_loss"] is None:
        return epochs[-1]
    return best_row(rows, training.measure)


def best_row(rows: Sequence[Row], measure: str) -> Any:
    """The row of the best epoch by this, of those with a validation part."""
    return min((row for row in rows if row["kind"] == "epoch"), key=lambda row: rank(row, measure))


def kept_steps(rows: Sequence[Row], training: TrainingConfig) -> int:
    """How many steps those weights have had."""
    row = kept_row(rows, training)
    return int(row["step"]) - int(row.get("undone", 0))


def step_stride(steps_per_epoch: int) -> int:
    """A row is kept of every so many steps."""
    return math.ceil(steps_per_epoch / STEP_ROWS)
