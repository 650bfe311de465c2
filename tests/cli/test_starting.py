"""`--start-from` as it is typed."""

from pathlib import Path

import pytest

from .command import unrolled
from .test_commands import OPTIONS, write_series


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("starting")
    write_series(folder / "load.csv", 160)
    write_series(folder / "newer.csv", 250)
    answer = unrolled("train", "forecast", folder / "load.csv", "--out", folder / "old", *OPTIONS)
    assert answer.status == 0, answer.err
    return folder


def test_only_what_is_typed_is_other_than_in_the_old_run(folder: Path) -> None:
    command = ("train", "forecast", folder / "newer.csv", "--start-from", folder / "old")
    answer = unrolled(*command, "--steps", 3, "--out", folder / "new")
    assert answer.status == 0, answer.err
    assert f"starts from the model in {folder / 'old'}\n" in answer.err
    text = (folder / "new" / "config.toml").read_text()
    for line in ("hidden = 4", 'cell = "rnn"', 'output = "gaussian"', "steps = 3"):
        assert line in text
    assert "epochs" not in text
    for number, repeated in enumerate((("train", "--config", folder / "new" / "config.toml"), command)):
        again = folder / f"again-{number}"
        more = ("--steps", 3) if number else ()
        assert unrolled(*repeated, *more, "--out", again).status == 0
        for name in ("model.safetensors", "config.toml", "evaluation.json"):
            assert (again / name).read_bytes() == (folder / "new" / name).read_bytes(), name
    assert unrolled("verify", folder / "new").status == 0


def test_what_cannot_be_is_said_in_one_line(folder: Path) -> None:
    command = ("train", "forecast", folder / "newer.csv", "--out", folder / "none", "--start-from")
    for more, sentence in (
        ((folder / "old", "--hidden", 5), "--hidden 5 would change the network"),
        ((folder / "nowhere",), "there is no such folder"),
        ((folder / "newer.csv",), "is no folder"),
    ):
        answer = unrolled(*command, *more)
        assert answer.status and sentence in answer.err and answer.err.count("\n") == 1
        assert not (folder / "none").exists()
