import json
import math
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from pydantic import BaseModel
from torch import nn

from unrolled import __version__
from unrolled.errors import RunError
from unrolled.files.tensors import MODEL_KIND, write_tensors
from unrolled.runs import Run
from unrolled.training.config import TrainingConfig


class Data(BaseModel, extra="forbid"):
    file: str = "sales.csv"
    targets: list[str] = ["sales"]
    time: str | None = None


class Config(BaseModel, extra="forbid"):
    data: Data = Data()
    training: TrainingConfig = TrainingConfig()


@pytest.fixture
def run(tmp_path):
    return Run.create(tmp_path / "run", Config().model_dump(mode="json"), "forecast")


def one_line(caught):
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        Config(),
        Config(data=Data(file='a "b"\\ü\t.csv', targets=["x y", "é\n", ""], time="t")),
        Config(training=TrainingConfig(learning_rate=5e-324, minutes=0.1 + 0.2, seed=2**63 - 1, epochs=None)),
        Config(training=TrainingConfig(learning_rate=1e-05, clip=1e22, weight_decay=1 / 3, epochs=100)),
    ],
)
def test_the_configuration_read_equals_the_one_written(tmp_path, config):
    Run.create(tmp_path / "run", config.model_dump(mode="json"), "forecast")
    back = Run.open(tmp_path / "run")
    assert Config(**back.config) == config
    assert back.task == "forecast"


def test_created_and_opened_are_alike(run):
    opened = Run.open(str(run.folder))
    assert (opened.folder, opened.task, opened.config) == (run.folder, run.task, run.config)


def test_the_head_says_format_task_and_version(run):
    lines = (run.folder / "config.toml").read_text().splitlines()
    assert lines[:3] == ["format = 1", 'task = "forecast"', f'unrolled = "{__version__}"']


def test_the_environment_is_recorded(run):
    found = json.loads((run.folder / "environment.json").read_text())
    assert found["torch"] == torch.__version__
    assert found["numpy"] == np.__version__
    assert found["unrolled"] == __version__
    assert found["threads"] == torch.get_num_threads()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"platform", "cpu", "cpu_capability", "numpy"} <= found.keys()


def test_a_folder_is_made_whole_with_its_parents_and_with_nothing_else(tmp_path):
    run = Run.create(tmp_path / "a" / "b", {}, "forecast")
    assert {path.name for path in run.folder.iterdir()} == {
        "checkpoints",
        "config.toml",
        "environment.json",
        "plots",
    }
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "run").mkdir()
    assert Run.create(tmp_path / "run", {}, "forecast").config == {}


class TestCreateRefuses:
    def fails(self, folder, match, config=None):
        before = sorted(folder.parent.rglob("*")) if folder.parent.is_dir() else None
        with pytest.raises(RunError, match=match) as caught:
            Run.create(folder, config or {}, "forecast")
        one_line(caught)
        if before is not None:
            assert sorted(folder.parent.rglob("*")) == before

    def test_a_run(self, run):
        self.fails(
            run.folder, "holds a run already; choose another folder, or go on: unrolled train --resume"
        )

    def test_a_folder_with_something_in_it(self, tmp_path):
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "thesis.doc").write_text("x")
        self.fails(tmp_path / "run", "exists and is not an empty folder; choose another folder")

    def test_a_file(self, tmp_path):
        (tmp_path / "run").write_text("x")
        self.fails(tmp_path / "run", "exists and is not an empty folder")

    def test_a_place_below_a_file(self, tmp_path):
        (tmp_path / "file").write_text("x")
        self.fails(
            tmp_path / "file" / "run",
            "cannot make .*run: (File exists|Not a directory); choose another folder",
        )

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_an_unwritable_parent(self, tmp_path):
        tmp_path.chmod(0o500)
        self.fails(tmp_path / "run", "cannot make .*run: Permission denied")

    def test_a_file_system_that_takes_no_folder(self):
        with pytest.raises(RunError, match="cannot make /proc/run"):
            Run.create("/proc/run", {}, "forecast")

    def test_what_is_no_unicode(self, tmp_path):
        config = {"data": {"file": os.fsdecode(b"caf\xe9.csv")}}
        self.fails(tmp_path / "run", "cannot hold .*caf.*, which is not Unicode text", config)

    def test_a_disk_that_fills_up(self, tmp_path, monkeypatch):
        def full(descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        self.fails(tmp_path / "run", "cannot write .*: No space left on device")

    def test_keys_that_the_run_writes_itself(self, tmp_path):
        with pytest.raises(ValueError, match="must not have a key 'format'"):
            Run.create(tmp_path / "run", {"format": 2}, "forecast")


class TestOpenRefuses:
    def fails(self, folder, match):
        with pytest.raises(RunError, match=match) as caught:
            Run.open(folder)
        one_line(caught)

    def test_no_folder(self, tmp_path):
        self.fails(tmp_path / "none", "none is no folder; give the folder that 'unrolled train --out' wrote")

    def test_a_file(self, tmp_path):
        (tmp_path / "file").write_text("x")
        self.fails(tmp_path / "file", "is no folder")

    def test_a_folder_that_is_no_run(self, tmp_path):
        self.fails(tmp_path, "is not a run: it has no config.toml")

    @pytest.mark.parametrize("format", ["2", '"1"', "true", "1.0"])
    def test_another_format(self, run, format):
        text = f'format = {format}\ntask = "forecast"\nunrolled = "9.9"\n'
        (run.folder / "config.toml").write_text(text)
        match = (
            f"written by format .*; this is unrolled {__version__}, which reads format 1; use unrolled 9.9"
        )
        self.fails(run.folder, match)

    def test_no_format(self, run):
        (run.folder / "config.toml").write_text("[data]\n")
        self.fails(run.folder, "written by format None")

    def test_no_task(self, run):
        (run.folder / "config.toml").write_text("format = 1\n")
        self.fails(run.folder, "wanted task = .*, got None")

    @pytest.mark.parametrize(
        "data, match",
        [
            (b"format = 1\ntask =\n", "line 2"),
            (b"a = " + b"[" * 100_000, "config.toml"),
            (b"format = 1\n\xff\n", "utf-8"),
            (b"format = 1\n\0\n", "line 2"),
        ],
    )
    def test_damaged_toml(self, run, data, match):
        (run.folder / "config.toml").write_bytes(data)
        self.fails(run.folder, f"cannot read .*config.toml: .*{match}|cannot read .*{match}: ")


class TestModel:
    def test_weights_come_back(self, run):
        one, two = nn.GRU(3, 5), nn.GRU(3, 5)
        assert not run.finished
        run.save_model(one.state_dict())
        assert run.finished
        Run.open(run.folder).load_into(two)
        assert all(map(torch.equal, one.parameters(), two.parameters()))
        assert all(torch.equal(tensor, one.state_dict()[name]) for name, tensor in run.load_model().items())

    def test_before_the_training_ends_there_is_none(self, run):
        with pytest.raises(RunError, match="training has not ended; unrolled train --resume") as caught:
            run.load_model()
        one_line(caught)

    def test_another_model_is_left_alone(self, run):
        run.save_model(nn.Linear(3, 2).state_dict())
        other = nn.Linear(4, 2)
        before = other.weight.clone()
        with pytest.raises(RunError, match=r"'weight' has shape \(2, 3\) .* wants \(2, 4\)") as caught:
            run.load_into(other)
        one_line(caught)
        assert torch.equal(other.weight, before)

    @pytest.mark.parametrize("value", [math.nan, -math.inf])
    def test_a_weight_that_is_not_finite_is_refused(self, run, value):
        model = nn.Linear(3, 2)
        with torch.no_grad():
            model.bias[1] = value
        run.save_model(model.state_dict())
        with pytest.raises(RunError, match="'bias' holds NaN or infinity"):
            run.load_model()


ARRAYS = {"mean": np.array([0.1, 1e-300]), "scale": np.ones((2, 3), np.float32)}


class TestExtras:
    @pytest.fixture
    def finished(self, run):
        run.save_arrays("scaler", ARRAYS)
        run.save_json("series", {"names": ["Köln"], "start": 3})
        run.write_metrics([{"kind": "epoch", "loss": 0.1 + 0.2}])
        run.save_model({})
        return run.folder

    def test_arrays_json_and_metrics_come_back(self, finished):
        back = Run.open(finished)
        arrays = back.load_arrays("scaler")
        assert all(np.array_equal(arrays[name], ARRAYS[name]) for name in ARRAYS)
        assert back.load_json("series") == {"names": ["Köln"], "start": 3}
        assert back.read_metrics() == [{"kind": "epoch", "loss": 0.1 + 0.2}]

    def test_before_the_training_ends_nothing_is_read(self, run):
        run.save_json("series", {})
        with pytest.raises(RunError, match="training has not ended"):
            run.load_json("series")

    def refused(self, folder, match):
        run = Run.open(folder)
        loads = {
            "scaler.safetensors": lambda: run.load_arrays("scaler"),
            "series.json": lambda: run.load_json("series"),
            "metrics.jsonl": run.read_metrics,
        }
        for name, load in loads.items():
            with pytest.raises(RunError, match=match.format(name)) as caught:
                load()
            one_line(caught)

    def test_what_is_missing_is_an_error(self, finished):
        for name in ("scaler.safetensors", "series.json", "metrics.jsonl"):
            (finished / name).unlink()
        self.refused(finished, "cannot read .*{}: No such file or directory; restore it")

    @pytest.mark.parametrize("change", [lambda data: data + b" ", lambda data: data[:-2] + b"\0" + data[-1:]])
    def test_what_was_changed_is_an_error(self, finished, change):
        for name in ("scaler.safetensors", "series.json", "metrics.jsonl"):
            (finished / name).write_bytes(change((finished / name).read_bytes()))
        self.refused(finished, "{} is not the file that was saved with the model beside it")

    def test_files_of_another_run_are_an_error(self, finished, tmp_path):
        other = Run.create(tmp_path / "other", {}, "forecast")
        other.save_arrays("scaler", {"mean": np.zeros(2)})
        other.save_json("series", {})
        other.write_metrics([])
        other.save_model({})
        for name in ("scaler.safetensors", "series.json", "metrics.jsonl"):
            (finished / name).write_bytes((other.folder / name).read_bytes())
        self.refused(finished, "{} is not the file that was saved with the model beside it")

    def test_a_model_of_another_task_is_an_error(self, finished, tmp_path):
        other = Run.create(tmp_path / "other", {}, "classify")
        other.save_model({})
        (finished / "model.safetensors").write_bytes((other.folder / "model.safetensors").read_bytes())
        self.refused(finished, "model.safetensors is of task 'classify', config.toml beside it of 'forecast'")

    def test_weights_of_a_checkpoint_are_no_model(self, finished):
        write_tensors(finished / "model.safetensors", MODEL_KIND, {}, {"task": "forecast"})
        self.refused(finished, "model.safetensors names no files that belong to it")

    @pytest.mark.parametrize(
        "text", [b"{", b"[" * 100_000, b"[1e999]", b'{"a": 1, "a": 2}', b"[1" + b"0" * 30 + b"]"]
    )
    def test_json_is_read_by_the_safe_reader(self, run, monkeypatch, text):
        monkeypatch.setattr(json, "dumps", lambda value, **_: text.decode())
        run.save_json("series", {})
        monkeypatch.undo()
        run.save_model({})
        with pytest.raises(RunError, match=r"cannot read .*series\.json: .*; restore it") as caught:
            run.load_json("series")
        one_line(caught)

    @pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/b", "", ".", "A", "a.b", "1a", "a\n"])
    def test_a_name_cannot_leave_the_folder(self, run, name):
        for call in (
            run.load_arrays,
            run.load_json,
            lambda n: run.save_arrays(n, {}),
            lambda n: run.save_json(n, 1),
        ):
            with pytest.raises(ValueError, match="wanted a name of a-z"):
                call(name)

    def test_the_runs_own_files_are_not_overwritten(self, run):
        with pytest.raises(ValueError, match="wanted a name"):
            run.save_arrays("model", {})
        with pytest.raises(ValueError, match="wanted a name"):
            run.save_json("environment", {})

    def test_plots_is_a_folder_in_the_run(self, run):
        run.plots.rmdir()
        assert run.plots.is_dir()
        assert run.plots.parent == run.folder


def test_one_process_writes_to_a_run(run):
    code = f"from unrolled.runs import Run\nwith Run.open({json.dumps(str(run.folder))}).locked(): print(1)"
    with run.locked() as own:
        assert own is run
        other = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
        held = f"{run.folder} is in use by process {os.getpid()} on .* [(]'?unrolled train'?[)]; let it end"
        assert other.returncode == 1 and re.search(held, other.stderr.splitlines()[-1]), other.stderr
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0
    )
    assert {path.name for path in run.folder.iterdir()} == {
        "checkpoints",
        "config.toml",
        "environment.json",
        "plots",
    }


def test_opening_needs_no_torch(run):
    code = (
        "import sys; from unrolled.runs import Run; "
        f"Run.open({json.dumps(str(run.folder))}).config; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
