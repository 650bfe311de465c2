import pytest

from unrolled.training.history import STEP_ROWS, Progress, step_stride


def test_an_epoch_is_summed_up():
    progress = Progress(epoch=3)
    for loss, norm in [(1.0, 4.0), (2.0, 0.5), (6.0, 3.0), (0.5, 2.0)]:
        progress.count(loss, norm, clip=2.0)
    assert progress.epoch_row(1.25, 0.01, steps_per_epoch=4) == {
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


def test_without_clipping_no_step_counts_as_clipped():
    progress = Progress()
    progress.count(1.0, 1e30, clip=0.0)
    assert progress.clipped == 0


def test_the_next_epoch_begins_anew_and_remembers_the_best():
    progress = Progress()
    losses = [3.0, 2.0, 2.0, 2.5, 1.0]
    better = []
    for loss in losses:
        progress.count(loss, 1.0, clip=0.5)
        better.append((progress.next_epoch(loss), progress.epochs_since_best))
    assert better == [(True, 0), (True, 0), (False, 1), (False, 2), (True, 0)]
    assert progress == Progress(epoch=6, best_epoch=5, best_loss=1.0)


@pytest.mark.parametrize("steps", [1, 49, 50, 51, 99, 100, 101, 12345])
def test_the_rows_of_an_epoch_are_bounded_and_there_is_one(steps):
    assert 1 <= steps // step_stride(steps) <= STEP_ROWS
