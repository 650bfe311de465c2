"""The task to copy works from data to answer: what its copy's own tests begin with."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from unrolled import registry
from unrolled.blocks._template import Next
from unrolled.errors import DataError, RunError
from unrolled.files.arrays import from_arrays
from unrolled.models import saved
from unrolled.models.forward import Forward
from unrolled.tasks import _template, pictures
from unrolled.tasks._template import NextStep
from unrolled.tasks.pooled import encoded

REGISTRY = "registry.py"
SMALL = {"hidden": 8, "epochs": 1, "batch_size": 8}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(pictures, "draw_history", lambda *arguments: None)


@pytest.fixture
def registered(monkeypatch):
    row = registry.Task("", "", "", "", "unrolled.blocks._template:Next")
    monkeypatch.setitem(registry.TASKS, "next", row)


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


def test_it_streams_without_torch_what_it_predicts(registered):
    made, some = NextStep(**SMALL, learn_initial_state=True, cell="lstm").fit(waves()), waves(5, seed=3)
    model, wanted = made.runtime(), made._run(some)
    assert type(model) is Forward and isinstance(model.block, Next)
    for x, o in zip(some.inputs, wanted, strict=True):
        stream = model.stream()
        steps = [stream.step({"x0": a, "x1": b})["output"] for a, b in x]
        assert np.array_equal(np.stack(steps), o)
        assert np.array_equal(model.predict([x])[0]["output"], o)


def test_a_missing_value_counts_as_the_last_known_one(registered):
    made, x = NextStep(**SMALL).fit(waves()), np.array([[1.0, 50.0], [np.nan, 60.0]])
    holes, filled = from_arrays([x]), from_arrays([[[1.0, 50.0], [1.0, 60.0]]])
    assert made.predict(holes).rows() == made.predict(filled).rows()
    stream = made.runtime().stream()
    assert np.array_equal(stream.feed(x)["output"], made._run(holes)[0])


def test_a_network_of_another_task_is_refused(registered):
    made = NextStep(**SMALL).fit(waves()).runtime()
    for field, value in (("block", "Pooled"), ("encoder", {"block": "Numbers", "size": 3}), ("head", None)):
        about = {**made.about, "network": {**made.about["network"], field: value}}
        with pytest.raises(RunError, match=r"^here: the description does not fit"):
            saved.model("here", about, made.arrays)


def test_the_loss_counts_every_next_step_once_and_no_padding():
    made = NextStep(**SMALL).fit(waves())
    rows = encoded(made.codec.inputs, waves(3, seed=5))
    x, lengths = _template.padded(rows)
    x[torch.arange(x.shape[1]) >= lengths[:, None]] = torch.nan
    found = _template.losses(made.network, _template.Batch(x, lengths))
    alone = [0.5 * (made.network(r[None])[0][0, :-1] - r[1:]).square().sum(1) for r in rows]
    assert torch.equal(found, torch.cat(alone))


def test_other_features_are_refused():
    made = NextStep(**SMALL).fit(waves())
    with pytest.raises(DataError, match=r"^sequence 0: the model reads feature 'x1'"):
        made.predict(from_arrays([[1.0, 2.0]]))


def files(package):
    return {path.relative_to(package): path.read_bytes() for path in package.rglob("*.py")}


def copied(folder):
    """A copy of the package with the template as a task of its own, as CONTRIBUTING.md says."""
    package = folder / "unrolled"
    own = Path(_template.__file__).parents[1]
    shutil.copytree(own, package, ignore=shutil.ignore_patterns("__pycache__"))
    for room in ("tasks", "blocks"):
        text = (package / room / "_template.py").read_text()
        (package / room / "next.py").write_text(text.replace("blocks._template", "blocks.next"))
    home = "unrolled.tasks.next"
    row = f'"{home}:NextConfig", "{home}:NextStep", "The next step.", "…", "unrolled.blocks.next:Next"'
    text, head = (package / REGISTRY).read_text(), "TASKS: dict[str, Task] = {\n"
    assert head in text
    (package / REGISTRY).write_text(text.replace(head, f'{head}    "next": Task({row}),\n'))
    return package


def test_a_copy_with_a_row_in_the_table_is_a_task_with_all_that_tasks_have(tmp_path):
    package, before = copied(tmp_path), files(Path(_template.__file__).parents[1])
    after = files(package)
    assert {str(path) for path in after.keys() - before.keys()} == {"tasks/next.py", "blocks/next.py"}
    assert [str(path) for path in before if before[path] != after[path]] == [REGISTRY]
    lines = [f"{k},{t},{np.sin(t + k)}" for k in range(20) for t in range(9)]
    (tmp_path / "x.csv").write_text("\n".join(["id,time,v", *lines]))

    def unrolled(words, module="unrolled", source=""):
        command = [sys.executable, "-m", module, *words.split()]
        own = {"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"]}
        done = subprocess.run(command, cwd=tmp_path, input=source, capture_output=True, text=True, env=own)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "as the current step" in unrolled("train next x.csv --epochs 1 --hidden 4 --out run")
    checks = json.loads(unrolled("verify run x.csv --sequences 5 --json"))["checks"]
    assert len(checks) > 9 and all(one["equal"] for one in checks), checks
    unrolled("export run --to runtime --output model")
    rows = "".join(f'{{"v": {np.sin(t)}}}\n' for t in range(9))
    streamed = unrolled("stream run", source=rows)
    assert len(json.loads(streamed.splitlines()[-1])["output"]) == 1
    assert unrolled("model", "unrolled.runtime", rows) == streamed
