import pytest

from unrolled.plots import figures
from unrolled.tasks.pictures import draw_history
from unrolled.training.config import TrainingConfig

EPOCH = {"kind": "epoch", "epoch": 1, "step": 3, "train_loss": 1.0, "validation_loss": 0.5}


@pytest.mark.parametrize(
    "named, title",
    [
        ({}, "squared error"),
        ({"validated": "CRPS over 12 steps"}, "squared error\nvalidation: CRPS over 12 steps"),
    ],
)
def test_a_validation_by_another_measure_is_named(tmp_path, monkeypatch, named, title):
    drawn = []
    monkeypatch.setattr(figures, "losses", lambda *about: drawn.append(about))
    monkeypatch.setattr(figures, "save", lambda figure, folder, name: None)
    draw_history(tmp_path, [EPOCH | named], "squared error", "", TrainingConfig())
    assert [about[4] for about in drawn] == [title]
