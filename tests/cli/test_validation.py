"""`--validation 0` in every task: all that is not tested on trains, and the end of the training is kept. With
`--refit` all data train, and both models are of use."""

import importlib
import sys
import tomllib
from pathlib import Path

import pytest

from unrolled.files.metrics import rows_of
from unrolled.tasks import TASKS

from .command import unrolled
from .test_wrong_input import refused

SCRIPTS = Path(__file__).parents[2] / "scripts"
sys.path.insert(0, str(SCRIPTS))
FILES = importlib.import_module("recorded_files").FILES
RUNS = importlib.import_module("recorded_runs").RUNS
sys.path.remove(str(SCRIPTS))

# One of every task; of those that choose by the validation part, one of each way to.
NAMES = [next(name for name, run in RUNS.items() if run.task == task) for task in TASKS]
NAMES += ["transcribe-hmm", "caption-points"]


@pytest.fixture(params=NAMES)
def command(request, tmp_path, monkeypatch):
    run = RUNS[request.param]
    monkeypatch.chdir(tmp_path)
    return ("train", run.task, FILES[run.file](tmp_path).path, *run.options)


def epochs(run):
    path = run / "metrics.jsonl"
    return [row for row in rows_of(path, path.read_bytes()) if row["kind"] == "epoch"]


def test_without_a_validation_part_the_end_is_kept(command, tmp_path):
    run = tmp_path / "run"
    if command[1] == "detect":
        refused(
            unrolled(*command, "--validation", 0), 2, "alarms are told by the scores of the validation part"
        )
        return
    answer = unrolled(*command, "--validation", 0, "--out", run)
    assert answer.status == 0, answer.err
    assert {row["validation_loss"] for row in epochs(run)} == {None}
    training = tomllib.loads((run / "config.toml").read_text())["training"]
    keep = "average" if command[1] == "forecast" else "last"
    assert (training["keep"], training["patience"]) == (keep, 0)
    assert "validat" not in answer.err
    assert unrolled("verify", run).status == 0


def test_a_model_of_all_data_is_used_and_the_one_before_is_judged(command, tmp_path):
    run, (_, task, file, *options) = tmp_path / "run", command
    refit = options[: options.index("--refit")] if task == "forecast" else [*options, "--refit"]  # by itself
    answer = unrolled("train", task, file, *refit, "--out", run)
    assert answer.status == 0, answer.err
    assert "training again on all data" in answer.err and "before it was trained again" in answer.out
    assert epochs(run)[-1]["step"] <= epochs(run / "judged")[-1]["step"]
    for arguments in (("evaluate", run), ("predict", run, file), ("verify", run)):
        answer = unrolled(*arguments)
        assert answer.status == 0, answer.err


def test_what_needs_a_validation_part_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = FILES["moves"](tmp_path).path
    for options in (("--keep", "best"), ("--patience", 5)):
        answer = unrolled("train", "classify", file, "--validation", 0, *options, "--out", "run")
        refused(answer, 2, "needs a validation part")
        assert not (tmp_path / "run").exists()
