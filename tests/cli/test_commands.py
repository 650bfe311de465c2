"""The commands on a small series, one after another as a user would."""

import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from unrolled import Forecaster
from unrolled.cli import demo, printing
from unrolled.files.metrics import Row
from unrolled.training.history import Progress

from .command import unrolled

OPTIONS = (
    "--horizon",
    4,
    "--window",
    12,
    "--hidden",
    4,
    "--cell",
    "rnn",
    "--epochs",
    3,
    "--output",
    "gaussian",
)


def write_series(path: Path, length: int) -> None:
    hours = np.datetime64("2024-03-01T00", "us") + np.arange(length) * np.timedelta64(3600, "s")
    noise = np.random.default_rng(7).normal(0, 0.3, length)
    pl.DataFrame({"hour": hours, "load [MW]": 5 + np.sin(np.arange(length) / 4) + noise}).write_csv(path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    write_series(folder / "load.csv", 160)
    write_series(folder / "newer.csv", 200)
    answer = unrolled("train", "forecast", folder / "load.csv", "--out", folder / "run", *OPTIONS)
    assert answer.status == 0, answer.err
    return folder


def test_train_says_what_it_chose_and_how_good_it_is(folder: Path) -> None:
    answer = unrolled("train", "forecast", folder / "load.csv", "--out", folder / "again", *OPTIONS)
    assert "target: column 'load [MW]'" in answer.err
    for name in ("model", "persistence", "seasonal naive", "drift"):
        assert f"load [MW]  {name}" in answer.out
    assert "the best baseline, " in answer.out and "judged 4 steps ahead from" in answer.out
    assert (folder / "run" / "model.safetensors").read_bytes() == (
        folder / "again" / "model.safetensors"
    ).read_bytes()


def test_the_configuration_of_a_run_repeats_it_to_the_bit(folder: Path) -> None:
    config = folder / "run" / "config.toml"
    assert unrolled("train", "--config", config, "--out", folder / "repeated").status == 0
    for name in (
        "model.safetensors",
        "metrics.jsonl",
        "scalers.safetensors",
        "config.toml",
        "evaluation.json",
    ):
        assert (folder / "run" / name).read_bytes() == (folder / "repeated" / name).read_bytes(), name


def test_options_go_over_the_configuration(folder: Path) -> None:
    config = folder / "run" / "config.toml"
    answer = unrolled("train", "forecast", "--config", config, "--hidden", 5, "--out", folder / "wider")
    assert answer.status == 0, answer.err
    assert "hidden = 5" in (folder / "wider" / "config.toml").read_text()
    assert "window = 12" in (folder / "wider" / "config.toml").read_text()


def test_evaluate_gives_the_same_numbers_as_train(folder: Path) -> None:
    trained = json.loads((folder / "run" / "evaluation.json").read_text())
    answer = unrolled("evaluate", folder / "run", "--json")
    assert answer.status == 0
    assert json.loads(answer.out) == trained


def test_evaluate_on_a_new_file_judges_what_is_new_or_all_of_it(folder: Path) -> None:
    answer = unrolled("evaluate", folder / "run", folder / "newer.csv", "--include-training", "--json")
    found = json.loads(answer.out)
    assert found["origins"] * found["stride"] >= 200 - 24 - 4 - found["stride"]
    new = json.loads(unrolled("evaluate", folder / "run", folder / "newer.csv", "--json").out)
    assert new["left_out"] == found["seen"] > 0 and new["origins"] < found["origins"]
    shown = unrolled("evaluate", folder / "run", folder / "newer.csv", "-o", folder / "series.csv")
    [row] = pl.read_csv(folder / "series.csv").to_dicts()
    assert row["mae model"] == pytest.approx(new["table"][0]["mae"]) and row["origins"] == new["origins"]
    assert f"left out: {new['left_out']} of 200 steps" in shown.out and "--include-training" in shown.out


def test_predict_goes_on_after_the_end(folder: Path) -> None:
    answer = unrolled("predict", folder / "run", folder / "newer.csv", "-o", folder / "next.csv")
    assert answer.status == 0, answer.err
    frame = pl.read_csv(folder / "next.csv", try_parse_dates=True)
    assert frame["time"].to_list() == [np.datetime64("2024-03-09T08") + h for h in range(4)]
    assert (frame["q0.05"] < frame["forecast"]).all() and (frame["forecast"] < frame["q0.95"]).all()
    printed = json.loads(unrolled("predict", folder / "run", folder / "newer.csv", "--json").out)
    assert printed[0]["time"] == "2024-03-09T08:00:00"
    assert "2024-03-09T08:00:00,load [MW]," in (folder / "next.csv").read_text()
    assert [row["forecast"] for row in printed] == pytest.approx(frame["forecast"].to_list())


@pytest.mark.parametrize("ending", ["csv", "parquet", "json"])
def test_predictions_go_into_the_format_of_the_ending(folder: Path, ending: str) -> None:
    out = folder / f"next.{ending}"
    assert unrolled("predict", folder / "run", "-o", out).status == 0
    read = {"csv": pl.read_csv, "parquet": pl.read_parquet, "json": pl.read_json}[ending]
    assert len(read(out)) == 4


def test_calibration_can_be_turned_off(folder: Path) -> None:
    options = "--calibrate", "off", "--epochs", 1, "--refit", "off", "--horizon", 4, "--hidden", 4
    answer = unrolled("train", "forecast", folder / "load.csv", "--out", folder / "plain", *options)
    assert answer.status == 0, answer.err
    assert "calibrate = false" in (folder / "plain" / "config.toml").read_text()


def test_the_demo_asks_for_what_there_is() -> None:
    assert Forecaster(**demo.OPTIONS).config.forecast.output == "gaussian"


def test_an_ending_that_names_no_format_is_refused(folder: Path) -> None:
    answer = unrolled("predict", folder / "run", "-o", folder / "next.xlsx")
    assert answer.status == 2
    assert "next.xlsx: wanted a name that ends in .csv, .parquet or .json" in answer.err


def test_generate_from_zeros_and_after_a_file(folder: Path) -> None:
    def generated(*arguments: object) -> list[float]:
        rows = json.loads(unrolled("generate", folder / "run", "--length", 9, "--json", *arguments).out)
        return [row["value"] for row in rows]

    middle, primed = generated(), generated("--prime", folder / "newer.csv")
    assert len(middle) == len(primed) == 9 and middle != primed
    first, same, other = (generated("--sample", "--seed", seed) for seed in (1, 1, 2))
    assert first == same != other


def test_a_finished_run_has_nothing_to_resume(folder: Path) -> None:
    answer = unrolled("train", "--resume", folder / "run")
    assert answer.status == 1
    assert "finished" in answer.err


def test_an_interrupt_says_how_to_go_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Progress.next_epoch

    def interrupted(progress: Progress, row: Row, select: str) -> bool:
        real(progress, row, select)
        raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "next_epoch", interrupted)
    out = tmp_path / "run"
    answer = unrolled("train", "forecast", folder / "load.csv", "--out", out, *OPTIONS)
    assert answer.status == 130
    assert answer.err.splitlines()[-1] == f"interrupted; go on with: unrolled train --resume {out}"
    monkeypatch.undo()
    answer = unrolled("train", "--resume", out)
    assert answer.status == 0, answer.err
    whole = folder / "run" / "model.safetensors"
    assert (out / "model.safetensors").read_bytes() == whole.read_bytes()


def test_an_interrupt_before_there_is_a_run_promises_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from unrolled.tasks.forecast import estimator

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(estimator, "prepare", interrupted)
    answer = unrolled("train", "forecast", folder / "load.csv", "--out", tmp_path / "run", *OPTIONS)
    assert answer.status == 130
    assert answer.err.splitlines()[-1] == "data: 160 steps of 1 hour", "told as soon as it was read"
    assert "interrupted" not in answer.err and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "command",
    [[], ["train"], ["train", "forecast"], ["evaluate"], ["predict"], ["generate"], ["kernels"], ["demo"]],
    ids=" ".join,
)
def test_every_help_has_an_example(command: list[str]) -> None:
    answer = unrolled(*command, "--help")
    assert answer.status == 0
    assert "Example" in answer.out


def test_help_tells_what_is_repeated_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    shown = unrolled("train", "caption", "--help-all").out.splitlines()
    told = {line.split()[1] for line in shown if "; repeat for more" in line}
    assert {"--features", "--target"} <= told and not told & {"--given", "--id", "--hidden"}


def test_numbers_of_any_size_stand_short_in_a_table() -> None:
    shown = [printing._shown(value) for value in (0.123456, 12345.6, -2.5e40, math.inf, math.nan)]
    assert shown == ["0.1235", "12346", "-2.5e+40", "inf", "-"]
