"""Categories and static columns: what they tell is learnt from the training part alone, and the trained model
reads them without torch as it read them in training."""

import json

import numpy as np
import polars as pl
import pytest
import torch

from unrolled import Forecaster, runtime, tasks
from unrolled.errors import ConfigError, DataError
from unrolled.export.verify import verify
from unrolled.files.covariates import Covariates, code
from unrolled.files.query import Query
from unrolled.files.series import read_series
from unrolled.files.steps import parse_step
from unrolled.tasks.forecast import covariates, pictures

STRATEGIES = ("direct", "recursive")
LEVELS = {"rain": 0.0, "clear sky": 10.0, "snow": 5.0}
SHORT = {"target": "y", "window": 9, "horizon": 2, "hidden": 5, "steps": 8, "refit": False, "threads": 1}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(tasks.pictures, "draw_history", lambda *arguments: None)
    monkeypatch.setattr(pictures, "draw_evaluation", lambda *arguments: None)


def weathered(T, seed=0):
    """A text known ahead that sets the level, beside noise."""
    generator = np.random.default_rng(seed)
    weather = generator.choice(list(LEVELS), T)
    days = np.datetime64("2022-01-01") + np.arange(T)
    y = np.array([LEVELS[text] for text in weather.tolist()]) + 0.3 * generator.standard_normal(T)
    return pl.DataFrame({"day": days, "y": y, "weather": weather})


def shops(kinds, T=160, seed=0):
    """Series that answer what was in p one step before, up or down by their kind; two static columns."""
    frames = []
    for number, kind in enumerate(kinds):
        generator = np.random.default_rng(seed + number)
        p = generator.standard_normal(T)
        y = (2 if kind == "up" else -2) * np.roll(p, 1) + 0.1 * generator.standard_normal(T)
        columns = {"id": [f"s{number}"] * T, "t": range(T), "y": y, "p": p}
        frames.append(pl.DataFrame(columns | {"kind": [kind] * T, "size": [len(kind)] * T}))
    return pl.concat(frames)


def same_weights(one, two):
    pairs = zip(one.network.state_dict().values(), two.network.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_category_that_sets_the_level_is_learnt():
    options = {"target": "y", "future": "weather", "horizon": 3, "window": 14, "hidden": 12, "steps": 200}
    model = Forecaster(**options, refit=False).fit(weathered(500))
    assert model.codec.series.future == ("weather=clear sky", "weather=rain", "weather=snow")
    best = model.evaluation.best_baseline("y")
    assert model.evaluation.rmse("y", "model") < 0.4 * model.evaluation.rmse("y", best)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_text_that_training_did_not_have_is_none_and_told(strategy):
    frame = weathered(200)
    model = Forecaster(strategy=strategy, future="weather", **SHORT).fit(frame)

    after = np.datetime64(frame["day"].max()) + np.arange(1, 3)

    def followed(*texts):
        return pl.concat([frame, pl.DataFrame({"day": after, "y": None, "weather": texts}, frame.schema)])

    hail, sleet, snow = (model.predict(followed(text, "rain")) for text in ("hail", "sleet", "snow"))
    assert hail.equals(sleet) and not hail.equals(snow) and np.isfinite(hail["forecast"].to_numpy()).all()
    assert not model.notices(followed("snow", "rain"))
    assert model.notices(followed("hail", "hail")) == [
        "column 'weather': 2 cells with texts that are no category, read as none: 'hail'"
    ]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_texts_of_the_test_part_change_no_bit_of_what_was_fitted(strategy):
    frame = weathered(200)
    late = pl.int_range(200) >= 170
    spoilt = frame.with_columns(
        pl.when(late).then(pl.lit("hail")).otherwise("weather").alias("weather"),
        pl.when(late).then(pl.col("y") * 1e6).otherwise("y").alias("y"),
    )
    options = SHORT | {"strategy": strategy, "future": "weather", "test": 30, "validation": 20}
    one, two = (Forecaster(**options).fit(data) for data in (frame, spoilt))
    assert one.codec.about() == two.codec.about() and one.rows == two.rows
    assert same_weights(one, two)


def test_the_most_frequent_texts_are_categories():
    texts = [f"t{k:02}" for k in range(40) for _ in range(1 + k % 3)] + ["late"] * 50
    table = pl.DataFrame({"y": np.arange(len(texts)) % 7, "c": texts})
    file = read_series(table, Query(targets=("y",), past=("c",)))
    fitted = covariates.fit(file, [len(texts) - 50])
    categories = fitted.covariates.categories["c"]
    assert len(categories) == covariates.MOST and "late" not in categories
    assert set(categories) > {text for text in texts[:-50] if texts.count(text) > 1}
    note = "column 'c': 30 texts of 40, the most frequent, a column each"
    assert note in fitted.notes and "'late'" in fitted.notes[-1]
    late = table.with_columns(c=pl.when(pl.int_range(len(texts)) > 100).then("c"))
    file = read_series(late, Query(targets=("y",), past=("c",), gaps=True))
    with pytest.raises(DataError, match="column 'c' has no value in the training part; leave it out"):
        covariates.fit(file, [90])


def test_a_missing_text_is_missing_in_all_columns_of_its_categories():
    known = Covariates(past=("a", "c"), categories={"c": ("x", "y")})
    values = np.array([[1, code("y")], [2, np.nan], [3, code("z")]])
    assert known.names(known.past) == ("a", "c=x", "c=y")
    wanted = [[1, 0, 1], [2, np.nan, np.nan], [3, 0, 0]]
    assert np.array_equal(known.numbers(known.past, values), wanted, equal_nan=True)


def test_a_static_column_tells_how_a_series_that_training_never_saw_goes():
    """Up or down one step later: without the column the mean, 0, would be best."""
    options = {"target": "y", "id": "id", "time": "t", "past": "p", "static": ("kind", "size"), "horizon": 1}
    training = {"window": 4, "season": 1, "hidden": 8, "members": 1, "steps": 200, "learning_rate": 0.01}
    model = Forecaster(**options, **training, refit=False).fit(shops(["up", "down"] * 3))
    assert model.codec.series.future == ("kind=down", "kind=up", "size")
    judged = model.evaluate(shops(["down", "up"], seed=50))
    assert judged.rmse("y", "model") < 0.5 * judged.rmse("y", "mean")
    assert len(model.predict()) == 6, "no rows after the last are needed"


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_stream_reads_static_columns_and_texts_as_predict_does(strategy, tmp_path):
    options = SHORT | {"strategy": strategy, "id": "id", "time": "t", "static": ("kind", "size")}
    options |= {"horizon": 1, "past": "p"} if strategy == "recursive" else {"past": ("p",)}
    frame = shops(["up", "down", "down"])
    model = Forecaster(**options).fit(frame, out=tmp_path / "run")
    made = runtime.load(tmp_path / "run")
    named = ["id"] if strategy == "direct" else []
    assert list(made.columns()) == ["t", *named, "y", "p", "kind", "size"]
    wanted = model.predict()["forecast"].to_numpy().reshape(3, -1)
    rows = frame.partition_by("id")
    alone = made.predict([one.to_dicts() for one in rows])["forecast"][..., 0]
    assert np.array_equal(alone, wanted)
    for one, forecast in zip(rows, wanted, strict=True):
        stream = made.stream()
        for step in one.to_dicts()[-9:]:
            told = stream.step(step)
        assert np.array_equal(told["forecast"][..., 0], forecast)
    with pytest.raises(DataError, match="column 'kind': wanted a text, a category, got 3"):
        made.stream().step(rows[0].to_dicts()[0] | {"kind": 3})
    assert not verify(tmp_path / "run", frame).broken


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_training_that_starts_from_a_run_keeps_its_categories(strategy, tmp_path):
    options = SHORT | {"strategy": strategy, "future": "weather"}
    old = Forecaster(**options).fit(weathered(200), out=tmp_path / "old")
    newer = weathered(240, seed=1).with_columns(day=pl.col("day") + pl.duration(days=200))
    newer = newer.with_columns(weather=pl.col("weather").replace("snow", "hail"))
    start = {"start_from": str(tmp_path / "old"), "steps": 2, "threads": 1}
    model = Forecaster(**start).fit(newer)
    assert model.codec.series.covariates == old.codec.series.covariates
    assert not same_weights(model, old)
    assert Forecaster.load(tmp_path / "old").codec.about() == old.codec.about()


def test_a_run_says_its_categories_in_plain_words(tmp_path):
    Forecaster(future="weather", **SHORT).fit(weathered(200), out=tmp_path / "run")
    codec = json.loads((tmp_path / "run" / "runtime.json").read_text())["codec"]
    assert codec["future"] == ["weather"] and codec["static"] == []
    assert codec["categories"] == {"weather": ["clear sky", "rain", "snow"]}


@pytest.mark.parametrize(
    "change, options, message",
    [
        (
            {"kind": pl.when(pl.int_range(pl.len()) == 170).then(pl.lit("odd")).otherwise("kind")},
            {},
            "row 171 of 320, column 'kind': 'odd', but row 161 of 320 of series 's1' has 'down'; wanted one",
        ),
        (
            {"size": pl.when(pl.col("id") != "s1").then("size")},
            {},
            "row 161 of 320, column 'size': wanted a value of series 's1', got none in all its rows",
        ),
        ({"kind": pl.lit("up")}, {}, "column 'kind=up' is 1 in all 224 steps of the training part"),
        ({}, {"past": ("p", "kind")}, "column 'kind' is named as past covariate and again as static column"),
    ],
)
def test_static_columns_have_one_value_a_series(change, options, message):
    frame = shops(["up", "down"]).with_columns(**change)
    options = SHORT | {"id": "id", "time": "t", "static": ("kind", "size")} | options
    with pytest.raises((ConfigError, DataError), match=message):
        Forecaster(**options).fit(frame)


def test_static_columns_of_wide_tables():
    rows = pl.DataFrame({"id": ["a", "b"], "kind": ["x", "y"], **{f"v{k}": [k, 9 - k] for k in range(9)}})
    file = read_series(rows, Query(wide="rows", static=("kind",)))
    assert [series.static.tolist() for series in file.series] == [[code("x")], [code("y")]]
    assert file.static == ("kind",) and file.series[1].target[:2, 0].tolist() == [9, 8]
    with pytest.raises(ConfigError, match="with wide='columns' covariates are those of all series"):
        read_series(rows, Query(wide="columns", static=("kind",)))


def test_files_of_numbers_and_of_texts_in_one_column_are_refused(tmp_path):
    weathered(60).write_csv(tmp_path / "one.csv")
    weathered(60).with_columns(weather=pl.lit(3)).write_csv(tmp_path / "two.csv")
    with pytest.raises(DataError, match=r"two.csv: column 'weather' holds texts in .*one.csv alone"):
        Forecaster(past="weather", **SHORT).fit([tmp_path / "one.csv", tmp_path / "two.csv"])


def test_of_texts_in_one_bin_the_last_is_taken():
    hours = np.datetime64("2024-01-01", "us") + np.arange(48) * np.timedelta64(1, "h")
    table = pl.DataFrame({"time": hours, "y": np.arange(48.0), "c": ["a"] * 20 + ["b"] * 4 + ["b", "c"] * 12})
    query = Query(targets=("y",), past=("c",), resample=parse_step("1d"), aggregate="mean")
    [series] = read_series(table, query).series
    assert series.past[:, 0].tolist() == [code("b"), code("c")] and series.target[:, 0].tolist() == [
        11.5,
        35.5,
    ]
