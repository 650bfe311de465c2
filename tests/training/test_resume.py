"""A training that was stopped in any way and resumed ends with the bits of one that never was."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from unrolled.errors import RunError
from unrolled.files.metrics import rows_of
from unrolled.runs import Run
from unrolled.training.checkpoints import Checkpoints
from unrolled.training.config import TrainingConfig
from unrolled.training.progress import Reporter

from .example import STEPS, Batch, Example, Sums, same

ADAM = {"schedule": "cosine", "clip": 0.3}
AVERAGE = {"keep": "average", "learning_rate": 0.05}
SGD = {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.01}


def config(**options):
    return TrainingConfig(**({"epochs": 4, "learning_rate": 0.02, "threads": 1} | options))


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", {}, "test")


def interrupt_before(number):
    """The hook that interrupts a training within its step `number`."""
    return lambda step: os.kill(os.getpid(), signal.SIGINT) if step == number else None


@pytest.mark.parametrize("options", [ADAM, SGD, AVERAGE])
@pytest.mark.parametrize("stops", [[1], [STEPS], [STEPS + 1], [3, 4, STEPS, 2], [STEPS - 1, 1, 1]])
def test_interrupts_at_any_step_leave_no_trace(run, tmp_path, options, stops):
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            Example(interrupt_before(stop)).train(config(**options), Checkpoints.of(run), resume=True)
    resumed, whole = Example(), Example()
    history = resumed.train(config(**options), Checkpoints.of(run), resume=True)
    assert resumed.steps == 4 * STEPS - sum(stops)
    other = Run.create(tmp_path / "other", {}, "test")
    assert history.rows == whole.train(config(**options), Checkpoints.of(other)).rows
    assert same(resumed.model, whole.model)
    for name in ("metrics.jsonl", "checkpoints/best.safetensors"):
        assert (run.folder / name).read_bytes() == (other.folder / name).read_bytes()


@pytest.mark.parametrize("stop", [1, STEPS - 1, STEPS, STEPS + 1, 2 * STEPS + 1])
def test_a_rate_that_falls_after_patience_goes_on_where_it_was(run, stop):
    """Epoch 2 is worse than epoch 1: the training goes back, and falls through one epoch more."""

    class Worse(Example):
        def validate(self):
            return self.model.head.bias.abs().sum().item()

    options = config(epochs=9, schedule="cooldown", patience=STEPS)
    with pytest.raises(KeyboardInterrupt):
        Worse(interrupt_before(stop + 1)).train(options, Checkpoints.of(run))
    resumed, whole = Worse(), Worse()
    history = resumed.train(options, Checkpoints.of(run), resume=True)
    assert history.rows == whole.train(options).rows
    assert history.rows[-1]["undone"] == STEPS
    assert same(resumed.model, whole.model)


class Found(Sums):
    """Batches around what was found out at the begin of an epoch from the weights, and is none of them."""

    def __init__(self, model):
        super().__init__()
        self.model, self.about = model, torch.zeros(2)

    def batches(self, epoch, skip=0):
        if not skip and epoch % 2 == 0:
            self.about = self.about / 2 + self.model.head.bias.detach()
        for batch in super().batches(epoch, skip):
            yield Batch(batch.x + self.about, batch.y)

    def kept(self):
        return {"about": self.about}

    def put_back(self, kept):
        self.about = kept["about"]


@pytest.mark.parametrize("stops", [[1], [STEPS + 1], [2 * STEPS, 1, STEPS, 2]])
def test_what_batches_keep_comes_back(run, stops):
    def train(hook=lambda number: None, checkpoints=None):
        example = Example(hook)
        found = Found(example.model)
        history = example.train(config(), checkpoints, batches=found, resume=checkpoints is not None)
        return history.rows, example.model, found

    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            train(interrupt_before(stop), Checkpoints.of(run))
    rows, model, found = train(checkpoints=Checkpoints.of(run))
    other_rows, other, wanted = train()
    assert rows == other_rows and same(model, other)
    assert torch.equal(found.about, wanted.about) and found.about.abs().min() > 0


def test_an_interrupt_during_validation_keeps_the_epoch(run):
    example = Example()

    def validate():
        os.kill(os.getpid(), signal.SIGTERM)
        return example.validate()

    with pytest.raises(SystemExit) as leave:
        example.train(config(), Checkpoints.of(run), validate=validate)
    assert leave.value.code == 143
    assert [
        row["kind"] for row in rows_of(Checkpoints.of(run).metrics, Checkpoints.of(run).metrics.read_bytes())
    ].count("epoch") == 1
    resumed, whole = Example(), Example()
    assert resumed.train(config(), Checkpoints.of(run), resume=True).rows == whole.train(config()).rows
    assert same(resumed.model, whole.model)


def test_early_stopping_counts_on_through_an_interrupt(run):
    losses = iter([4.0, 2.0, 3.0, 3.0, 3.0])
    options = {"validate": lambda: next(losses), "resume": True}
    with pytest.raises(KeyboardInterrupt):
        Example(interrupt_before(3 * STEPS + 2)).train(
            config(epochs=9, patience=3 * STEPS), Checkpoints.of(run), **options
        )
    history = Example().train(config(epochs=9, patience=3 * STEPS), Checkpoints.of(run), **options)
    assert (history.kept_epoch, history.stopped) == (2, f"no lower validation loss for {3 * STEPS} steps")
    assert next(losses, None) is None


def test_a_resume_tells_where_it_goes_on(run):
    with pytest.raises(KeyboardInterrupt):
        Example(interrupt_before(STEPS + 1)).train(config(), Checkpoints.of(run))
    told = Reporter()  # the running step was ended
    told.note = (notes := []).append
    Example().train(config(), Checkpoints.of(run), resume=True, report=told)
    assert notes[0] == f"goes on from the last checkpoint, after {STEPS + 1} steps"


def test_without_a_checkpoint_a_resume_begins(run):
    one, two = Example(), Example()
    assert one.train(config(), Checkpoints.of(run), resume=True).rows == two.train(config()).rows


def test_the_learning_rate_may_be_corrected(run):
    with pytest.raises(KeyboardInterrupt):
        Example(interrupt_before(STEPS + 1)).train(config(), Checkpoints.of(run))
    history = Example().train(config(learning_rate=0.005), Checkpoints.of(run), resume=True)
    rates = [row["learning_rate"] for row in history.rows if row["kind"] == "epoch"]
    assert rates == [0.02, 0.005, 0.005, 0.005]


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 9},
        {"batch_size": 9},
        {"optimizer": "adamw"},
        {"optimizer": "sgd", "momentum": 0.5},
        {"keep": "last"},
    ],
)
def test_what_the_bits_depend_on_may_not_change(run, changed):
    Example().train(config(epochs=1), Checkpoints.of(run))
    example = Example()
    key = next(iter(changed))
    with pytest.raises(RunError, match=f"written with {key} = .*, now it is {changed[key]!r}"):
        example.train(config(**changed), Checkpoints.of(run), resume=True)
    assert same(example.model, Example().model)


def test_other_data_are_refused(run):
    Example().train(config(epochs=1), Checkpoints.of(run))
    with pytest.raises(RunError, match=f"written with steps_per_epoch = {STEPS}, now it is 7"):
        Example().train(config(), Checkpoints.of(run), resume=True, batches=Sums(7))


def scenario(name: str, folder: Path) -> dict:
    command = [sys.executable, str(Path(__file__).with_name("crash.py")), name, str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_kills_at_random_moments(tmp_path):
    seen = scenario("kill", tmp_path)
    assert len(seen["statuses"]) >= 20
    assert set(seen["statuses"]) == {-signal.SIGKILL}
    assert all(result == seen["whole"] for result in seen["results"])


def test_signals_at_random_moments(tmp_path):
    seen = scenario("interrupt", tmp_path)
    # A signal that comes before the training has begun, or after, does what signals do: -SIGTERM.
    early = {-signal.SIGTERM, -signal.SIGHUP}
    assert {130, 143, 129} <= set(seen["statuses"]) <= {130, 143, 129} | early
    assert all(result == seen["whole"] for result in seen["results"])


def test_kills_at_every_call_to_the_file_system(tmp_path):
    seen = scenario("kill_at_writes", tmp_path)
    assert seen["lives"] > 12
    assert all(result == seen["whole"] for result in seen["results"])


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path):
    seen = scenario("full_disk", tmp_path)
    assert seen["starved"] == 9
    assert seen["error"].startswith("cannot write ")
    assert "\n" not in seen["error"]
    assert seen["kept"]
    assert seen["remains"] == []
    assert all(result == seen["whole"] for result in seen["results"])
