"""The task to copy works from data to answer: what its copy's own tests begin with."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from unrolled.errors import DataError
from unrolled.files.arrays import from_arrays
from unrolled.tasks import _template, pictures
from unrolled.tasks._template import NextStep

SMALL = {"hidden": 8, "epochs": 1, "batch_size": 8}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(pictures, "draw_history", lambda *arguments: None)


def waves(N=60, seed=0):
    draw = np.random.default_rng(seed)
    steps = [np.arange(int(T)) + draw.uniform(0, 9) for T in draw.integers(3, 30, N)]
    return from_arrays([np.stack([np.sin(t), 100 * np.cos(t)], 1) for t in steps])


def test_the_next_step_of_a_wave_is_learnt():
    made = NextStep(hidden=16, epochs=15, learning_rate=0.01, batch_size=8).fit(waves())
    errors = {row["model"]: row["MAE"] for row in made.evaluation.rows}
    assert errors["model"] < 0.25 * errors["as the current step"]
    t = np.arange(12)
    found = made.predict(from_arrays([np.stack([np.sin(t), 100 * np.cos(t)], 1)]))
    assert found.columns == ["name", "x0", "x1"]
    assert found.row(0)[1:] == pytest.approx((np.sin(12), 100 * np.cos(12)), abs=0.2 * 100)


def test_a_batch_has_the_bits_of_each_alone_and_a_run_is_read_back(tmp_path):
    made, some = NextStep(**SMALL).fit(waves(), out=tmp_path / "run"), waves(9, seed=3)
    whole = made.predict(some)
    assert [made.predict(some.select([i])).row(0) for i in range(9)] == whole.rows()
    assert NextStep.load(tmp_path / "run").predict(some).equals(whole)
    assert made.predict().height == 6, "the test part"


def test_the_loss_counts_every_next_step_once_and_no_padding():
    made = NextStep(**SMALL).fit(waves())
    rows = made.codec.encode(waves(3, seed=5))
    z, lengths = _template.padded(rows)
    z[torch.arange(z.shape[1]) >= lengths[:, None]] = torch.nan
    found = _template.losses(made.network, _template.Batch(z, lengths))
    alone = [
        0.5 * (made.network(r[None], torch.tensor([len(r)]))[0, :-1] - r[1:]).square().sum(1) for r in rows
    ]
    assert torch.equal(found, torch.cat(alone))


def test_missing_values_and_other_features_are_refused():
    made = NextStep(**SMALL).fit(waves())
    with pytest.raises(DataError, match=r"^sequence 0: a value is missing"):
        made.predict(from_arrays([[[1.0, np.nan]]]))
    with pytest.raises(DataError, match=r"^sequence 0: wanted features"):
        made.predict(from_arrays([[1.0, 2.0]]))


def test_a_copy_with_a_row_in_the_table_is_a_command(tmp_path):
    """As CONTRIBUTING.md says; in a copy of the package."""
    package = Path(_template.__file__).parents[1]
    shutil.copytree(package, tmp_path / "unrolled", ignore=shutil.ignore_patterns("__pycache__"))
    tasks = tmp_path / "unrolled" / "tasks"
    shutil.copy(tasks / "_template.py", tasks / "next.py")
    text = (tasks / "__init__.py").read_text()
    home = "unrolled.tasks.next"
    row = f'    "next": Task("{home}:NextConfig", "{home}:NextStep", "The next step.", "unrolled …"),'
    head = "TASKS: dict[str, Task] = {\n"
    assert head in text
    (tasks / "__init__.py").write_text(text.replace(head, f"{head}{row}\n"))
    lines = [f"{k},{t},{np.sin(t + k)}" for k in range(20) for t in range(9)]
    (tmp_path / "x.csv").write_text("\n".join(["id,time,v", *lines]))
    command = [sys.executable, "-m", "unrolled", "train", "next", "x.csv", "--epochs", "1", "--hidden", "4"]
    answer = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)}
    )
    assert answer.returncode == 0, answer.stderr
    assert "as the current step" in answer.stdout
    assert (tmp_path / "runs" / "next-x" / "model.safetensors").is_file()
