"""What benchmarks/peers.py does without any peer installed: jobs, the check of answers, figures, features."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from tests.scripts import BENCHMARKS, script

peers = script("peers", BENCHMARKS)
runs = script("peers_runs", BENCHMARKS)
table = script("peers_table", BENCHMARKS)
jobs = script("peer_models.job", BENCHMARKS)
trees = script("peer_models.trees", BENCHMARKS)
statistical = script("peer_models.statistical", BENCHMARKS)


def a_job(steps: int = 60, **changes: object) -> object:
    """Parts of 40, 8 and 12 steps, three origins in the last, the outcome of one of their steps missing."""
    draw = np.random.default_rng(5)
    actual = draw.normal(3, 2, steps)
    actual[51] = np.nan
    known = np.where(np.isnan(actual), actual[50], actual)
    job = jobs.Job(
        name="draws",
        horizon=3,
        season=4,
        window=6,
        train_end=40,
        validation_end=48,
        naive_scale=0.5,
        origins=np.array([47, 49, 55]),
        actual=actual,
        known=known,
        calendar=draw.uniform(-1, 1, (steps, 2)),
        calendar_names=("hour_sin", "hour_cos"),
    )
    return replace(job, **changes)


def test_a_job_is_read_as_it_was_written(tmp_path: Path) -> None:
    job = a_job()
    back = runs.Kept(tmp_path / "draws").keep_job(job)
    assert back.texts() == job.texts()
    for name in ("origins", "actual", "known", "calendar"):
        np.testing.assert_array_equal(getattr(back, name), getattr(job, name))
    assert runs.fingerprint(back) == runs.fingerprint(job) != runs.fingerprint(replace(job, window=7))


def test_forecasts_are_read_in_any_order_of_rows(tmp_path: Path) -> None:
    job, path = a_job(), tmp_path / "forecasts.csv"
    forecasts = np.arange(9.0).reshape(3, 3) / 7
    head, *rows = jobs.forecasts_text(job, forecasts).splitlines()
    path.write_text("\n".join([head, *reversed(rows)]))
    np.testing.assert_array_equal(jobs.read_forecasts(path, job), forecasts)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:-1], "1 of 9 forecasts are missing"),
        (lambda rows: [*rows, rows[0]], "asked for once"),
        (lambda rows: [rows[0].replace(",47,", ",46,"), *rows[1:]], "origin 46"),
        (lambda rows: [rows[0].replace(",1,", ",1,9"), *rows[1:]], "the outcome is"),
        (lambda rows: [rows[0].rpartition(",")[0] + ",nan", *rows[1:]], "not finite"),
    ],
    ids=["missing", "twice", "another origin", "another outcome", "not a number"],
)
def test_an_answer_to_something_else_is_refused(change, message: str, tmp_path: Path) -> None:
    job, path = a_job(), tmp_path / "forecasts.csv"
    head, *rows = jobs.forecasts_text(job, np.ones((3, 3))).splitlines()
    path.write_text("\n".join([head, *change(rows)]))
    with pytest.raises(jobs.JobError, match=message):
        jobs.read_forecasts(path, job)


def test_figures_are_those_of_the_textbook_without_what_was_not_observed() -> None:
    job = a_job()
    off = np.array([[1.0, -2.0, 4.0], [-1.0, np.nan, 2.0], [3.0, -3.0, 0.0]])  # step 51 has no value
    answers = {"unrolled": [np.nan_to_num(job.outcomes + off)], "persistence": [np.zeros((3, 3))]}
    row = table.figures(job, answers, seeds=1)["unrolled"]
    errors = np.array([1, 2, 4, 1, 2, 3, 3, 0])
    assert row["mae"] == pytest.approx(errors.mean())
    assert row["rmse"] == pytest.approx(np.sqrt((errors**2).mean()))
    assert row["mase"] == pytest.approx(errors.mean() / 0.5)


def test_figures_are_means_over_the_seeds() -> None:
    job = a_job(actual=np.zeros(60), known=np.zeros(60))
    ones = np.ones((3, 3))
    rows = table.figures(job, {"unrolled": [ones, 3 * ones], "persistence": [2 * ones]}, seeds=2)
    assert rows["unrolled"]["rmse"] == 2
    assert rows["unrolled"]["rmse_range"] == [1, 3]
    assert rows["persistence"]["rmse_range"] == [2, 2]


def test_unrolled_is_judged_as_its_own_evaluation_says(tmp_path: Path) -> None:
    """The same parts, origins, baselines and figures, the calendar that the network reads among them."""
    draw, hours = np.random.default_rng(0), np.arange(24 * 30)
    file = tmp_path / "load.csv"
    times = np.datetime64("2024-01-01T00", "us") + hours * np.timedelta64(3600, "s")
    values = 5 + np.sin(hours * np.pi / 12) + draw.normal(0, 0.3, len(hours))
    pl.DataFrame({"time": times, "load": values}).write_csv(file)
    data_set = peers.DataSet(file, "load", 6, {"hidden": 3, "epochs": 1, "window": 24})
    forecaster = peers.Forecaster(
        target="load", horizon=6, **data_set.options, seed=1, threads=1, refit=False
    ).fit(file)
    job, answer = peers.trained("load", data_set, seed=1)
    naive = {name: [f] for name, f in peers.naive(job).items()}
    rows = table.figures(job, {"unrolled": [answer.forecasts], **naive}, seeds=1)
    assert {"hour_of_day_sin", "day_of_week_cos"} <= set(job.calendar_names)
    for row in forecaster.evaluation.rows:
        name = row["forecast"].replace("model", "unrolled")
        if name in rows:
            for measure in ("rmse", "mae", "mase"):
                assert rows[name][measure] == pytest.approx(row[measure], rel=1e-12), (name, measure)
    assert rows.keys() == {"unrolled", "persistence", "seasonal naive"}


def test_an_answer_is_kept_for_its_job_alone(tmp_path: Path) -> None:
    job, kept = a_job(), runs.Kept(tmp_path)
    kept.keep_job(job)
    kept.keep("GRU-0", job, runs.Answer(np.ones((3, 3)), 0.5, ["said"]))
    forecasts, minutes, remarks = kept.answer("GRU-0", job)
    np.testing.assert_array_equal(forecasts, np.ones((3, 3)))
    assert (minutes, remarks) == (0.5, ["said"])
    assert kept.answer("GRU-0", replace(job, season=5)) is None
    assert kept.answer("LSTM-0", job) is None


def persistent(name: str, job: object, *_: object) -> object:
    """A peer that repeats the last value."""
    return runs.Answer(np.repeat(job.known[job.origins][:, None], job.horizon, axis=1), 0.1, [])


def seeing(name: str, job: object, *_: object) -> object:
    """A peer that has seen its outcomes."""
    return runs.Answer(job.known[job.targets], 0.1, [])


def test_a_peer_that_reads_its_outcomes_is_caught(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(runs, "answered", persistent)
    runs.require_no_leak("LightGBM", a_job(), tmp_path)
    monkeypatch.setattr(runs, "answered", seeing)
    with pytest.raises(jobs.JobError, match="draws: LightGBM reads what it is to forecast"):
        runs.require_no_leak("LightGBM", a_job(), tmp_path)


def test_what_is_kept_is_not_asked_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def trained(name: str, data_set: object, seed: int) -> object:
        asked.append(("unrolled", seed))
        return a_job(), persistent(name, a_job())

    def answered(name: str, job: object, folder: Path, seed: int, environments: Path) -> object:
        asked.append((name, seed))
        return persistent(name, job)

    monkeypatch.setattr(peers, "trained", trained)
    monkeypatch.setattr(peers, "answered", answered)
    judging = peers.Judging(tmp_path, tmp_path, ["AutoETS", "GRU"], seeds=[3, 4], again=[])
    row = judging.row("draws", data_set=None)
    assert asked == [("unrolled", 3), ("unrolled", 4), ("AutoETS", 3), ("GRU", 3), ("GRU", 4)]
    assert judging.row("draws", data_set=None) == row
    assert len(asked) == 5
    replace(judging, again=["GRU"]).row("draws", data_set=None)
    assert asked[5:] == [("GRU", 3), ("GRU", 4)]
    assert row["forecasts"].keys() == {"unrolled", "AutoETS", "GRU", "persistence", "seasonal naive"}
    assert row["forecasts"]["GRU"]["rmse"] == row["forecasts"]["persistence"]["rmse"]


def test_another_job_of_a_later_seed_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The kept answers are of origins that are no longer those of the series."""
    others = iter([a_job(), a_job(window=9), a_job(origins=np.array([47, 49, 54]))])

    def trained(name: str, data_set: object, seed: int) -> object:
        return (job := next(others)), persistent(name, job)

    monkeypatch.setattr(peers, "trained", trained)
    peers.Judging(tmp_path, tmp_path, [], seeds=[0, 1], again=[]).row("draws", data_set=None)
    with pytest.raises(jobs.JobError, match="--again unrolled"):
        peers.Judging(tmp_path, tmp_path, [], seeds=[0, 1, 2], again=[]).row("draws", data_set=None)


def test_a_missing_environment_is_an_error_that_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(jobs.JobError, match=r"scripts/acceptance/peers\.sh"):
        runs.python_of(tmp_path, runs.PEERS["LightGBM"])


def a_document() -> dict[str, object]:
    ours, noise = (
        {"rmse": 2.0, "mae": 1.0, "mase": 0.5, "minutes": 0.1, "remarks": []},
        {"mae": 1.0, "mase": 0.5},
    )
    forecasts = {
        "unrolled": ours,
        "AutoARIMA": {"rmse": 1.6, "rmse_noise": 0.1, "minutes": 2, "remarks": ["fitted on less"], **noise},
        "LightGBM": {"rmse": 1.9, "rmse_noise": None, "minutes": 3, "remarks": [], **noise},
        "persistence": {"rmse": 2.5, "rmse_noise": 0.1, **noise},
    }
    data = [{"name": "nile", "horizon": 5, "forecasts": forecasts}]
    return table.document(data, seeds=[0, 7])


def test_the_page_tells_losses_and_marks_the_lowest() -> None:
    page = table.markdown(a_document())
    assert "- nile: to AutoARIMA by 25.0 %, LightGBM by 5.3 % (within noise)\n" in page
    assert "| nile | 2 | **1.6** | 1.9 | 2.5 |" in page
    assert (
        "| AutoARIMA | 0 | 0 | 1 | 1 |\n| LightGBM | 0 | 0 | 1 | 0 |\n| persistence | 1 | 1 | 0 | 0 |" in page
    )
    assert "- nile, AutoARIMA: fitted on less" in page
    assert re.search(r"lightgbm \d+\.\d+\.\d+, neuralforecast \d.*; seeds 0, 7\.$", page, re.M)


@pytest.mark.parametrize("season", [5, 6])
def test_a_season_over_a_line_is_recovered(season: int) -> None:
    pattern = np.random.default_rng(season).normal(0, 3, season)
    pattern -= pattern.mean()
    t = np.arange(7 * season + 3)
    fitted = statistical.seasonal_pattern(10 + 0.5 * t + pattern[t % season], season)
    np.testing.assert_allclose(fitted, pattern, atol=1e-10)  # rounding alone


@pytest.mark.parametrize("relative", [False, True])
def test_lags_hold_what_they_say_and_nothing_after_the_origin(relative: bool) -> None:
    job, origins, step = a_job(), np.array([20, 33]), 3
    rows = trees.features(job, origins, step, relative)
    level = job.known[origins] if relative else np.zeros(2)
    assert rows.shape == (2, 6 + 2 + 1 + 2)
    for lag in range(6):
        np.testing.assert_array_equal(rows[:, lag], job.known[origins - lag] - level)
    np.testing.assert_array_equal(rows[:, 6], job.known[origins + step - 4] - level)  # one season before it
    np.testing.assert_array_equal(rows[:, 7], job.known[origins + step - 8] - level)
    np.testing.assert_array_equal(rows[:, 8], (origins + step) % 4)
    np.testing.assert_array_equal(rows[:, 9:], job.calendar[origins + step])
    later = np.where(np.arange(60) > 20, job.known * 1e6, job.known)
    changed = trees.features(replace(job, known=later), origins[:1], step, relative)
    np.testing.assert_array_equal(changed, rows[:1])
