"""The forecaster from file to answer: what repeats to the bit, what never leaks, what is refused before
anything is written."""

import json
import tomllib
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

from tests.tasks.forecast.cases import RECURSIVE, STRATEGIES, daily_wave, hourly, noisy
from tests.tasks.interrupted import Began, Stop
from unrolled import runtime, tasks
from unrolled.errors import ConfigError, DataError, RunError, TrainingError
from unrolled.runs import Run
from unrolled.tasks.config import from_sections
from unrolled.tasks.forecast import pictures
from unrolled.tasks.forecast.config import ForecastConfig
from unrolled.tasks.forecast.estimator import Forecaster
from unrolled.training import checkpoints

# The pictures of a run, a second each, are left out here but for the fixture `run`; see test_pictures.py.
SMALL = {"target": "y", "window": 12, "horizon": 4, "season": 24, "hidden": 6, "epochs": 2, "threads": 1}
SMALL |= {"refit": False}  # see tests/tasks/test_refit.py
T = 240


def small(strategy="direct", **options):
    return Forecaster(**(SMALL | STRATEGIES[strategy] | options))


def weights(forecaster):
    return forecaster.network.state_dict()


def same_weights(one, other):
    return all(torch.equal(a, b) for a, b in zip(weights(one).values(), weights(other).values(), strict=True))


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(tasks.pictures, "draw_history", lambda *arguments: None)
    monkeypatch.setattr(pictures, "draw_evaluation", lambda *arguments: None)


@pytest.fixture(scope="module")
def csv(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "series.csv"
    noisy(T).write_csv(path)
    return path


@pytest.fixture(scope="module")
def run(csv, tmp_path_factory):
    """A finished run and the forecaster that wrote it."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    return folder, small(output="gaussian").fit(csv, out=folder)


@pytest.fixture(scope="module")
def recursive(csv, tmp_path_factory):
    """The same of a forecaster that feeds forecasts back, without pictures."""
    folder = tmp_path_factory.mktemp("runs") / "recursive"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks.pictures, "draw_history", lambda *arguments: None)
        patch.setattr(pictures, "draw_evaluation", lambda *arguments: None)
        return folder, small("recursive", output="gaussian", sample_paths=20).fit(csv, out=folder)


@pytest.fixture(params=STRATEGIES)
def either(request):
    return request.getfixturevalue("run" if request.param == "direct" else "recursive")


@pytest.mark.parametrize(
    "options",
    [
        {"window": 48, "epochs": None, "steps": 1},
        RECURSIVE | {"epochs": 20, "hidden": 16, "learning_rate": 0.02, "residual": False},
    ],
    ids=STRATEGIES,
)
def test_a_daily_wave_is_learnt(options):
    """A noiseless wave, its calendar given: far better than persistence, and the forecasts stand at the right
    hours. One step off would be an error of about a quarter of the amplitude."""
    frame = daily_wave(400)
    forecaster = Forecaster(**(SMALL | options | {"horizon": 24})).fit(frame)
    rmse = {row["forecast"]: row["rmse"] for row in forecaster.evaluation.table()}
    assert rmse["model"] < 0.05 and rmse["persistence"] > 1
    found = forecaster.predict()
    wanted = daily_wave(424).tail(24)
    assert found["time"].to_list() == wanted["time"].to_list()
    assert np.abs(found["forecast"].to_numpy() - wanted["y"].to_numpy()).max() < 0.1
    assert "beats every baseline" not in forecaster.evaluation.verdict[0]  # seasonal naive is exact here


@pytest.mark.parametrize("form", ["offsets", "zone", "parquet", "naive in a zone"])
def test_times_come_back_with_their_offset_or_zone(form, tmp_path):
    """The hour after the last one, through the change of clocks, as the file writes its times."""
    T, place = 240, ZoneInfo("Europe/Berlin")
    begin = datetime(2026, 10, 15, 2, tzinfo=UTC)
    utc = [begin + timedelta(hours=h) for h in range(T + 4)]
    local = [t.astimezone(place) for t in utc]
    assert [t.hour for t in local[T - 2 :]] == [2, 2, 3, 4, 5, 6]
    texts = [(t.replace(tzinfo=None) if "naive" in form else t).isoformat() for t in local]
    if form == "parquet":
        texts = pl.Series(utc).dt.convert_time_zone("Europe/Berlin")
    frame = pl.DataFrame({"time": texts[:T], "y": daily_wave(T)["y"]})
    options = {"zone": "Europe/Berlin"} if "zone" in form else {}
    small(**options, epochs=1).fit(frame, out=tmp_path / "run")
    found = Forecaster.load(tmp_path / "run").predict(frame)["time"]
    if form == "offsets":
        assert found.to_list() == texts[T:]
    else:
        assert found.dtype == pl.Datetime("us", "Europe/Berlin") and found.to_list() == utc[T:]
    other = frame.with_columns(time=hourly(T))
    if form == "offsets":
        with pytest.raises(
            DataError, match="times without an offset from UTC; the model was trained on times with"
        ):
            Forecaster.load(tmp_path / "run").predict(other)


def test_predict_and_stream_read_cells_as_the_training_did(tmp_path):
    """The first of February is told by the hours of the training data, and a decimal comma by 1,25: a short
    table alone tells neither."""
    iso = noisy(T).select(time=hourly(T, "2024-01-30T05:00"), y=pl.col("y").round(2) + 3000)
    iso = iso.with_columns(y=pl.when(pl.int_range(T) < 200).then("y").otherwise(pl.col("y").round(0)))
    german = [f"{value:,.9g}".translate(str.maketrans(",.", ".,")) for value in iso["y"]]
    written = iso.with_columns(pl.col("time").dt.strftime("%d/%m/%Y %I:%M %p"), y=pl.Series(german))
    model = small(epochs=1).fit(written, out=tmp_path / "run")
    assert (model.config.data.date_format, model.config.data.decimal) == ("day-first", "comma")
    loaded, made = Forecaster.load(tmp_path / "run"), runtime.load(tmp_path / "run")
    last = slice(T - 12, T)  # within the eighth of February
    assert written["y"][last].str.contains(r"^\d\.\d{3}$").all()
    assert loaded.predict(written[last]).equals(loaded.predict(iso[last]))
    answers = [made.stream().feed(table[last].to_dicts()) for table in (written, iso)]
    assert np.array_equal(answers[0]["forecast"], answers[1]["forecast"])
    with pytest.raises(DataError, match=r"wanted a time .*, or in the format day-first, got '02/13/2024'"):
        made.stream().step({"time": "02/13/2024", "y": 1.0})
    with pytest.raises(DataError, match=r"column 'y': wanted a number with a decimal comma, got '1\.5'"):
        made.stream().step({"time": "08/02/2024 3 pm", "y": "1.5"})


def test_a_stream_takes_the_parts_of_a_time_or_the_whole(tmp_path):
    whole = noisy(T)
    parts = {name: getattr(whole["time"].dt, name)() for name in ("year", "month", "day", "hour")}
    frame = pl.DataFrame(parts | {"y": whole["y"]})
    model = small(epochs=1).fit(frame, out=tmp_path / "run")
    assert model.config.data.time == "year,month,day,hour"
    assert Forecaster.load(tmp_path / "run").predict(frame)["time"][0] == datetime(2024, 1, 11, 5)
    made = runtime.load(tmp_path / "run")
    answers = [made.stream().feed(table[-12:].to_dicts()) for table in (frame, whole)]
    assert np.array_equal(answers[0]["forecast"], answers[1]["forecast"])
    assert [name for name, column in made.columns().items() if column.optional] == ["time", *parts]


@pytest.mark.parametrize("strategy, residual", [("direct", True), ("recursive", False)])
@pytest.mark.parametrize("seed", range(3))
def test_white_noise_is_not_said_to_be_forecast(seed, strategy, residual):
    """There is nothing to learn, and the mean is as good as can be."""
    frame = daily_wave(500).with_columns(y=np.random.default_rng(seed).standard_normal(500))
    options = {"calendar": "none", "season": 1, "epochs": 3, "test": 0.4, "residual": residual}
    forecaster = small(strategy, **options).fit(frame)
    errors = {row["forecast"]: row["rmse"] for row in forecaster.evaluation.rows}
    assert min(errors, key=lambda name: errors[name]) in ("model", "mean") and errors["persistence"] > 1.2
    assert not any("beats every baseline" in line for line in forecaster.evaluation.verdict)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("gaps", ["forward", "zero", "mask"])
def test_noise_is_not_forecast_better_than_is_possible(gaps, strategy):
    """White noise with 60 % of its cells empty: what is judged is what was observed, not what was filled
    in."""
    draws = np.random.default_rng(1)
    noise = draws.standard_normal(600)
    frame = daily_wave(600).with_columns(y=np.where(draws.random(600) < 0.6, np.nan, noise))
    options = {"gaps": gaps, "calendar": "none", "season": 1, "horizon": 1, "epochs": 3, "test": 0.5}
    forecaster = small(strategy, **options).fit(frame)
    rows = {row["forecast"]: row for row in forecaster.evaluation.table()}
    possible = np.sqrt(np.nanmean(frame["y"].to_numpy()[300:] ** 2))
    assert rows["model"]["rmse"] > 0.95 * possible and rows["persistence"]["rmse"] > 1.2 * possible
    about = forecaster.evaluation.json()
    assert about["missing"] == 0 < about["outcomes"] < 150  # origins without an outcome are left out
    assert np.isfinite(forecaster.predict(frame)["forecast"].to_numpy()).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("output", ["point", "gaussian", "studentt", "quantiles"])
def test_every_output_and_strategy(strategy, output):
    forecaster = small(strategy, output=output, epochs=1, sample_paths=10).fit(noisy(T))
    row, found = forecaster.evaluation.rows[0], forecaster.predict()
    assert np.isfinite([row["rmse"], row["mase"]]).all() and len(found) == 4
    levels = [name for name in found.columns if name.startswith("q")]
    if output == "point" and strategy == "recursive":
        assert "crps" not in row and not levels
    else:
        assert np.isfinite([row["crps"], row["pinball"], row["width"]]).all() and 0 <= row["coverage"] <= 1
        assert levels == ["q0.05", "q0.25", "q0.5", "q0.75", "q0.95"]
        assert (np.diff(found.select(levels).to_numpy()) >= 0).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_leaks_from_the_test_part(strategy):
    """The test period times a million: not a bit of the scaler or of the weights changes, nor of the
    members' shares."""
    frame, test_begins = noisy(T), T - 48
    late = pl.int_range(T) >= test_begins
    spoilt = frame.with_columns(pl.when(late).then(pl.col("y") * 1e6).otherwise("y").alias("y"))
    one, two = (small(strategy, test=48).fit(data) for data in (frame, spoilt))
    for name, array in one.codec.arrays().items():
        assert np.array_equal(array, two.codec.arrays()[name])
    assert same_weights(one, two) and one.rows == two.rows
    assert one.codec.reading == two.codec.reading and (one.codec.reading is None) == (strategy == "recursive")
    assert one.config.data.sha256 != two.config.data.sha256


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_validation_part_decides_the_epoch_and_the_shares_alone(strategy):
    """Spoilt from the validation part on: the weights after one epoch are the same, as nothing is left to
    choose. Members have other shares, and intervals are others."""
    frame = noisy(T)
    late = pl.int_range(T) >= T - 48 - 24
    spoilt = frame.with_columns(pl.when(late).then(pl.col("y") * 1e3).otherwise("y").alias("y"))
    options = {"test": 48, "validation": 24, "epochs": 1, "transform": "none"}
    options |= {"scale": "window"} if strategy == "direct" else {}
    one, two = (small(strategy, **options).fit(data) for data in (frame, spoilt))
    differ = [name for name, value in weights(one).items() if not torch.equal(value, weights(two)[name])]
    assert differ == (["shares", "offsets"] if strategy == "direct" else [])
    assert one.codec.reading == two.codec.reading


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_same_seed_gives_the_same_bits_and_another_does_not(csv, strategy):
    one, two, other = (small(strategy, seed=seed).fit(csv) for seed in (0, 0, 1))
    assert same_weights(one, two) and one.rows == two.rows
    assert not same_weights(one, other)


def test_the_callers_generator_is_left_alone(csv):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    small(epochs=1).fit(csv).evaluate()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_run_holds_everything(run):
    folder, forecaster = run
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    plots = {
        f"plots/{name}.{kind}"
        for name in ("loss", "gradient_norm", "forecast", "residuals")
        for kind in ("png", "svg")
    }
    assert plots <= names
    assert {
        "config.toml",
        "model.safetensors",
        "scalers.safetensors",
        "data.json",
        "evaluation.json",
    } <= names
    assert {"metrics.jsonl", "environment.json", "checkpoints/last.safetensors"} <= names
    evaluation = json.loads((folder / "evaluation.json").read_text())
    assert evaluation["table"] == forecaster.evaluation.json()["table"] and evaluation["verdict"]


def test_predict_after_load_is_predict_before_save(either, csv):
    folder, forecaster = either
    loaded = tasks.load(folder)
    assert type(loaded) is Forecaster and loaded.config == forecaster.config
    assert loaded.codec.reading == forecaster.codec.reading
    for horizon in (1, 4) if forecaster.codec.reading else (1, 4, 9):
        assert_frame_equal(
            loaded.predict(horizon=horizon), forecaster.predict(horizon=horizon), check_exact=True
        )
    assert_frame_equal(loaded.predict(csv), forecaster.predict(), check_exact=True)
    assert loaded.evaluation.json() == forecaster.evaluation.json()
    assert list(loaded.rows) == list(forecaster.rows)


def test_a_saved_copy_is_the_same(either, tmp_path):
    folder, forecaster = either
    forecaster.save(tmp_path / "copy")
    copy = Forecaster.load(tmp_path / "copy")
    assert_frame_equal(copy.predict(), forecaster.predict(), check_exact=True)
    assert (tmp_path / "copy/config.toml").read_bytes() == (folder / "config.toml").read_bytes()


def test_training_again_from_a_runs_configuration_gives_the_same_bits(either, tmp_path):
    folder, _ = either
    values = tomllib.loads((folder / "config.toml").read_text())
    config = from_sections(ForecastConfig, {k: v for k, v in values.items() if isinstance(v, dict)})
    Forecaster(config).fit(out=tmp_path / "again")
    for name in (
        "model.safetensors",
        "scalers.safetensors",
        "metrics.jsonl",
        "config.toml",
        "evaluation.json",
    ):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()


def test_fitting_again_takes_other_data(csv):
    forecaster = small(epochs=1).fit(csv)
    assert forecaster.fit(noisy(T, seed=9)).config.data.files == ()


def test_a_frame_and_its_file_train_the_same(csv):
    assert same_weights(small().fit(csv), small().fit(pl.read_csv(csv)))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("after", [2, 7])
def test_resume_gives_the_bits_of_an_uninterrupted_training(csv, tmp_path, monkeypatch, after, strategy):
    monkeypatch.setattr(checkpoints, "SHARE", 1e9)  # after every step
    options = {"epochs": 3, "checkpoint_seconds": 0, "recurrent_dropout": 0.2}
    whole = small(strategy, **options).fit(csv, out=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        small(strategy, **options).fit(csv, out=tmp_path / "cut", report=Stop(after))
    assert not Run.open(tmp_path / "cut").finished
    with pytest.raises(RunError, match="the training has not ended"):
        Forecaster.load(tmp_path / "cut")
    with Run.open(tmp_path / "cut").locked(), pytest.raises(RunError, match="cut is in use by process"):
        Forecaster().fit(resume=tmp_path / "cut")
    began = Began()
    resumed = Forecaster().fit(resume=tmp_path / "cut", report=began)
    assert began.steps == after - 1
    assert same_weights(whole, resumed) and whole.rows == resumed.rows
    for name in ("model.safetensors", "metrics.jsonl", "evaluation.json", "config.toml"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_what_cannot_be_resumed(run, csv, tmp_path):
    folder, _ = run
    with pytest.raises(RunError, match="is finished, there is nothing to resume"):
        Forecaster().fit(resume=folder)
    with pytest.raises(ConfigError, match="resume takes its folder and options from the run"):
        small().fit(resume=folder)
    with pytest.raises(RunError, match="is no folder"):
        Forecaster().fit(resume=tmp_path / "nowhere")


def test_a_run_is_not_resumed_on_other_data(tmp_path):
    noisy(T).write_csv(tmp_path / "a.csv")
    with pytest.raises(KeyboardInterrupt):
        small().fit(tmp_path / "a.csv", out=tmp_path / "run", report=Stop(2))
    noisy(T, seed=4).write_csv(tmp_path / "a.csv")
    with pytest.raises(DataError, match="the data have changed"):
        Forecaster().fit(resume=tmp_path / "run")


def panel():
    frames = [
        noisy(n, seed=n).with_columns(id=pl.lit(name))
        for name, n in (("north", 240), ("south", 170), ("tiny", 9))
    ]
    return pl.concat(frames)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_several_series_of_unequal_lengths(tmp_path, strategy):
    forecaster = small(strategy, id="id").fit(panel().filter(pl.col("id") != "tiny"), out=tmp_path / "run")
    found = forecaster.predict()
    assert found["series"].to_list() == ["north"] * 4 + ["south"] * 4
    alone = panel().filter(pl.col("id") == "south")
    assert_frame_equal(
        forecaster.predict(alone).drop("time"),
        found.filter(pl.col("series") == "south").drop("series", "time"),
    )
    # A series that training never saw is read with the pooled scaler.
    unseen = noisy(50, seed=77).with_columns(id=pl.lit("west"))
    assert len(forecaster.predict(unseen)) == 4


def test_a_series_shorter_than_the_window_trains_but_cannot_be_fed_back():
    forecaster = small("recursive", id="id", test=5, validation=2, window=12).fit(panel())
    with pytest.raises(DataError, match="series 'tiny' has 9 steps; this model reads the last 12"):
        forecaster.predict()


def covariates(n=T, rows_after=0, seed=0):
    """y follows f at once and p a step later; the last rows know f alone."""
    f, p = np.random.default_rng(seed).standard_normal((2, n + rows_after))
    y = 2 * f + np.concatenate([[0], p[:-1]])
    frame = daily_wave(n + rows_after).with_columns(y=y, f=f, p=p)
    after = pl.int_range(n + rows_after) >= n
    return frame.with_columns(pl.when(after).then(None).otherwise(name).alias(name) for name in ("y", "p"))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_covariates_of_past_and_future_explain_what_they_should(strategy):
    options = STRATEGIES[strategy] | {"horizon": 1, "season": 1, "calendar": "none", "learning_rate": 0.02}
    if strategy == "recursive":
        options |= {"epochs": 40, "residual": False}
    else:
        options |= {"epochs": None, "steps": 150, "hidden": 12, "output_dropout": 0}
    with_both = small(past="p", future="f", **options).fit(covariates())
    one, neither = small(future="f", **options).fit(covariates()), small(**options).fit(covariates())
    rmse = [f.evaluation.rmse("y", "model") for f in (with_both, one, neither)]
    # Unexplained: nothing; p, of deviation 1; both, of deviation √5.
    assert rmse[0] < 0.5 < 0.8 < rmse[1] < 1.4 < 1.8 < rmse[2]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_forecasting_with_known_future_covariates(strategy):
    forecaster = small(strategy, future="f", epochs=1).fit(covariates(rows_after=4))
    found = forecaster.predict()
    assert len(found) == 4 and found["time"][0] == daily_wave(T + 1)["time"][-1]
    changed = covariates(rows_after=4).with_columns(
        pl.when(pl.int_range(T + 4) == T + 1).then(9).otherwise("f").alias("f")
    )
    differs = forecaster.predict(changed)["forecast"].to_numpy() != found["forecast"].to_numpy()
    # The value at step T + 1 first matters for the second step.
    assert differs.tolist() == [False, True, True, True]
    with pytest.raises(
        DataError, match="has 3 rows of 'f' after its last y; wanted 4, the steps to forecast"
    ):
        forecaster.predict(covariates(rows_after=3))


@pytest.mark.parametrize("tiny", [6, 9, 14])
def test_series_shorter_than_a_direct_horizon_do_no_harm(tiny):
    """Of a tiny series the covariates of the time to forecast are hardly known, and never read where they are
    not."""
    parts = [covariates(T).with_columns(id=pl.lit("long")), covariates(tiny).with_columns(id=pl.lit("tiny"))]
    forecaster = small(future="f", horizon=8, id="id", epochs=1).fit(pl.concat(parts))
    assert all(bool(torch.isfinite(weight).all()) for weight in weights(forecaster).values())
    assert np.isfinite([row["validation_loss"] for row in forecaster.rows if row["kind"] == "epoch"]).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_several_targets(strategy):
    frame = noisy(T).with_columns(z=pl.col("y").shift(1, fill_value=0) * 100)
    options = {"target": ("y", "z"), "output": "quantiles", "epochs": 1, "sample_paths": 10}
    forecaster = small(strategy, **options).fit(frame)
    assert forecaster.predict()["target"].to_list() == ["y"] * 4 + ["z"] * 4
    assert {row["target"] for row in forecaster.evaluation.table()} == {"y", "z", "all targets, scaled"}
    assert len(forecaster.evaluation.verdict) == 3 + 3 + 3 + 1, "errors, intervals, adaptive ones, origins"


def test_a_longer_horizon_is_fed_back(recursive):
    _, forecaster = recursive
    long, short = forecaster.predict(horizon=30), forecaster.predict()
    assert long["forecast"][:4].to_list() == short["forecast"].to_list() and len(long) == 30


def test_evaluate_on_other_data_judges_what_was_not_seen(run, csv):
    _, forecaster = run
    given = forecaster.evaluate(csv)
    assert given.rows == forecaster.evaluate().rows and given.about["left_out"] == int(T * 0.8)
    found = forecaster.evaluate(noisy(100, seed=3))
    # Origins 23 (a season of history) … 95, a horizon before the end.
    assert found.about["judged"] == "the data given" and found.about["origins"] == 73


def test_generate(either, csv):
    _, forecaster = either
    for prime in (None, csv):
        found = forecaster.generate(30, prime)
        assert found.columns == ["step", "target", "value"] and len(found) == 30
        assert_frame_equal(forecaster.generate(30, prime), found, check_exact=True)
        sampled, other = (forecaster.generate(30, prime, sample=True, seed=s) for s in (1, 2))
        assert sampled["value"].to_list() != other["value"].to_list()
        cold = forecaster.generate(30, prime, sample=True, temperature=1e-6, seed=1)
        np.testing.assert_allclose(cold["value"], found["value"], atol=1e-3)
    # Primed with the training file it goes on as predict does: as far as that feeds back.
    steps = 1 if forecaster.codec.reading else 9
    wanted = forecaster.predict(horizon=steps)["forecast"].to_list()
    assert forecaster.generate(9, csv)["value"][:steps].to_list() == wanted


def test_generate_with_a_direct_network_and_covariates():
    forecaster = small(future="f", epochs=1).fit(covariates(rows_after=4))
    assert len(forecaster.generate(20)) == 20
    assert len(forecaster.generate(5, covariates(rows_after=8))) == 5
    with pytest.raises(DataError, match="has 4 rows of 'f' after its last y; wanted 8"):
        forecaster.generate(5, covariates(rows_after=4))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_forecasts_that_grow_without_bound_are_refused(strategy):
    forecaster = small(strategy, cell="rnn", nonlinearity="relu", epochs=1).fit(noisy(T))
    overflowing(forecaster)
    grows = ": fed back, it grows without bound; ask for fewer steps, or train anew"
    why = grows if strategy == "recursive" else "; train anew"  # nothing is fed back
    with pytest.raises(
        TrainingError, match=rf"the forecast of series .* is not finite from step [1-4] on{why}"
    ):
        forecaster.predict()
    with pytest.raises(TrainingError, match=rf"the continuation is not finite from step \d+ on{grows}"):
        forecaster.generate(50)


def overflowing(forecaster):
    """Gives it heads whose outputs, or those of values fed back, are infinite in float32."""
    with torch.no_grad():
        for name, weight in forecaster.network.named_parameters():
            if name.endswith("head.weight"):
                weight.fill_(1e20 if name == "head.weight" else 3e38)
            elif name == "shares":
                weight.fill_(1)


@pytest.mark.parametrize(
    "options, error, message",
    [
        (
            RECURSIVE | {"window": 500, "test": 0},
            DataError,
            "a window of 500 needs at least 501 steps of training data",
        ),
        ({"horizon": 100}, DataError, "the validation part has 24 steps .* wanted 100 or more"),
        ({"horizon": 30}, DataError, "the validation part has 24 steps .* wanted 30 or more"),
        ({"target": "x"}, DataError, "no column 'x'"),
        ({"time": "when"}, DataError, "no column 'when'"),
        ({"future": "g"}, DataError, "no column 'g'"),
        ({"past": "y", "horizon": 1}, ConfigError, "column 'y' is named"),
        ({"cell": "lstm", "cells_per_block": 4}, ConfigError, "cell 'lstm'"),
        ({"season": 200}, DataError, "season=200 needs more than 200 steps"),
        ({"sha256": "0" * 64}, DataError, "the data have changed"),
        ({"validation": 0.5, "test": 0.6}, DataError, "leave nothing to train on"),
    ],
)
def test_refused_before_anything_is_written(csv, tmp_path, options, error, message):
    with pytest.raises(error, match=message) as caught:
        small(**options).fit(csv, out=tmp_path / "run")
    assert "\n" not in str(caught.value) and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "values, message",
    [
        (np.full(T, 3.0), "column 'y' is 3 in all 168 steps of the training part"),
        (np.where(np.arange(T) == 7, np.inf, np.arange(T)), "inf"),
        (np.where(np.arange(T) == 7, np.nan, np.arange(T)), "1 gap"),
    ],
)
def test_data_that_cannot_train(values, message, tmp_path):
    with pytest.raises(DataError, match=message):
        small().fit(daily_wave(T).with_columns(y=values), out=tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_refusals_of_a_fitted_forecaster(either, csv, tmp_path):
    _, forecaster = either
    halves = daily_wave(T).gather_every(2)
    calls = (
        []
        if forecaster.codec.reading
        else [
            (
                lambda: forecaster.predict(daily_wave(11)),
                DataError,
                "has 11 steps; this model reads the last 12",
            ),
        ]
    )
    calls += [
        (lambda: forecaster.predict(horizon=0), ConfigError, "horizon: wanted 1 or more, got 0"),
        (lambda: forecaster.predict(halves), DataError, "a step of 2 hours; the model was trained on 1 hour"),
        (lambda: forecaster.predict(daily_wave(T).rename({"y": "x"})), DataError, "no column 'y'"),
        (lambda: forecaster.evaluate(daily_wave(20)), DataError, "20 are to be judged; wanted 4 or more"),
        (lambda: forecaster.generate(0), ConfigError, "length: wanted 1 or more, got 0"),
        (
            lambda: forecaster.generate(3, temperature=2),
            ConfigError,
            "nothing is drawn at random; leave temperature out",
        ),
        (
            lambda: forecaster.generate(3, sample=True, temperature=-1),
            ConfigError,
            "temperature: wanted a number above 0",
        ),
        (lambda: forecaster.fit(csv, out=tmp_path), RunError, "holds a run|not an empty folder"),
    ]
    (tmp_path / "something").touch()
    for call, error, message in calls:
        with pytest.raises(error, match=message):
            call()


def test_refusals_of_other_forecasters(csv):
    direct = small(epochs=1, calibrate=False).fit(csv)
    with pytest.raises(ConfigError, match=r"horizon=5: a model of strategy='direct' .* ask for 4 or fewer"):
        direct.predict(horizon=5)
    with pytest.raises(ConfigError, match="this model forecasts points, which cannot be drawn from"):
        direct.generate(3, sample=True)
    past = small(past="p", horizon=1, epochs=1).fit(covariates())
    with pytest.raises(ConfigError, match=r"horizon=2: the past columns \('p'\) of the steps on the way"):
        past.predict(horizon=2)
    with pytest.raises(ConfigError, match=r"length=2: the past columns \('p'\)"):
        past.generate(2)
    kept = small(test=0, epochs=1).fit(csv)
    with pytest.raises(ConfigError, match="no part of the training data was kept"):
        kept.evaluate()
    assert len(kept.predict()) == 4
    several = small(id="id", epochs=1).fit(panel().filter(pl.col("id") != "tiny"))
    with pytest.raises(DataError, match="wanted one series to go on from, got 3"):
        several.generate(3, panel())


def test_refusals_of_wrong_calls(run):
    with pytest.raises(ConfigError, match="this Forecaster is not trained"):
        small().predict()
    with pytest.raises(ConfigError, match="there are no data to train on"):
        small().fit()
    with pytest.raises(ConfigError, match="give a configuration or options, not both"):
        Forecaster(ForecastConfig(), window=3)


def test_the_training_data_must_still_be_there(tmp_path):
    noisy(T).write_csv(tmp_path / "a.csv")
    small(epochs=1).fit(tmp_path / "a.csv", out=tmp_path / "run")
    noisy(T + 1).write_csv(tmp_path / "a.csv")
    loaded = Forecaster.load(tmp_path / "run")
    with pytest.raises(DataError, match=r"a\.csv has changed since the training; name it"):
        loaded.predict()
    assert loaded.predict(tmp_path / "a.csv")["time"][0] == daily_wave(T + 2)["time"][-1]
    (tmp_path / "a.csv").unlink()
    with pytest.raises(DataError, match="there is no such file"):
        loaded.evaluate()
    small(epochs=1).fit(noisy(T), out=tmp_path / "frame")
    with pytest.raises(ConfigError, match="trained on a frame that is no longer here"):
        Forecaster.load(tmp_path / "frame").predict()


@pytest.mark.parametrize("name", ["data.json", "scalers.safetensors", "model.safetensors", "metrics.jsonl"])
def test_a_damaged_run_is_refused_in_a_line(run, tmp_path, name):
    import shutil

    folder, _ = run
    for damage in (b"", b"{}", b"\x00" * 100):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        shutil.copytree(folder, tmp_path / "run")
        (tmp_path / "run" / name).write_bytes(damage)
        if name == "metrics.jsonl" and damage != b"\x00" * 100:
            continue  # an empty history is none
        with pytest.raises(RunError) as caught:
            Forecaster.load(tmp_path / "run")
        assert "\n" not in str(caught.value)


def test_a_run_of_another_task_is_refused(run, tmp_path):
    Run.create(tmp_path / "other", {"model": {}}, "divine")
    with pytest.raises(RunError, match="is a run of task 'divine', not of 'forecast'"):
        Forecaster.load(tmp_path / "other")
    with pytest.raises(ConfigError, match="there is no task 'divine'"):
        tasks.load(tmp_path / "other")
