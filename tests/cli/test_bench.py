"""`unrolled bench` with a registry of one."""

import json
import time
from pathlib import Path

import pytest
import torch

from unrolled.bench import machine
from unrolled.bench.registry import registry
from unrolled.bench.workload import Peer, Workload
from unrolled.cli import bench

from .command import unrolled


def peer(number: float) -> Peer:
    return Peer(lambda: time.sleep(0.0005), lambda: {"y": torch.tensor([number])})


def workload(theirs: float = 1.0) -> Workload:
    peers = {"unrolled": peer(1.0), "torch.nn": peer(theirs)}
    return Workload("grid", "inference", "rnn", (2, 3, 4, 5), lambda *_: peers, quick=True)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "registry", lambda: (workload(),))
    monkeypatch.setattr(machine, "cores", lambda: 2)


def test_measures_shows_and_writes(tmp_path: Path) -> None:
    out, docs = tmp_path / "here", tmp_path / "page.md"
    answer = unrolled("bench", "--quick", "--threads", "2,1", "--out", out, "--docs", docs)
    assert answer.status == 0, answer.err
    assert "torch.nn / ours" in answer.out and "2×3×4×5" in answer.out
    assert "geometric mean" in answer.out and "Measured on" in answer.out
    assert answer.err.splitlines() == [
        f"wrote {path}" for path in (tmp_path / "here.json", tmp_path / "here.md", docs)
    ]
    content = json.loads((tmp_path / "here.json").read_text())
    assert [r["threads"] for r in content["records"]] == [2, 1]
    assert docs.read_text() == (tmp_path / "here.md").read_text()


def test_shows_what_was_written(tmp_path: Path) -> None:
    assert unrolled("bench", "--quick", "--out", tmp_path / "here").status == 0
    before = (tmp_path / "here.md").read_text()
    answer = unrolled("bench", "--from", tmp_path / "here.json", "--docs", tmp_path / "docs.md", "--json")
    assert answer.status == 0
    assert (tmp_path / "docs.md").read_text() == before
    assert json.loads(answer.out) == json.loads((tmp_path / "here.json").read_text())


def test_parts_of_a_measurement_are_shown_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [tmp_path / "one.json", tmp_path / "two.json"]
    for threads, path in enumerate(parts, 1):
        assert unrolled("bench", "--quick", "--threads", threads, "--out", path.with_suffix("")).status == 0
    answer = unrolled("bench", "--from", parts[0], "--from", parts[1], "--json")
    assert answer.status == 0
    assert [r["threads"] for r in json.loads(answer.out)["records"]] == [1, 2]
    monkeypatch.setattr(machine, "_isa", lambda: "another")
    assert unrolled("bench", "--quick", "--threads", 1, "--out", tmp_path / "two").status == 0
    answer = unrolled("bench", "--from", parts[0], "--from", parts[1])
    assert (answer.status, answer.err.count("\n")) == (1, 1)
    assert "two.json was measured on another machine" in answer.err


def test_a_disagreement_ends_with_one_line_and_status_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "registry", lambda: (workload(1.01),))
    answer = unrolled("bench", "--quick", "--threads", 1, "--json")
    assert answer.status == 1
    (found,) = json.loads(answer.out)["records"]
    assert "differ by 1.0e-02" in found["refused"] and "figures" not in found
    assert answer.err.count("\n") == 1
    assert answer.err.startswith(
        "unrolled: peers disagree, so there is no figure for grid/inference/rnn/2x3x4x5"
    )
    shown = unrolled("bench", "--quick", "--threads", 1)
    assert shown.status == 1 and "refused" in shown.out


def test_list_names_workloads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "registry", registry)
    answer = unrolled("bench", "--list", "--only", "grid/training/lstm/100x1x64*")
    assert (answer.status, answer.out) == (0, "grid/training/lstm/100x1x64x64\n")
    assert json.loads(unrolled("bench", "--list", "--only", "step/*/lstm/*64", "--json").out) == [
        "step/inference/lstm/1x1x64x64"
    ]
    small = unrolled("bench", "--list", "--small", "--only", "step/training/lstm/2x1x64")
    assert small.out == "small-step/training/lstm/2x1x64\n"


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["--threads", "two"], "--threads 'two': wanted numbers such as 2, or 1,2"),
        (["--threads", "1,3"], "--threads 3: wanted 1 to 2, the cores"),
        (["--only", "ltsm"], "--only 'ltsm' names no workload"),
        (["--from", "absent.json", "--quick"], "leave out --only, --threads, --quick and --small"),
        (["--quick", "--out", "absent/here"], "no folder absent"),
        (["--quick", "--docs", "absent/here.md"], "no folder absent"),
    ],
)
def test_a_wrong_call(
    arguments: list[str], fragment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = unrolled("bench", *arguments)
    assert answer.status == 2
    assert answer.out == "" and answer.err.count("\n") == 1 and fragment in answer.err


def test_a_missing_file_is_wrong_data(tmp_path: Path) -> None:
    answer = unrolled("bench", "--from", tmp_path / "absent.json")
    assert (answer.status, answer.err.count("\n")) == (1, 1)


def test_help_has_an_example() -> None:
    answer = unrolled("bench", "--help")
    assert answer.status == 0 and "Examples: unrolled bench --quick" in answer.out
