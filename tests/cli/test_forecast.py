"""What only forecasts have: their options of evaluate and predict, tried on a small run."""

import json
from pathlib import Path

import polars as pl
import pytest

from .command import unrolled
from .test_commands import OPTIONS, write_series
from .test_wrong_input import refused


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forecast")
    write_series(folder / "load.csv", 160)
    answer = unrolled("train", "forecast", folder / "load.csv", "--out", folder / "run", *OPTIONS)
    assert answer.status == 0, answer.err
    return folder / "run"


@pytest.fixture(scope="module")
def recursive(run: Path) -> Path:
    """Of a model that feeds its forecasts back."""
    out, options = run.with_name("recursive"), (*OPTIONS, "--strategy", "recursive", "--refit", "off")
    answer = unrolled("train", "forecast", run.with_name("load.csv"), "--out", out, *options)
    assert answer.status == 0, answer.err
    return out


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_forecasts_of_every_origin_are_written(run: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"every.{ending}"
    answer = unrolled("evaluate", run, "--forecasts", out, "--json")
    assert answer.status == 0, answer.err
    found = json.loads(answer.out)
    rows = {"csv": pl.read_csv, "parquet": pl.read_parquet}[ending](out)
    assert len(rows) == 4 * found["origins"] and f"wrote {len(rows)} forecasts to {out}" in answer.err
    error = (rows["actual"] - rows["forecast"]).abs().mean()
    assert error == pytest.approx(found["table"][0]["mae"])
    inside = ((rows["q0.05"] <= rows["actual"]) & (rows["actual"] <= rows["q0.95"])).mean()
    assert inside == pytest.approx(found["table"][0]["coverage"])


def test_the_table_shows_measures_of_retail_and_hydrology(run: Path) -> None:
    shown = unrolled("evaluate", run).out.splitlines()[1]
    assert [name for name in shown.split() if name in ("wape", "nse", "kge")] == ["wape", "nse", "kge"]
    found = json.loads(unrolled("evaluate", run, "--json").out)
    assert (
        found["table"][0]["bias"] and found["table"][0]["kge_beta"] and len(found["by_step"][0]["nse"]) == 4
    )


@pytest.mark.filterwarnings("error:The .grad attribute")
def test_models_trained_again_on_the_way(run: Path) -> None:
    answer = unrolled("evaluate", run, "--refit-every", 16)
    assert answer.status == 0, answer.err
    assert answer.err.startswith("training 1 of 2, on 128 steps\n")
    assert "judged with 2 models: trained anew every 16 steps of the test part" in answer.out
    silent = unrolled("evaluate", run, "--refit-every", 16, "--json")
    assert json.loads(silent.out)["trainings"] == 2 and "training" not in silent.err
    newer = run.with_name("newer.csv")
    write_series(newer, 200)
    refused(
        unrolled("evaluate", run, newer, "--refit-every", 16), 2, "--refit-every goes through the test part"
    )


@pytest.mark.parametrize("strategy, horizon", [("direct", 3), ("recursive", 9)])
def test_the_horizon_and_the_quantiles_of_a_prediction(
    run: Path, recursive: Path, strategy: str, horizon: int, tmp_path: Path
) -> None:
    model, out = run if strategy == "direct" else recursive, tmp_path / "next.csv"
    answer = unrolled("predict", model, "--horizon", horizon, "--quantiles", "0.9,0.01, .5", "-o", out)
    assert answer.status == 0, answer.err
    rows = pl.read_csv(out)
    assert rows.columns == ["time", "target", "forecast", "q0.01", "q0.5", "q0.9"] and len(rows) == horizon
    assert (rows["q0.01"] < rows["q0.5"]).all() and (rows["q0.5"] < rows["q0.9"]).all()


def test_drawn_futures(recursive: Path, tmp_path: Path) -> None:
    run, out = recursive, tmp_path / "paths.csv"
    answer = unrolled("predict", run, "--paths", 5, "--horizon", 6, "--seed", 3, "-o", out)
    assert answer.status == 0, answer.err
    rows = pl.read_csv(out)
    assert rows.columns == ["path", "step", "time", "target", "value"] and len(rows) == 5 * 6
    again = json.loads(unrolled("predict", run, "--paths", 5, "--horizon", 6, "--seed", 3, "--json").out)
    assert [row["value"] for row in again] == pytest.approx(rows["value"].to_list())


@pytest.mark.parametrize(
    "options, message",
    [
        (["--quantiles", "0.1;0.9"], "--quantiles: wanted numbers between 0 and 1, such as 0.1,0.5,0.9, got"),
        (["--quantiles", "50"], "--quantiles: wanted numbers between 0 and 1, such as 0.1,0.5,0.9, got 50"),
        (["--quantiles", "0.5", "--paths", 3], "wanted --quantiles or --paths, got both"),
        (["--seed", 3], "--seed decides what --paths draws, and nothing else"),
        (["--paths", 0], "--paths: wanted 1 or more, got 0"),
        (["--horizon", 0], "--horizon: wanted 1 or more, got 0"),
        (
            ["--horizon", 5],
            "--horizon 5: a model of --strategy direct gives the steps that it was trained for",
        ),
        (["--paths", 3], "--paths: this model gives the distribution of each step by itself"),
    ],
)
def test_predictions_that_are_refused(run: Path, options: list[object], message: str) -> None:
    refused(unrolled("predict", run, *options), 2, message)


def test_options_of_forecasts_are_refused_of_other_tasks(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("to be or not to be, " * 40)
    options = "--epochs", 1, "--hidden", 4, "--test", 0
    answer = unrolled("train", "language", tmp_path / "text.txt", "--out", tmp_path / "run", *options)
    assert answer.status == 0, answer.err
    answer = unrolled("evaluate", tmp_path / "run", tmp_path / "text.txt", "--forecasts", tmp_path / "f.csv")
    refused(answer, 2, "--forecasts belongs to forecasts, and this is a run of task 'language'")
    answer = unrolled("predict", tmp_path / "run", tmp_path / "text.txt", "--horizon", 3)
    refused(answer, 2, "--horizon belongs to forecasts, and this is a run of task 'language'")
