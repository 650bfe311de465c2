"""Which epoch is the best, and a training that is selected by a measure."""

import os
import signal
from typing import Literal

import pytest
import torch

from unrolled.errors import ConfigError, RunError
from unrolled.runs import Run
from unrolled.training.checkpoints import Checkpoints
from unrolled.training.config import TrainingConfig
from unrolled.training.history import Progress, kept_row
from unrolled.training.progress import Reporter
from unrolled.training.selection import MEASURES, Validated, by_loss, measures_text, rank

from .example import STEPS, Example, same


class Selecting(TrainingConfig):
    select: Literal["loss", "accuracy", "label-error"] = "accuracy"


def config(**options):
    return Selecting(**({"epochs": 6, "learning_rate": 0.02, "threads": 1} | options))


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", {}, "test")


# Loss and accuracy of epochs: the third and the fifth have the highest accuracy, the fifth the lower loss.
EPOCHS = [(0.9, 0.5), (0.3, 0.7), (0.8, 0.8), (0.6, 0.6), (0.7, 0.8), (0.7, 0.8)]


def validated(epochs=EPOCHS, name="accuracy"):
    values = iter(epochs)

    def validate():
        loss, measure = next(values)
        return Validated(loss, {name: measure})

    return validate


def rows(epochs=EPOCHS, name="accuracy"):
    progress, each = Progress(), []
    for loss, measure in epochs:
        progress.count(1.0, 1.0, clip=0.0, learning_rate=0.1)
        each.append(progress.epoch_row(Validated(loss, {name: measure}), 1))
        progress.next_epoch(each[-1], name)
    return each, progress


def test_more_of_an_accuracy_and_less_of_an_error_is_better_and_the_loss_is_between_equals():
    for name, more in MEASURES.items():
        low, high = Validated(0.1, {name: 0.2}).columns(), Validated(0.1, {name: 0.7}).columns()
        assert (rank(high, name) < rank(low, name)) == more
        assert rank(Validated(0.05, {name: 0.2}).columns(), name) < rank(low, name)
        assert rank(high, "loss") == rank(low, "loss")
    assert {name for name, more in MEASURES.items() if not more} == {"label-error", "rank-error"}


@pytest.mark.parametrize(
    ("select", "epoch"), [("loss", 2), ("accuracy", 5)]
)  # the sixth is equal to the fifth, and later
def test_the_row_that_is_kept_is_the_one_that_progress_took(select, epoch):
    each, progress = rows()
    assert kept_row(each, config(select=select))["epoch"] == epoch
    if select == "accuracy":
        assert (progress.best_epoch, progress.best_loss, progress.best_step) == (5, 0.7, 5)
    errors, progress = rows(name="label-error")
    assert kept_row(errors, config(select="label-error"))["epoch"] == progress.best_epoch == 1


def test_a_measure_stands_in_the_row_of_its_epoch_behind_the_loss():
    (row, *_), _ = rows(name="macro-f1")
    names = list(row)
    assert names.index("validation_macro_f1") == names.index("validation_loss") + 1
    assert row["validation_macro_f1"] == 0.5
    assert measures_text(row) == ", macro-f1 0.5"
    assert measures_text(by_loss(lambda network: 2)(None).columns()) == ""


class TestTraining:
    def test_the_measure_decides_what_is_kept_and_when_patience_ends(self):
        """By the loss it would have ended after epoch 5, with epoch 2."""
        example, weights, report = Example(), [], Reporter()
        report.note = (notes := []).append
        epochs = [*EPOCHS, (0.1, 0.1), (0.1, 0.1)]
        values = validated(epochs)

        def validate():
            weights.append([tensor.clone() for tensor in example.model.state_dict().values()])
            return values()

        history = example.train(config(epochs=50, patience=2 * STEPS + 1), validate=validate, report=report)
        assert history.kept_epoch == 5
        assert all(map(torch.equal, weights[4], example.model.state_dict().values()))
        assert notes == [
            f"stopped: no higher validation accuracy for {3 * STEPS} steps; kept epoch 5 of 8, validation "
            "loss 0.7, accuracy 0.8"
        ]
        assert [row["validation_accuracy"] for row in history.rows if row["kind"] == "epoch"] == [
            accuracy for _, accuracy in epochs
        ]

    def test_of_errors_the_lowest_is_kept(self):
        report = Reporter()
        report.note = (notes := []).append
        errors = [(0.1, 0.9), (0.2, 0.5), (0.9, 0.4)]
        history = Example().train(
            config(epochs=3, select="label-error"), validate=validated(errors, "label-error"), report=report
        )
        assert history.kept_epoch == 3
        assert notes[-1] == "the last epoch was the best by its label-error; train longer"

    def test_what_cannot_rise_is_not_to_be_trained_longer(self):
        report = Reporter()
        report.note = (notes := []).append
        Example().train(config(epochs=2), validate=validated([(0.9, 1.0), (0.8, 1.0)]), report=report)
        assert notes[-1] == "the last epoch was the best by its loss; its accuracy is 1, and cannot rise"

    @pytest.mark.parametrize(("last", "named"), [(0.4, True), (0.3001, False)])
    def test_where_the_last_epoch_is_kept_a_better_one_is_named(self, last, named):
        report = Reporter()
        report.note = (notes := []).append
        history = Example().train(
            config(epochs=3, select="loss", keep="last"),
            validate=validated([(0.9, 0.1), (0.3, 0.2), (last, 0.3)]),
            report=report,
        )
        assert history.kept_epoch == 3
        said = (
            "the last epoch is kept (keep = last, as where fewer than 30 examples validate), though epoch 2 "
            "had validation loss 0.3, accuracy 0.2"
        )
        assert notes[1:] == [said] * named

    def test_a_resume_goes_on_with_the_best_that_was(self, run, tmp_path):
        """Interrupted behind the best epoch: without what it measured, the sixth would be taken for it."""
        other, values = Run.create(tmp_path / "other", {}, "test"), validated([*EPOCHS[:5], (0.75, 0.8)])

        def interrupt(step):
            if step == 5 * STEPS + 3:
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            Example(interrupt).train(config(), Checkpoints.of(run), validate=values)
        resumed, whole = Example(), Example()
        history = resumed.train(config(), Checkpoints.of(run), validate=values, resume=True)
        uninterrupted = whole.train(
            config(), Checkpoints.of(other), validate=validated([*EPOCHS[:5], (0.75, 0.8)])
        )
        assert history.kept_epoch == uninterrupted.kept_epoch == 5
        assert history.rows == uninterrupted.rows and same(resumed.model, whole.model)
        assert (run.folder / "metrics.jsonl").read_bytes() == (other.folder / "metrics.jsonl").read_bytes()

    def test_a_resume_is_selected_as_it_began(self, run):
        def interrupt(step):
            if step == STEPS + 1:
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt):
            Example(interrupt).train(config(), Checkpoints.of(run), validate=validated())
        with pytest.raises(RunError, match="was written with select = 'accuracy', now it is 'loss'"):
            Example().train(config(select="loss"), Checkpoints.of(run), validate=validated(), resume=True)

    def test_without_a_validation_part_there_is_nothing_to_select_by(self):
        with pytest.raises(ConfigError, match="select='accuracy' needs a validation part"):
            Example().train(config(), validate=None)
        assert Example().train(config(select="loss", epochs=1), validate=None).kept_epoch == 1
