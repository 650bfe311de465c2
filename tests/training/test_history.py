import pytest

from unrolled.training.history import STEP_ROWS, Progress, step_stride
from unrolled.training.selection import Validated


def test_an_epoch_is_summed_up():
    progress = Progress(epoch=3)
    rates = iter((0.04, 0.03, 0.02, 0.01))
    for loss, norm in [(1.0, 4.0), (2.0, 0.5), (6.0, 3.0), (0.5, 2.0)]:
        progress.count(loss, norm, clip=2.0, learning_rate=next(rates))
    assert progress.epoch_row(Validated(1.25), steps_per_epoch=4) == {
        "kind": "epoch",
        "epoch": 3,
        "step": 12,
        "train_loss": 2.375,
        "validation_loss": 1.25,
        "gradient_norm_mean": 2.375,
        "gradient_norm_max": 4.0,
        "clipped": 0.5,
        "learning_rate": 0.01,
    }


def test_a_measure_other_than_that_of_the_training_is_named():
    progress = Progress()
    progress.count(1.0, 1.0, clip=0.0, learning_rate=0.1)
    row, named = (progress.epoch_row(Validated(1.0), 1, *name) for name in ([], ["CRPS over 12 steps"]))
    assert "validated" not in row and named == row | {"validated": "CRPS over 12 steps"}


def test_without_clipping_no_step_counts_as_clipped():
    progress = Progress()
    progress.count(1.0, 1e30, clip=0.0, learning_rate=0.1)
    assert progress.clipped == 0


def test_the_next_epoch_begins_anew_and_remembers_the_best():
    progress = Progress()
    losses = [3.0, 2.0, 2.0, 2.5, 1.0]
    better = []
    for loss in losses:
        for _ in range(3):
            progress.count(loss, 1.0, clip=0.5, learning_rate=0.1)
        row = progress.epoch_row(Validated(loss), steps_per_epoch=3)
        better.append((progress.next_epoch(row, "loss"), progress.best_step))
    assert better == [(True, 3), (True, 6), (False, 6), (False, 6), (True, 15)]
    progress.count(1.0, 1.0, clip=0.5, learning_rate=0.1)
    assert not progress.next_epoch(progress.epoch_row(None, steps_per_epoch=3), "loss")
    best = {"best_epoch": 5, "best_loss": 1.0, "best_rank": (1.0, 1.0), "best_step": 15}
    assert progress == Progress(epoch=7, **best, learning_rate=0.1)


@pytest.mark.parametrize("steps", [1, 49, 50, 51, 99, 100, 101, 12345])
def test_the_rows_of_an_epoch_are_bounded_and_there_is_one(steps):
    assert 1 <= steps // step_stride(steps) <= STEP_ROWS
