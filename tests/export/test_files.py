import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from tests.cli.command import unrolled
from unrolled.errors import RunError
from unrolled.export.files import SOUND, check
from unrolled.files.tensors import write_arrays
from unrolled.runs import Run
from unrolled.training.checkpoints import Checkpoint, Checkpoints
from unrolled.training.history import Progress

WEIGHTS = {"w": torch.ones(3)}
MEMBERS = ["data.json", "metrics.jsonl", "scalers.safetensors"]
CHECKPOINTS = ["checkpoints/best.safetensors", "checkpoints/last.safetensors"]


def written(folder, task="forecast", scale=1.0):
    run = Run.create(folder, {}, task)
    checkpoint = Checkpoint(WEIGHTS, WEIGHTS, {}, {}, {}, {}, None, Progress(best_epoch=1), [], {})
    Checkpoints.of(run).save(checkpoint)
    run.save_arrays("scalers", {"scale": np.array([scale])})
    run.save_json("data", {"scale": scale})
    run.write_metrics([])
    run.save_model(WEIGHTS)
    return run.folder


@pytest.fixture
def run(tmp_path):
    return written(tmp_path / "run")


def test_a_run_is_as_it_was_written(run):
    found = {one.file: one for one in check(run)}
    assert list(found) == ["config.toml", "model.safetensors", *MEMBERS, *CHECKPOINTS]
    assert all(one.sound for one in found.values())
    assert all(found[name].result == SOUND for name in ("model.safetensors", *MEMBERS, *CHECKPOINTS))
    assert not any("write" in one.result for one in found.values())
    assert unrolled("verify", run, "--files").status == 0


@pytest.mark.parametrize("name", ["model.safetensors", *MEMBERS, *CHECKPOINTS])
def test_a_flipped_bit_is_told_of_its_file(run, name):
    data = bytearray((run / name).read_bytes())
    if not data:
        data += b"x"
    data[len(data) // 2] ^= 16
    (run / name).write_bytes(data)
    (wrong,) = (one for one in check(run) if not one.sound)
    assert wrong.file == name
    assert wrong.result.endswith("holds were not checked") == (name == "model.safetensors")
    answer = unrolled("verify", run, "--files", "--json")
    assert answer.status == 1 and f"1 of {len(check(run))} files cannot be used: {name!r};" in answer.err
    assert [one["sound"] for one in json.loads(answer.out)].count(False) == 1


@pytest.mark.parametrize("name", [*MEMBERS, "checkpoints/last.safetensors"])
def test_a_file_of_another_run_is_told(run, tmp_path, name):
    other = written(tmp_path / "other", scale=2.0)
    if name != "metrics.jsonl":
        (run / name).write_bytes((other / name).read_bytes())
    else:
        (run / name).write_bytes(b'{"kind": "step"}\n')
    (broken,) = (one for one in check(run) if not one.sound)
    assert broken.file == name and "nother run" in broken.result


def test_a_missing_file_is_told(run):
    (run / "data.json").unlink()
    (broken,) = (one for one in check(run) if not one.sound)
    assert broken.file == "data.json" and "No such file" in broken.result


def test_a_training_that_has_not_ended_has_checkpoints(run):
    (run / "model.safetensors").unlink()
    found = check(run)
    assert [one.file for one in found] == ["config.toml", "model.safetensors", *CHECKPOINTS]
    assert all(one.sound for one in found) and "unrolled train --resume" in found[1].result


def test_single_files_are_checked(run, tmp_path):
    write_arrays(tmp_path / "a.state", "snapshot 1", {"h": np.zeros(2)}, {})
    assert check(tmp_path / "a.state") == [("a.state", True, SOUND)]
    (tmp_path / "a.state").write_bytes((tmp_path / "a.state").read_bytes()[:-1])
    assert unrolled("verify", tmp_path / "a.state", "--files").status == 1
    assert not check(tmp_path / "absent")[0].sound
    with pytest.raises(RunError, match="is not a run"):
        check(tmp_path)


@pytest.mark.parametrize("more", [["x.csv"], ["--out", "x"], ["--check", "x"]])
def test_nothing_stands_beside_it(run, more):
    answer = unrolled("verify", run, *more, "--files")
    assert answer.status == 2 and "leave out data, --out and --check" in answer.err


def test_it_needs_no_torch(run):
    code = (
        "import sys; from unrolled.export.files import check; "
        f"sys.exit(not all(one.sound for one in check({json.dumps(str(run))})) or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
