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


def test_options_of_forecasts_are_refused_of_other_tasks(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("to be or not to be, " * 40)
    options = "--epochs", 1, "--hidden", 4, "--test", 0
    answer = unrolled("train", "language", tmp_path / "text.txt", "--out", tmp_path / "run", *options)
    assert answer.status == 0, answer.err
    answer = unrolled("evaluate", tmp_path / "run", tmp_path / "text.txt", "--forecasts", tmp_path / "f.csv")
    refused(answer, 2, "--forecasts belongs to forecasts, and this is a run of task 'language'")
