import errno
import math
import os

import pytest
import torch
from torch import nn

from unrolled.errors import RunError
from unrolled.files.metrics import rows_of
from unrolled.files.tensors import MODEL_KIND, read_tensors, write_tensors
from unrolled.runs import Run
from unrolled.training.checkpoints import KIND, Checkpoint, Checkpoints
from unrolled.training.config import TrainingConfig
from unrolled.training.history import Progress

from .example import Example

RUN = "a run"
RECIPE = {"seed": 3, "optimizer": "adam"}
ROWS = [{"kind": "step", "epoch": 1, "step": 1, "loss": 0.1 + 0.2, "gradient_norm": 1e-300}]


@pytest.fixture
def checkpoints(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    return Checkpoints(tmp_path, RUN)


@pytest.fixture
def model():
    torch.manual_seed(4)
    return nn.Linear(3, 2)


def make(model, **changes):
    parts = {
        "weights": model.state_dict(),
        "best": {name: tensor + 1 for name, tensor in model.state_dict().items()},
        "average": {"weight": torch.randn(2, 3)},
        "moments": {"weight.step": torch.tensor(3.0), "weight.exp_avg": torch.randn(2, 3)},
        "random": {"cpu": torch.get_rng_state()},
        "kept": {"paths": torch.arange(4, dtype=torch.int32)},
        "state": {"h": (torch.randn(2, 5), None)},
        "progress": Progress(epoch=3, step=2, loss_sum=0.1 + 0.2, best_epoch=1, best_loss=0.5, seconds=1.5),
        "rows": ROWS,
        "recipe": RECIPE,
    }
    return Checkpoint(**(parts | changes))


def all_equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_what_is_saved_is_loaded(checkpoints, model):
    saved = make(model)
    checkpoints.save(saved)
    loaded = checkpoints.load(model.state_dict(), RECIPE)
    for group in ("weights", "best", "average", "moments", "random", "kept"):
        assert all_equal(getattr(loaded, group), getattr(saved, group))
    assert torch.equal(loaded.state["h"][0], saved.state["h"][0])
    assert loaded.state["h"][1] is None
    assert (loaded.progress, loaded.rows, loaded.recipe) == (saved.progress, saved.rows, saved.recipe)


def test_before_any_epoch_there_is_no_best(checkpoints, model):
    checkpoints.save(make(model, best=None, progress=Progress(), rows=[], state=None, moments={}))
    loaded = checkpoints.load(model.state_dict(), RECIPE)
    assert (loaded.best, loaded.rows, loaded.state, loaded.moments) == (None, [], None, {})
    assert not checkpoints.best.exists()


def test_without_a_file_there_is_nothing_to_load(checkpoints, model):
    assert checkpoints.load(model.state_dict(), RECIPE) is None


def test_best_is_a_model_with_its_epoch(checkpoints, model):
    saved = make(model)
    checkpoints.save(saved)
    weights, about = read_tensors(checkpoints.best, MODEL_KIND)
    assert all_equal(weights, saved.best)
    assert about == {"epoch": 1, "validation_loss": 0.5}


def test_loading_renews_the_copies_and_removes_remains(checkpoints, model):
    """As after a kill between the writes: the copies are of another moment."""
    checkpoints.save(make(model))
    wanted = checkpoints.best.read_bytes()
    checkpoints.best.write_bytes(b"older")
    checkpoints.metrics.write_text("older")
    part = f"{'0' * 16}.part"
    remains = [
        folder / f".older.{part}" for folder in (checkpoints.last.parent, checkpoints.folder / "plots")
    ]
    remains.append(checkpoints.folder / f".metrics.jsonl.{part}")
    remains[1].parent.mkdir(exist_ok=True)
    for path in remains:
        path.write_bytes(b"half")
    Checkpoints(checkpoints.metrics.parent, RUN).load(model.state_dict(), RECIPE)
    assert checkpoints.best.read_bytes() == wanted
    assert rows_of(checkpoints.metrics, checkpoints.metrics.read_bytes()) == ROWS
    assert not any(path.exists() for path in remains)


def test_loading_removes_a_best_that_the_last_does_not_know(checkpoints, model):
    checkpoints.save(make(model, best=None, progress=Progress()))
    checkpoints.best.write_bytes(b"of a later moment")
    checkpoints.load(model.state_dict(), RECIPE)
    assert not checkpoints.best.exists()


def test_tied_weights_are_saved(checkpoints):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    checkpoints.save(make(model, best=None, moments={}))
    assert all_equal(checkpoints.load(model.state_dict(), RECIPE).weights, model.state_dict())


def test_writing_is_due_by_the_clock_and_by_its_cost(checkpoints, model, monkeypatch):
    class Clock:
        now = 50.0

    def slow_fsync(descriptor):
        Clock.now += 0.5

    monkeypatch.setattr("unrolled.training.checkpoints.time.monotonic", lambda: Clock.now)
    monkeypatch.setattr(os, "fsync", slow_fsync)
    checkpoints.save(make(model))
    cost = Clock.now - 50.0
    assert cost >= 1.5
    for seconds, elapsed, due in [
        (60, 59, False),
        (60, 60, True),
        (1, 19 * cost, False),
        (1, 20 * cost, True),
    ]:
        written, Clock.now = Clock.now, Clock.now + elapsed
        assert checkpoints.due(seconds) is due
        Clock.now = written


def test_a_full_disk_leaves_all_as_it_was(checkpoints, model, monkeypatch):
    checkpoints.save(make(model))
    before = {path: path.read_bytes() for path in (checkpoints.last, checkpoints.best, checkpoints.metrics)}

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    later = make(model, progress=Progress(epoch=5, best_epoch=4, best_loss=0.1), rows=ROWS * 2)
    with pytest.raises(RunError, match=r"cannot write .*last\.safetensors: No space left"):
        checkpoints.save(later)
    assert all(path.read_bytes() == data for path, data in before.items())
    assert set(checkpoints.last.parent.iterdir()) == {checkpoints.last, checkpoints.best}


def test_a_truncated_file_is_an_error_of_one_line_wherever_it_is_cut(checkpoints, model):
    checkpoints.save(make(model))
    data = checkpoints.last.read_bytes()
    for size in [0, 1, 7, 8, 9, 100, len(data) // 2, len(data) - 1]:
        checkpoints.last.write_bytes(data[:size])
        with pytest.raises(RunError, match=r"last\.safetensors is damaged or no safetensors file") as caught:
            checkpoints.load(model.state_dict(), RECIPE)
        assert "\n" not in str(caught.value)


def rewrite(checkpoints, change):
    """Writes the file again after `change(tensors, about)`."""
    tensors, about = read_tensors(checkpoints.last, KIND)
    change(tensors, about)
    write_tensors(checkpoints.last, KIND, tensors, about)


def test_a_checkpoint_of_another_run_is_refused(tmp_path, model):
    runs = (Run.create(tmp_path / name, {}, "test") for name in ("one", "other"))
    one, other = (Checkpoints.of(run) for run in runs)
    one.save(make(model))
    other.last.write_bytes(one.last.read_bytes())
    with pytest.raises(
        RunError, match=r"last\.safetensors is of another run than environment\.json"
    ) as caught:
        other.load(model.state_dict(), RECIPE)
    assert "\n" not in str(caught.value)
    assert one.load(model.state_dict(), RECIPE) is not None


@pytest.mark.parametrize("text", ["{}", "3", "{", "[" * 1000])
def test_a_run_that_does_not_say_which_it_is_is_refused(tmp_path, text):
    run = Run.create(tmp_path / "one", {}, "test")
    (run.folder / "environment.json").write_text(text)
    with pytest.raises(RunError, match=r"environment\.json names no run .*; restore it") as caught:
        _ = Checkpoints.of(run)
    assert "\n" not in str(caught.value)


BENDS = {
    "no progress": lambda tensors, about: about.pop("progress"),
    "an unknown part of progress": lambda tensors, about: about["progress"].update(best_epoc=3),
    "progress of another type": lambda tensors, about: about["progress"].update(epoch="3"),
    "no plan": lambda tensors, about: about.pop("plan"),
    "a plan without its tensor": lambda tensors, about: tensors.pop("state.0"),
    "no history": lambda tensors, about: tensors.pop("history.rows"),
    "a history that is no JSON": lambda tensors, about: tensors.update(
        {"history.rows": torch.zeros(3, dtype=torch.uint8)}
    ),
    "an unknown group": lambda tensors, about: tensors.update(other=torch.zeros(1)),
    "no recipe": lambda tensors, about: about.pop("recipe"),
    "a recipe that is no table": lambda tensors, about: about.update(recipe=3),
    "rows that are no tables": lambda tensors, about: tensors.update(
        {"history.rows": torch.tensor(list(b"[3]"), dtype=torch.uint8)}
    ),
    "a missing weight": lambda tensors, about: tensors.pop("weights.bias"),
    "an unknown weight": lambda tensors, about: tensors.update({"weights.x": torch.zeros(1)}),
    "a weight of another shape": lambda tensors, about: tensors.update({"weights.bias": torch.zeros(3)}),
    "a weight of another type": lambda tensors, about: tensors.update(
        {"weights.bias": torch.zeros(2).double()}
    ),
    "a best of another shape": lambda tensors, about: tensors.update({"best.bias": torch.zeros(3)}),
}


@pytest.mark.parametrize("bend", BENDS.values(), ids=BENDS)
def test_a_bent_file_is_an_error_of_one_line(checkpoints, model, bend):
    checkpoints.save(make(model))
    rewrite(checkpoints, bend)
    with pytest.raises(RunError, match=r"last\.safetensors") as caught:
        checkpoints.load(model.state_dict(), RECIPE)
    assert "\n" not in str(caught.value)


def test_a_foreign_file_is_refused(checkpoints, model):
    write_tensors(checkpoints.last, "model 1", model.state_dict(), {})
    with pytest.raises(RunError, match=r"holds 'model 1'; unrolled .* reads 'checkpoint 1' here"):
        checkpoints.load(model.state_dict(), RECIPE)


STATES = {
    "no random generator": lambda tensors: tensors.pop("random.cpu"),
    "a short random generator": lambda tensors: tensors.update({"random.cpu": torch.zeros(7).byte()}),
    "a random generator of floats": lambda tensors: tensors.update({"random.cpu": torch.zeros(5056)}),
    "a moment of another shape": lambda tensors: tensors.update({"moments.head.bias.exp_avg": torch.ones(3)}),
    "a moment of no parameter": lambda tensors: tensors.update({"moments.x.exp_avg": torch.ones(3)}),
    "a moment of another optimizer": lambda tensors: tensors.update({"moments.head.bias.x": torch.ones(2)}),
    "a moment alone": lambda tensors: tensors.pop("moments.head.bias.exp_avg"),
}


@pytest.mark.parametrize("bend", STATES.values(), ids=STATES)
def test_a_bent_optimizer_or_generator_is_refused_and_the_model_left_alone(checkpoints, bend):
    config = TrainingConfig(epochs=1)
    Example().train(config, checkpoints)
    rewrite(checkpoints, lambda tensors, about: bend(tensors))
    example = Example()
    before = {name: tensor.clone() for name, tensor in example.model.state_dict().items()}
    with pytest.raises(RunError, match="no state of this optimizer, random generator or data") as caught:
        example.train(config, checkpoints, resume=True)
    assert "\n" not in str(caught.value)
    assert all_equal(before, example.model.state_dict())


def test_a_folder_that_lets_nothing_be_removed_is_an_error(checkpoints, model, monkeypatch):
    checkpoints.save(make(model, best=None, progress=Progress()))
    checkpoints.best.write_bytes(b"of a later moment")

    def denied(path, missing_ok=False):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(type(checkpoints.last), "unlink", denied)
    with pytest.raises(
        RunError, match=r"cannot remove .*best\.safetensors: Permission denied; make the run folder"
    ):
        checkpoints.load(model.state_dict(), RECIPE)


def test_one_object_serves_two_trainings(checkpoints):
    """The best of the first is gone when the second begins, and comes back as the second's own."""
    Example().train(TrainingConfig(epochs=1), checkpoints)
    first = checkpoints.best.read_bytes()
    seen = []
    example = Example(lambda number: seen.append(checkpoints.best.exists()))
    example.train(TrainingConfig(epochs=1, seed=5), checkpoints)
    assert not any(seen)
    assert checkpoints.best.read_bytes() != first


def test_a_history_with_nan_is_refused_before_it_is_written(checkpoints, model):
    with pytest.raises(ValueError, match="JSON"):
        checkpoints.save(make(model, rows=[{"loss": math.nan}]))
    assert not checkpoints.last.exists()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_a_resume_has_the_same_random_numbers(checkpoints):
    from unrolled.training.generators import generator_states, own_generators, set_generator_states

    device = torch.device("cuda", torch.cuda.current_device())
    with own_generators(device, 3):
        states = generator_states(device)
        wanted = torch.rand(5, device=device), torch.rand(5)
        set_generator_states(device, states)
        assert torch.equal(torch.rand(5, device=device), wanted[0])
        assert torch.equal(torch.rand(5), wanted[1])
