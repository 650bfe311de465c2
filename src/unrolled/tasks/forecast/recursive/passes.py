"""Epochs of several passes over few windows: a validation over a horizon of many steps, which follow one
another, takes longer than a pass."""

from collections.abc import Iterator
from dataclasses import dataclass

from unrolled.batching.windows import Batch, Windows
from unrolled.tasks.forecast.direct.prepared import LEAST_STEPS, VALIDATIONS
from unrolled.training.config import TrainingConfig


@dataclass(frozen=True)
class Passes:
    """`count` passes are an epoch, in the order in which they would be epochs."""

    windows: Windows
    count: int

    @property
    def steps_per_epoch(self) -> int:
        return self.count * self.windows.steps_per_epoch

    def batches(self, epoch: int, skip: int = 0) -> Iterator[Batch]:
        done, within = divmod(skip, self.windows.steps_per_epoch)
        for number in range(done, self.count):
            one = (epoch - 1) * self.count + number + 1
            yield from self.windows.batches(one, within if number == done else 0)


def passes(steps_per_pass: int, training: TrainingConfig) -> int:
    """As many as make LEAST_STEPS steps, but of a training of few steps so few that it is validated
    VALIDATIONS times; one where epochs are asked for, which are passes to whoever does."""
    if training.epochs:
        return 1
    wanted = min(LEAST_STEPS, training.steps // VALIDATIONS) if training.steps else LEAST_STEPS
    return max(1, -(-wanted // steps_per_pass))
