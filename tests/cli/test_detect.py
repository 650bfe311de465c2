"""What only detectors have, tried on a small run."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.streaming.stub import answers
from unrolled import runtime

from .command import unrolled
from .test_wrong_input import refused

SMALL = ("--hidden", 8, "--steps", 20, "--members", 1, "--validation", 0.3)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("detect")
    y = 20 + 5 * np.sin(np.arange(400) / 2) + np.random.default_rng(0).normal(0, 0.3, 400)
    y[360] += 9
    times = pl.datetime_range(
        pl.datetime(2024, 1, 1), interval="1h", end=pl.datetime(2024, 1, 17, 15), eager=True
    )
    pl.DataFrame({"time": times, "load": y}).write_csv(folder / "load.csv")
    (folder / "known.csv").write_text(f"begins,ends\n{times[359]},{times[361]}\n")
    options = (*SMALL, "--windows", folder / "known.csv", "--false-alarms", 0.02)
    answer = unrolled("train", "detect", folder / "load.csv", "--out", folder / "run", *options)
    assert answer.status == 0, answer.err
    assert "average precision" in answer.out and "seasonal naive" in answer.out
    assert (folder / "run/plots/episodes.png").stat().st_size > 10_000
    return folder / "run"


def test_steps_and_episodes_are_listed(run: Path, tmp_path: Path) -> None:
    assert unrolled("predict", run, "-o", tmp_path / "steps.csv").status == 0
    steps = pl.read_csv(tmp_path / "steps.csv")
    assert steps.columns == ["time", "load", "score", "rank", "alarm"] and len(steps) == 80
    answer = unrolled(
        "predict", run, run.with_name("load.csv"), "--episodes", "-o", tmp_path / "episodes.csv"
    )
    assert answer.status == 0, answer.err
    episodes = pl.read_csv(tmp_path / "episodes.csv")
    assert episodes.columns == ["begin", "end", "steps", "alarms", "peak", "score", "rank"]
    assert episodes.sort("score")["peak"][-1] == "2024-01-16T00:00:00"
    table = json.loads(unrolled("evaluate", run, "--json").out)
    assert [row["model"] for row in table["table"]] == ["model", "persistence", "seasonal naive"]
    assert table["table"][0]["recall"] == 1


def test_no_episode_is_told(run: Path, tmp_path: Path) -> None:
    lines = run.with_name("load.csv").read_text().splitlines()
    (tmp_path / "calm.csv").write_text("\n".join(lines[:30]) + "\n")  # fewer than any score needs
    answer = unrolled("predict", run, tmp_path / "calm.csv", "--episodes")
    assert answer.status == 0 and "there is nothing to list" in answer.err and not answer.out


def test_lines_are_answered_as_steps_are(run: Path, tmp_path: Path) -> None:
    unrolled("predict", run, run.with_name("load.csv"), "-o", tmp_path / "steps.csv")
    steps = pl.read_csv(tmp_path / "steps.csv")
    lines = answers(runtime.load(run), run.with_name("load.csv").read_text())
    assert [line["score"] for line in lines] == steps["score"].to_list()
    assert [line["alarm"] for line in lines] == steps["alarm"].to_list()


def test_options_of_others_are_refused(run: Path) -> None:
    for words in (("predict", run, "--horizon", 3), ("evaluate", run, "--refit-every", 5)):
        refused(unrolled(*words), 2, "belongs to forecasts, and this is a run of task 'detect'")
    refused(
        unrolled("train", "detect", run.with_name("load.csv"), "--validation", 0), 2, "--validation 0: alarms"
    )
    shown = unrolled("train", "detect", "--help-all").out
    assert "--false-alarms" in shown and "--horizon" not in shown and "--sample-paths" not in shown
