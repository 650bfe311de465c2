"""What is counted while an epoch runs, and what is kept of it: the rows of metrics.jsonl.

    {"kind": "step",  "epoch", "step", "loss", "gradient_norm"}                  at most STEP_ROWS an epoch
    {"kind": "epoch", "epoch", "step", "train_loss", "validation_loss", "gradient_norm_mean",
     "gradient_norm_max", "clipped", "learning_rate"}                            one an epoch

Epochs and steps count from 1, steps over all epochs. Norms are before clipping; `clipped` is the share of
steps whose norm was above `clip`. No row holds a time: a resumed training writes the same bytes as an
uninterrupted one.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict

from unrolled.errors import RunError
from unrolled.files import described

Row = dict[str, str | int | float]
ROW = {str: (str, float)}  # as files/described.py has it

STEP_ROWS = 50


@dataclass
class Progress:
    """How far a training is. A checkpoint holds it, so every field is a plain number or None."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    epoch: int = 1
    step: int = 0
    loss_sum: float = 0.0
    norm_sum: float = 0.0
    norm_max: float = 0.0
    clipped: int = 0
    best_epoch: int | None = None
    best_loss: float | None = None
    epochs_since_best: int = 0
    seconds: float = 0.0

    def steps_done(self, steps_per_epoch: int) -> int:
        """Steps over all epochs."""
        return (self.epoch - 1) * steps_per_epoch + self.step

    def count(self, loss: float, norm: float, clip: float) -> None:
        """Adds one step."""
        self.step += 1
        self.loss_sum += loss
        self.norm_sum += norm
        self.norm_max = max(self.norm_max, norm)
        self.clipped += 0 < clip < norm

    def epoch_row(self, validation_loss: float, learning_rate: float, steps_per_epoch: int) -> Row:
        """The row of the running epoch."""
        return {
            "kind": "epoch",
            "epoch": self.epoch,
            "step": self.steps_done(steps_per_epoch),
            "train_loss": self.loss_sum / self.step,
            "validation_loss": validation_loss,
            "gradient_norm_mean": self.norm_sum / self.step,
            "gradient_norm_max": self.norm_max,
            "clipped": self.clipped / self.step,
            "learning_rate": learning_rate,
        }

    def next_epoch(self, validation_loss: float) -> bool:
        """Ends the running epoch. True where its validation loss is the lowest so far."""
        best = self.best_loss is None or validation_loss < self.best_loss
        if best:
            self.best_epoch, self.best_loss, self.epochs_since_best = self.epoch, validation_loss, 0
        else:
            self.epochs_since_best += 1
        self.epoch, self.step, self.clipped = self.epoch + 1, 0, 0
        self.loss_sum = self.norm_sum = self.norm_max = 0.0
        return best


@dataclass(frozen=True)
class History:
    """What a training leaves: rows as above, the epoch whose weights the model holds, and why it ended."""

    rows: tuple[Row, ...]
    best_epoch: int
    best_loss: float
    stopped: str
    seconds: float


def step_stride(steps_per_epoch: int) -> int:
    """A row is kept of every so many steps."""
    return math.ceil(steps_per_epoch / STEP_ROWS)


def lines_of(rows: Sequence[Row]) -> bytes:
    """One JSON object a line."""
    return "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows).encode()


def rows_of(path: Path, lines: bytes) -> list[Row]:
    """The rows of the content of `path`. RunError where a line is none."""
    return [_row(path, number, line) for number, line in enumerate(lines.splitlines(), start=1)]


def _row(path: Path, number: int, line: bytes) -> Row:
    try:
        row: Row = described.parse(line)
        described.require(row, ROW)
    except ValueError:
        raise RunError(f"{path}, line {number}: wanted a JSON object, got {line[:40]!r}") from None
    return row
