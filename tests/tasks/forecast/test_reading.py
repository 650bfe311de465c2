"""What the options of reading do to a forecaster and to all that follows a training: predict, evaluate,
stream, resume."""

import numpy as np
import polars as pl
import pytest

from tests.tasks.forecast.cases import hourly, noisy
from tests.tasks.interrupted import Stop
from unrolled import tasks
from unrolled.errors import ConfigError, DataError
from unrolled.tasks.forecast import pictures
from unrolled.tasks.forecast.estimator import Forecaster
from unrolled.training.progress import Reporter

SMALL = {"window": 12, "horizon": 4, "season": 24, "hidden": 6, "epochs": 2, "threads": 1, "refit": False}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(tasks.pictures, "draw_history", lambda *arguments: None)
    monkeypatch.setattr(pictures, "draw_evaluation", lambda *arguments: None)


class Notes(Reporter):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def small(**options):
    return Forecaster(**(SMALL | options))


def irregular(hours, seed=0, begin="2024-01-01T00:00"):
    """Four rows in each hour, at times of their own; their mean is a daily wave with noise."""
    rng = np.random.default_rng(seed)
    minutes = np.sort(rng.choice(60, (hours, 4)), 1) + 60 * np.arange(hours)[:, None]
    level = np.sin(2 * np.pi * np.arange(hours) / 24) + 0.1 * rng.standard_normal(hours)
    off = rng.standard_normal((hours, 4))
    y = level[:, None] + off - off.mean(1, keepdims=True)
    times = np.datetime64(begin, "us") + minutes.reshape(-1) * np.timedelta64(1, "m")
    return pl.DataFrame({"time": times, "y": y.reshape(-1)}), level


def weights(forecaster):
    return {name: array.numpy().tobytes() for name, array in forecaster.network.state_dict().items()}


def test_a_resampled_run_is_that_of_the_regular_series(tmp_path):
    """Training, forecasts and figures are those of a file that holds the means; the run resamples what it is
    asked about, and a stream is given steps."""
    T = 240
    frame, level = irregular(T)
    frame.write_csv(tmp_path / "raw.csv")
    run = small(resample="60 min").fit(tmp_path / "raw.csv", out=tmp_path / "run")
    regular = small().fit(pl.DataFrame({"time": hourly(T, "2024-01-01T00:00"), "y": level}))
    assert run.config.data.resample == "1h"
    a, b = run.predict(), regular.predict()
    assert a["time"].to_list() == b["time"].to_list() == hourly(4, "2024-01-11T00:00").tolist()
    np.testing.assert_allclose(a["forecast"], b["forecast"], atol=1e-5)  # means of four, in other orders
    assert run.evaluation.rmse("y", "model") == pytest.approx(regular.evaluation.rmse("y", "model"), rel=1e-4)

    loaded = Forecaster.load(tmp_path / "run")
    more, _ = irregular(T + 48)
    assert (more["y"][: 4 * T] != frame["y"]).any()
    judged = loaded.evaluate(more)
    assert judged.backtest.y.shape[0] > 0 and judged.about["seen"] == 0  # other noise: nothing was seen
    again = loaded.evaluate(tmp_path / "raw.csv", include_training=True)
    assert again.about["seen"] > 0
    stream = loaded.runtime()
    steps = [
        {"time": str(t), "y": float(v)}
        for t, v in zip(hourly(T, "2024-01-01T00:00")[-12:], level[-12:], strict=True)
    ]
    np.testing.assert_allclose(
        stream.predict([steps], horizon=4)["forecast"][0, :, 0], a["forecast"], atol=1e-5
    )


def test_a_resampled_training_is_resumed(tmp_path):
    irregular(200)[0].write_csv(tmp_path / "raw.csv")
    whole = small(resample="1h", aggregate="max").fit(tmp_path / "raw.csv")
    with pytest.raises(KeyboardInterrupt):
        small(resample="1h", aggregate="max").fit(tmp_path / "raw.csv", out=tmp_path / "run", report=Stop(1))
    resumed = Forecaster().fit(resume=tmp_path / "run")
    assert resumed.config.data.aggregate == "max" and weights(resumed) == weights(whole)


def test_forecasts_of_business_days_go_on_with_business_days(tmp_path):
    """A wave of five days, its week-day known, is forecast over the week-end."""
    days = np.arange("2023-01-02", "2024-03-02", dtype="M8[D]")
    days = days[np.is_busday(days)]
    frame = pl.DataFrame({"date": days, "y": (days.astype(int) + 3) % 7 * 1.0 - 2})
    run = small(season=5, epochs=15, hidden=12, learning_rate=0.02, horizon=6).fit(
        frame, out=tmp_path / "run"
    )
    answer = Forecaster.load(tmp_path / "run").predict(frame)
    assert [str(day) for day in answer["time"]] == [f"2024-03-{day:02}" for day in (4, 5, 6, 7, 8, 11)]
    assert np.abs(answer["forecast"] - np.array([-2.0, -1, 0, 1, 2, -2])).max() < 0.4
    short = frame.tail(12).with_columns(date=pl.Series(days[-12:]))
    assert run.predict(short).equals(answer)


def panel(T=160):
    """Two series of one step, one of which begins later: long, a column each, a row each."""
    times = hourly(T, "2024-01-01T00:00")
    y = {name: noisy(T, seed=seed)["y"].to_numpy().copy() for seed, name in enumerate(("north", "south"))}
    y["south"][:10] = np.nan
    long = pl.concat(pl.DataFrame({"id": [name] * T, "time": times, "value": y[name]}) for name in y)
    columns = pl.DataFrame({"time": times} | y).fill_nan(None)
    texts = [str(time) for time in times]
    rows = pl.DataFrame({"id": list(y)} | {text: [y[name][t] for name in y] for t, text in enumerate(texts)})
    return long.filter(pl.col("value").is_not_nan()), columns, rows.fill_nan(None)


@pytest.mark.parametrize("wide", ["columns", "rows"])
def test_a_wide_run_is_that_of_the_long_table(tmp_path, wide):
    long, columns, rows = panel()
    frame = {"columns": columns, "rows": rows}[wide]
    frame.write_csv(tmp_path / "wide.csv")
    of_long = small(id="id").fit(long)
    run = small(wide=wide).fit(tmp_path / "wide.csv", out=tmp_path / "run")
    assert weights(run) == weights(of_long)
    assert run.predict().equals(of_long.predict())
    assert run.predict()["series"].to_list() == ["north"] * 4 + ["south"] * 4
    loaded = Forecaster.load(tmp_path / "run")
    assert loaded.evaluate().json() == run.evaluation.json()
    assert loaded.predict(frame).equals(run.predict())
    assert (
        loaded.evaluate(frame, include_training=True).about["seen"] == 2 * 160 - 10 - 32 - 30
    )  # all but the test parts
    steps = [
        {"series": "south", "time": str(time), "value": y}
        for time, y in long.filter(id="south").tail(12).select("time", "value").rows()
    ]
    answer = loaded.runtime().predict([steps], horizon=4)["forecast"][0, :, 0]
    np.testing.assert_allclose(answer, run.predict().filter(series="south")["forecast"], rtol=1e-5)
    again = Forecaster(**loaded.config.data.model_dump(include={"wide", "target", "time"}), **SMALL)
    assert weights(again.fit(frame)) == weights(run)


def test_a_wide_training_is_resumed_and_other_columns_are_other_series(tmp_path):
    _, columns, _ = panel()
    columns.write_csv(tmp_path / "wide.csv")
    whole = small(wide="columns").fit(tmp_path / "wide.csv")
    with pytest.raises(KeyboardInterrupt):
        small(wide="columns").fit(tmp_path / "wide.csv", out=tmp_path / "run", report=Stop(1))
    resumed = Forecaster().fit(resume=tmp_path / "run")
    assert weights(resumed) == weights(whole)
    answer = resumed.predict(columns.rename({"north": "west"}))
    assert answer["series"].unique(maintain_order=True).to_list() == ["west", "south"]


def with_bad(long):
    """A panel with series that cannot be used."""
    times = hourly(40, "2024-01-01T00:00")
    bad = {
        "constant": (times, np.full(40, 3.0)),
        "short": (times[:3], np.arange(3.0)),
        "empty": (times, [None] * 40),
    }
    bad["irregular"] = (times + np.arange(40) ** 2 * np.timedelta64(1, "m"), np.arange(40.0))
    parts = [
        pl.DataFrame(
            {"id": [name] * len(at), "time": at, "value": pl.Series(y, dtype=pl.Float64, strict=False)}
        )
        for name, (at, y) in bad.items()
    ]
    return pl.concat([*parts[:2], long, *parts[2:]])


LEFT_OUT = {
    "irregular": "by 61 minutes",
    "empty": "0 values in column 'value'",
    "constant": "constant, 3 at every step",
    "short": "leave nothing to train on of 3 steps",
}


def test_bad_series_are_left_out_of_all_that_a_run_does(tmp_path):
    long, _, _ = panel()
    with_bad(long).write_csv(tmp_path / "bad.csv")
    options = {"id": "id", "validation": 4, "test": 12}
    with pytest.raises(DataError, match=r"or leave such series out \(skip_series\)"):
        small(**options).fit(tmp_path / "bad.csv")
    report = Notes()
    run = small(**options, skip_series=True).fit(tmp_path / "bad.csv", out=tmp_path / "run", report=report)
    alone = small(**options).fit(long)
    assert weights(run) == weights(alone) and run.predict().equals(alone.predict())
    told = [note for note in report.notes if "left out" in note]
    assert told[0] == "left out: 4 of 6 series" and len(told) == 5
    for line, (name, reason) in zip(told[1:], LEFT_OUT.items(), strict=True):
        assert f"'{name}'" in line and reason in line
    loaded = Forecaster.load(tmp_path / "run")
    assert loaded.notices() == told and set(told) <= set(loaded.evaluate().verdict)


def test_series_too_short_for_the_window_are_left_out_where_it_must_be_full():
    """A window of the direct strategy is filled up: five steps are enough."""
    long, _, _ = panel()
    tiny = long.filter(id="south").tail(5).with_columns(id=pl.lit("tiny"))
    direct = small(id="id", skip_series=True).fit(long)
    answer = direct.predict(pl.concat([tiny, long]))
    assert answer.filter(pl.col("series") != "tiny").equals(direct.predict())
    assert answer.filter(series="tiny")["forecast"].is_finite().all() and len(answer) == 3 * 4
    assert not direct.notices(pl.concat([tiny, long]))

    alone, loaded = (
        small(id="id", strategy="recursive", skip_series=skip).fit(long) for skip in (False, True)
    )
    answer = loaded.predict(pl.concat([tiny, long]))
    assert answer.equals(alone.predict())
    assert loaded.notices(pl.concat([tiny, long])) == [
        "left out: 1 of 3 series",
        "left out: 'tiny': series 'tiny' has 5 steps; this model reads the last 12 of them",
    ]
    with pytest.raises(
        DataError, match=r"train with a smaller window, or leave such series out \(skip_series\)"
    ):
        alone.predict(pl.concat([tiny, long]))


def test_a_bad_file_among_several_is_left_out_and_one_that_is_not_there_is_an_error(tmp_path):
    paths = [tmp_path / f"{name}.csv" for name in ("a", "daily", "bad", "b")]
    for seed, path in enumerate(paths):
        noisy(120, seed=seed).write_csv(path)
    noisy(30).with_columns(time=hourly(30)[0] + np.arange(30) * np.timedelta64(1, "D")).write_csv(paths[1])
    noisy(120)[[0, 1, 1, 2]].write_csv(paths[2])
    options = {"target": "y", "skip_series": True}
    run = small(**options).fit(paths)
    assert weights(run) == weights(small(target="y").fit([paths[0], paths[3]]))
    assert run.predict()["series"].to_list() == ["a"] * 4 + ["b"] * 4
    assert ["/bad.csv, line 4" in run.notices()[1], "/daily.csv: targets" in run.notices()[2]] == [True, True]
    with pytest.raises(DataError, match="there is no such file"):
        small(**options).fit([*paths, tmp_path / "none.csv"])


def long_panel(names, T=150, seed=0):
    frames = [noisy(T, seed=seed + n).with_columns(id=pl.lit(name)) for n, name in enumerate(names)]
    return pl.concat(frames)


@pytest.fixture
def parts(tmp_path):
    """Files of whole series: to train on, to validate and to test on."""
    files = {
        "train": long_panel("ab"),
        "validation": long_panel("cd", seed=10),
        "test": long_panel("ef", 90, 20),
    }
    for name, frame in files.items():
        frame.write_csv(tmp_path / f"{name}.csv")
    return {name: tmp_path / f"{name}.csv" for name in files}


def test_whole_series_validate_and_are_judged(parts, tmp_path):
    """What is fitted is of all steps of the training files, and of no others."""
    run = small(id="id", target="y").fit(
        parts["train"], validation=parts["validation"], test=parts["test"], out=tmp_path / "run"
    )
    alone = small(id="id", target="y", validation=0, test=0).fit(parts["train"])
    for name, scaler in run.codec.series.scalers.items():
        np.testing.assert_array_equal(scaler.mean, alone.codec.series.scalers[name].mean)
    judged = run.evaluation
    assert set(judged.series["series"]) == {"e", "f"}
    # From every window of a whole series on: 24 steps of the season, and 4 to forecast.
    assert judged.about["origins"] == 2 * (90 - 24 - 4 + 1)
    assert run.rows[-1]["validation_loss"] > 0
    assert run.config.data.test_files == (str(parts["test"]),)

    loaded = Forecaster.load(tmp_path / "run")
    assert loaded.evaluate().json() == judged.json()
    with pytest.raises(
        DataError, match=r"wanted 4 steps or more .* that training and validation did not hold"
    ):
        loaded.evaluate(parts["validation"])
    with pytest.raises(
        DataError, match=r"wanted 4 steps or more .* that training and validation did not hold"
    ):
        loaded.evaluate(parts["train"])
    assert loaded.evaluate(parts["test"]).about["seen"] == 0

    wild = pl.read_csv(parts["test"]).with_columns(pl.col("y") * 1e6)
    wild.write_csv(parts["test"])
    again = small(id="id", target="y").fit(parts["train"], validation=parts["validation"], test=parts["test"])
    assert weights(again) == weights(run) and again.rows == run.rows
    with pytest.raises(DataError, match="has changed since the training"):
        Forecaster.load(tmp_path / "run").evaluate()


def test_one_part_in_files_of_its_own_and_the_other_split_in_time(parts):
    tested = small(id="id", target="y").fit(parts["train"], test=parts["test"])
    assert set(tested.evaluation.series["series"]) == {"e", "f"}
    validated = small(id="id", target="y").fit(parts["train"], validation=parts["validation"])
    assert set(validated.evaluation.series["series"]) == {"a", "b"}
    assert validated.evaluation.about["origins"] == 2 * (30 - 4 + 1)  # a fifth of each, all of it new
    frames = {name: pl.read_csv(path, try_parse_dates=True) for name, path in parts.items()}
    of_frames = small(id="id", target="y").fit(frames["train"], test=frames["test"])
    assert weights(of_frames) == weights(tested)


def test_a_refitted_run_has_learnt_all_parts_and_is_judged_on_the_test_files(parts, tmp_path):
    options = {"id": "id", "target": "y", "refit": True}
    run = small(**options).fit(
        parts["train"], validation=parts["validation"], test=parts["test"], out=tmp_path / "run"
    )
    every = pl.concat([pl.read_csv(path) for path in parts.values()])["y"].to_numpy()
    np.testing.assert_allclose(run.codec.series.scalers["target"].mean, every.mean(), rtol=1e-12)
    loaded = Forecaster.load(tmp_path / "run")
    assert set(loaded.evaluate().series["series"]) == {"e", "f"}
    with pytest.raises(DataError, match="that training and validation did not hold"):
        loaded.evaluate(parts["test"])  # it was refitted on them
    assert loaded.predict()["series"].n_unique() == 6
    assert len(loaded._rows()) > 0


def test_a_training_on_files_of_parts_is_resumed(parts, tmp_path):
    named = {"validation": parts["validation"], "test": parts["test"]}
    whole = small(id="id", target="y").fit(parts["train"], **named)
    with pytest.raises(KeyboardInterrupt):
        small(id="id", target="y").fit(parts["train"], **named, out=tmp_path / "run", report=Stop(2))
    resumed = Forecaster().fit(resume=tmp_path / "run")
    assert weights(resumed) == weights(whole)
    assert resumed.evaluation.json() == whole.evaluation.json()


def test_test_files_that_training_held(parts, tmp_path):
    with pytest.raises(
        DataError, match="all 300 steps of the test files stand in the training or validation"
    ):
        small(id="id", target="y").fit(parts["train"], test=parts["train"])
    half = pl.concat([long_panel("e", 90, 20), long_panel("a").tail(60)])
    half.write_csv(tmp_path / "half.csv")
    report = Notes()
    run = small(id="id", target="y").fit(parts["train"], test=tmp_path / "half.csv", report=report)
    assert any("test part: left out: 60 of 150 steps, seen in training" in note for note in report.notes)
    assert set(run.evaluation.series["series"]) == {"e"} and run.evaluation.about["left_out"] == 60


def test_parts_of_another_step_are_refused(parts, tmp_path):
    frame = pl.read_csv(parts["test"], try_parse_dates=True)
    frame.filter(pl.col("time").dt.hour() % 2 == 0).write_csv(tmp_path / "other.csv")
    with pytest.raises(
        DataError, match="the test files have a step of 2 hours; the model was trained on 1 hour"
    ):
        small(id="id", target="y").fit(parts["train"], test=tmp_path / "other.csv")


@pytest.mark.parametrize(
    "options, message",
    [
        ({"resample": "1 fortnight"}, "resample: wanted a step such as 15min, .*, got '1 fortnight'"),
        ({"aggregate": "sum"}, "aggregate='sum' is of rows in one step; name the step with resample='1h'"),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(ConfigError, match=message):
        small(**options)


def test_intervals_are_calibrated_by_files_of_whole_series(parts):
    options = {"id": "id", "target": "y", "calibrate": True, "test": 0}
    run = small(**options, validation=0).fit(parts["train"], validation=parts["validation"])
    answer = run.predict().filter(pl.col("series").is_in(["a", "b"]))
    assert (answer["q0.05"] < answer["q0.95"]).all()
    with pytest.raises(ConfigError, match="calibrate needs a validation part"):
        small(**options, validation=0).fit(parts["train"])


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_models_that_are_trained_anew_on_the_way_learn_what_is_known_of_whole_series(parts, strategy):
    """Of the test files nothing is known to the first of them, and 40 steps of each to the next."""
    named = {"validation": parts["validation"], "test": parts["test"]}
    run = small(id="id", target="y", strategy=strategy, epochs=1).fit(parts["train"], **named)
    notes = Notes()
    again = run.evaluate(refit_every=40, report=notes)
    known = [note for note in notes.notes if note.startswith("training ")]
    assert [note.rpartition("on ")[2] for note in known] == [f"{600 + 2 * 40 * n:,} steps" for n in range(3)]
    assert again.about["trainings"] == 3 and set(again.series["series"]) == {"e", "f"}
    assert again.about["origins"] == run.evaluation.about["origins"]
    first = again.backtest.origins < 39
    assert first.any() and not np.array_equal(
        again.backtest.forecasts["model"].point[~first],
        run.evaluation.backtest.forecasts["model"].point[~first],
    )


def test_a_training_that_starts_from_a_model_is_judged_on_files_that_neither_saw(parts, tmp_path):
    small(id="id", target="y").fit(parts["train"], out=tmp_path / "old", validation=parts["validation"])
    start = {"start_from": str(tmp_path / "old"), "epochs": 1, "threads": 1}
    new = long_panel("gh", seed=40)
    texts = (
        new["time"].dt.strftime("%d.%m.%Y %H:%M"),
        new["y"].cast(pl.String).str.replace(".", ",", literal=True),
    )
    new.with_columns(time=texts[0], y=texts[1])[::-1].write_csv(tmp_path / "new.csv", separator=";")
    options = {"date_format": "day-first", "decimal": "comma"}
    run = Forecaster(**start, **options).fit(tmp_path / "new.csv", test=parts["test"], out=tmp_path / "run")
    assert set(run.evaluation.series["series"]) == {"e", "f"} and run.evaluation.about["seen"] == 0
    assert (run.config.data.test_files, run.config.data.validation_files) == ((str(parts["test"]),), ())
    loaded = Forecaster.load(tmp_path / "run")
    assert loaded.evaluate().json() == run.evaluation.json()
    assert loaded.evaluate(parts["train"], include_training=True).about["seen"] > 0
    with pytest.raises(DataError, match="this training starts from has seen all 300 steps of the test part"):
        Forecaster(**start).fit(long_panel("gh", seed=40), test=parts["validation"])
