import pytest
import torch

from tests.tasks.forecast.cases import coded, noisy, plan
from unrolled.tasks.forecast.recursive.passes import Passes, passes
from unrolled.tasks.forecast.recursive.windows import training_windows
from unrolled.training.config import TrainingConfig


@pytest.mark.parametrize("skip", [0, 1, 6, 7, 11])
def test_passes_follow_one_another_as_epochs_would(skip):
    _, series, _ = coded(noisy(40))
    windows = training_windows(series, [(40, 40)], plan(window=6), 10, 0)
    joined = Passes(windows, 3)
    assert (windows.steps_per_epoch, joined.steps_per_epoch) == (4, 12)
    wanted = [batch.x for epoch in (4, 5, 6) for batch in windows.batches(epoch)]
    found = [batch.x for batch in joined.batches(2, skip)]
    assert len(found) == 12 - skip
    assert all(torch.equal(*pair) for pair in zip(found, wanted[skip:], strict=True))


@pytest.mark.parametrize(
    "steps_per_pass, limits, count",
    [
        (1, {"steps": 400}, 10),
        (3, {"steps": 400}, 4),
        (10, {"steps": 1500}, 1),
        (25, {"steps": 1500}, 1),
        (1, {"steps": 100}, 4),
        (2, {"steps": 24}, 1),
        (2, {"minutes": 1}, 5),
        (2, {"epochs": 3}, 1),
        (2, {"epochs": 3, "steps": 400}, 1),
    ],
)
def test_an_epoch_has_ten_steps_unless_a_training_has_few_or_counts_epochs(steps_per_pass, limits, count):
    assert passes(steps_per_pass, TrainingConfig(**limits)) == count
