"""A model that is trained again on all data: which of the two answers, and which is judged."""

import contextlib
import json

import numpy as np
import polars as pl
import pytest
import torch

from unrolled.errors import ConfigError, DataError
from unrolled.files.text import text_of
from unrolled.tasks import pictures
from unrolled.tasks.classify import Classifier
from unrolled.tasks.forecast import pictures as forecast_pictures
from unrolled.tasks.forecast.estimator import Forecaster
from unrolled.tasks.language import LanguageModel
from unrolled.tasks.translate.estimator import Translator
from unrolled.training import checkpoints
from unrolled.training.progress import Reporter

from .forecast.cases import RECURSIVE, noisy
from .interrupted import Stop, StopOfAll

FORECAST = {"target": "y", "window": 12, "horizon": 4, "season": 24, "hidden": 6, "epochs": 3, "threads": 1}
FORECAST |= {"batch_size": 40}
CLASSIFY = {"hidden": 5, "epochs": 3, "batch_size": 8}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(pictures, "draw_history", lambda *arguments: None)
    monkeypatch.setattr(forecast_pictures, "draw_evaluation", lambda *arguments: None)


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "series.csv"
    noisy(240).write_csv(path)
    return path


def moves(path, count, seed):
    """Sequences that rise or fall, with their names."""
    random, rows = np.random.default_rng(seed), []
    for i in range(count):
        label = "up" if i % 2 else "down"
        steps = np.cumsum(random.normal(0.5 if i % 2 else -0.5, 1, 6 + i % 3))
        rows += [{"id": f"{seed}-{i}", "label": label, "x": x} for x in steps]
    pl.DataFrame(rows).write_csv(path)
    return path


def same(one, other):
    a, b = one.network.state_dict(), other.network.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.parametrize("of_strategy", [{"calibrate": False}, RECURSIVE | {"keep": "average"}])
def test_a_forecaster_is_refitted_unless_it_is_told_otherwise(series, of_strategy):
    """The first is a training without; the second one on all data, of as many steps as the first has kept."""
    recipe = FORECAST | of_strategy
    both = Forecaster(**recipe).fit(series)
    first = Forecaster(**recipe | {"refit": False}).fit(series)
    assert first.judged is first and same(both.judged, first)
    assert both.evaluation.table() == first.evaluation.table() == both.evaluate().table()
    again = "these figures are of the model before it was trained again on all data"
    assert again in both.evaluation.verdict and again not in first.evaluation.verdict

    epochs = [row for row in first.rows if row["kind"] == "epoch"]
    kept = min(epochs, key=lambda row: row["validation_loss"])["step"]
    options = {"validation": 0, "test": 0, "steps": kept, "epochs": None, "refit": False}
    direct = "strategy" not in of_strategy  # what a validation part alone tells is that of the first training
    options |= {"scale": first.config.forecast.scale} if direct else {}
    by_hand = Forecaster(**recipe | options).fit(series)
    if direct:
        by_hand.network.p.shares.copy_(first.network.p.shares)
    assert same(both, by_hand) and not same(both, first)
    assert both.predict().equals(by_hand.predict())
    assert [row["step"] for row in both.rows if row["kind"] == "epoch"][-1] == kept


def test_what_is_fitted_beside_the_network_is_of_all_data_too(series):
    both = Forecaster(**FORECAST).fit(series)
    means = [model.codec.series.scalers["target"].mean[0] for model in (both, both.judged)]
    assert means[0] == pytest.approx(pl.read_csv(series)["y"].mean()) != means[1]
    with pytest.raises(DataError, match="training and validation did not hold, got 0"):
        both.evaluate(series)


def test_a_run_holds_both(series, tmp_path, monkeypatch):
    both = Forecaster(**FORECAST).fit(series, out=tmp_path / "run")
    loaded = Forecaster.load(tmp_path / "run")
    assert same(loaded, both) and same(loaded.judged, both.judged)
    assert loaded.config == both.config
    assert loaded.evaluate().json() == json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert loaded.runtime().about["network"] == both.runtime().about["network"]
    assert np.array_equal(loaded.predict()["forecast"], both.predict()["forecast"])

    monkeypatch.chdir(tmp_path)
    near = Forecaster.load("run")
    monkeypatch.chdir(tmp_path.parent)
    assert same(near.judged, both.judged)

    both.save(tmp_path / "saved")
    assert same(Forecaster.load(tmp_path / "saved").judged, both.judged)
    again = Forecaster(loaded.config).fit(out=tmp_path / "again")
    assert same(again, both) and same(again.judged, both.judged)


@pytest.mark.parametrize("after", [1, 9, 14, 20])
def test_interrupted_in_either_training_it_goes_on_to_the_same_bits(series, tmp_path, monkeypatch, after):
    """Steps of both trainings are counted together: the first has 12."""
    monkeypatch.setattr(checkpoints, "SHARE", 1e9)
    whole = Forecaster(**FORECAST).fit(series, out=tmp_path / "whole")

    with pytest.raises(KeyboardInterrupt):
        Forecaster(**FORECAST).fit(series, out=tmp_path / "run", report=StopOfAll(after))
    resumed = Forecaster().fit(resume=tmp_path / "run")
    assert same(resumed, whole) and same(resumed.judged, whole.judged)
    for folder in ("", "judged"):
        one, other = files(tmp_path / "run" / folder), files(tmp_path / "whole" / folder)
        assert one.keys() == other.keys()
        assert all(one[name] == other[name] for name in one if name != "environment.json")


def test_sequences_of_all_parts_train_again(tmp_path):
    """Of one file, and of files of their own."""
    train, validation, test = (moves(tmp_path / f"{n}.csv", n, n) for n in (30, 12, 14))
    one = Classifier(**CLASSIFY, refit=True).fit(train)
    assert len(one.seen.prints) == 30 > len(one.judged.seen.prints)
    assert one.evaluation.rows == Classifier(**CLASSIFY).fit(train).evaluation.rows
    three = Classifier(**CLASSIFY, refit=True).fit(train, validation=validation, test=test)
    assert len(three.seen.prints) == 56 and len(three.judged.seen.prints) == 42
    assert three.evaluation.about["sequences"] == 14
    with pytest.raises(DataError):
        three.evaluate(test)
    assert len(three.predict(test)) == 14


def test_what_takes_its_time_beside_the_steps_is_told(series, tmp_path):
    """In the order in which it is done; a reporter says it where it lasts."""

    class Phases(Reporter):
        names = ()

        @contextlib.contextmanager
        def busy(self, what):
            self.names += (what,) if self.names[-1:] != (what,) else ()
            yield

    report, prepared = Phases(), "preparing the training"
    Forecaster(**FORECAST).fit(series, out=tmp_path / "run", report=report)
    tuned = ("validating", "judging on the validation part", "writing")
    assert report.names == ("reading the data", prepared, *tuned, prepared, "judging and writing")


def test_parts_that_are_frames_are_refused(tmp_path):
    frames = [pl.read_csv(moves(tmp_path / f"{n}.csv", n, n)) for n in (30, 12)]
    with pytest.raises(ConfigError, match="reads all parts as one; give them as files"):
        Classifier(**CLASSIFY, refit=True).fit(frames[0], validation=frames[1])


def test_another_way_to_answer_is_judged_too(tmp_path):
    lines = "".join(f"{'ab' * (i % 4 + 1)}{i % 3}\t{'ba' * (i % 4 + 1)}\n" for i in range(60))
    (tmp_path / "pairs.tsv").write_text(lines)
    options = {"hidden": 5, "epochs": 2, "batch_size": 8, "source_tokens": "characters"}
    model = Translator(**options, target_tokens="characters", refit=True).fit(tmp_path / "pairs.tsv")
    other = model.using(beam=2)
    assert other.judged.config.decoding.beam == 2 and same(other.judged, model.judged)
    assert other.evaluation.rows[0]["model"] == "model"


def test_with_nothing_held_out_there_is_nothing_to_train_again():
    text = "the bird and the bee and the tree " * 30
    model = LanguageModel(hidden=5, epochs=1, window=20, validation=0, test=0, refit=True).fit(text_of(text))
    assert not model.config.training.refit and model.judged is model


def test_half_of_the_minutes_is_for_all_data(series):
    model = Forecaster(**FORECAST | {"epochs": None}, minutes=0.02).fit(series)
    assert model.judged.config.training.minutes == 0.01 and model.config.training.minutes == 0.02
    assert model.judged.history.stopped == "minutes = 0.01 reached"
    assert model.history.stopped.startswith("steps = ")


def test_a_stop_is_a_stop(series):
    with pytest.raises(KeyboardInterrupt):
        Forecaster(**FORECAST).fit(series, report=Stop(2))
