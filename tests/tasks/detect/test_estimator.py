"""Detectors find what was put into series, and little else; thresholds know nothing of what is judged."""

import math

import numpy as np
import polars as pl
import pytest
import torch

from unrolled import Detector, load
from unrolled.errors import ConfigError, DataError
from unrolled.tasks import pictures
from unrolled.tasks.detect import pictures as of_detect

from ..interrupted import resumed
from .cases import FAST, sine, table

BOTH = [{}, {"strategy": "recursive", "window": 24, "steps": 60, "learning_rate": 0.01}]


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(pictures, "draw_history", lambda *arguments: None)
    monkeypatch.setattr(of_detect, "draw_episodes", lambda *arguments: None)


@pytest.mark.parametrize("options", BOTH, ids=["direct", "recursive"])
def test_an_injected_anomaly_is_found_where_it_is(options):
    y = sine()
    y[520] += 6
    detector = Detector(time="t", join=2, **FAST | options).fit(table(y))
    steps = detector.predict()
    assert len(steps) == 180 and steps["time"][0] == 420
    assert steps["time"][int(steps["score"].arg_max())] == 520
    row = steps.filter(time=520)
    assert row["alarm"][0] and row["rank"][0] == 1 / 181 and row["y"][0] == y[520]
    episodes = detector.predict(episodes=True).sort("score", descending=True)
    top = episodes.row(0, named=True)
    assert top["peak"] == 520 and top["begin"] <= 520 <= top["end"] <= 524
    assert any("high: " in line and "520" in line for line in detector.evaluation.verdict)


def test_a_level_shift_within_the_range_of_the_series_is_found_where_it_begins():
    """Half the amplitude, at the trough: no value is one that was never seen."""
    y = sine(noise=0.2)
    begin = 513  # where the wave is lowest
    y[begin:] += 2.5
    assert y[begin] < y[:420].max()
    steps = Detector(time="t", **FAST).fit(table(y)).predict()
    assert steps["time"][int(steps["score"].arg_max())] in range(begin, begin + 3)
    assert steps.filter(pl.col("time") < begin)["score"].max() < steps["score"].max()


def test_what_lasts_is_found_by_the_mean_of_scores():
    """Noise of half as much again for eighty steps, of which many are as usual."""
    y, odd = sine(800, noise=0.5), np.zeros(800, int)
    odd[620:700] = 1
    y += np.random.default_rng(5).normal(0, 0.6, 800) * odd
    one, mean = (
        Detector(time="t", truth="odd", smooth=smooth, **FAST).fit(table(y, odd=odd)).evaluation.rows
        for smooth in (1, 12)
    )
    for before, after in zip(one, mean, strict=True):  # of the baselines too
        assert after["average precision"] > before["average precision"] + 0.1


@pytest.mark.parametrize("output", ["gaussian", "studentt"])
def test_noise_alarms_as_often_as_was_asked_for(output):
    """The share of alarms and the nominal one differ by what chance does: of the judged steps, and of the
    threshold, which is one of 1,200 scores."""
    draw = np.random.default_rng(7)
    wanted, options = 0.02, FAST | {"output": output, "steps": 150}
    noise = table(draw.normal(5, 2, 4000))
    evaluation = Detector(time="t", false_alarms=wanted, **options).fit(noise).evaluation
    deviation = math.sqrt(wanted * (1 - wanted) * (1 / 1200 + 1 / 1200))
    share = evaluation.rows[0]["alarms %"] / 100
    assert evaluation.about["steps"] == 1200 == evaluation.about["validation_scores"]
    assert abs(share - wanted) <= 3 * deviation
    assert "where 2 % of usual ones may (± 0.79 % is chance)" in " ".join(evaluation.verdict)


def test_the_judged_part_changes_no_threshold_and_no_score_before_it():
    """A million times as large, or with what is known to be unusual in other places."""
    y, odd = sine(300), np.zeros(300, int)
    odd[260] = 1
    one = Detector(time="t", truth="odd", **FAST).fit(table(y, odd=odd))
    y[210:], odd[210:] = y[210:] * 1e6, 1 - odd[210:]
    other = Detector(time="t", truth="odd", **FAST).fit(table(y, odd=odd))
    weights = other.network.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in one.network.state_dict().items())
    assert one.codec.scores.keys() == other.codec.scores.keys() == {"model", "persistence", "seasonal naive"}
    for name, scores in one.codec.scores.items():
        assert np.array_equal(scores, other.codec.scores[name]) and len(scores) == 90
    assert one.evaluation.details.threshold == other.evaluation.details.threshold


def test_truth_judges_the_model_beside_the_baselines():
    y, odd = sine(), np.zeros(600, int)
    y[[450, 520, 570]] += [7, -7, 7]
    odd[[450, 520, 570]] = 1
    evaluation = (
        Detector(time="t", truth="odd", join=1, false_alarms=0.005, **FAST).fit(table(y, odd=odd)).evaluation
    )
    model, *baselines = evaluation.rows
    assert [row["model"] for row in baselines] == ["persistence", "seasonal naive"]
    assert model["average precision"] > 0.9 and model["recall"] == 1.0
    assert all(0 <= row["F1"] <= 1 for row in evaluation.rows)
    text = " ".join(evaluation.verdict)
    assert "judged by 3 unusual episodes of 3 steps; alarms with at most 1 step between them" in text
    assert evaluation.json()["table"][0]["F1"] == model["F1"]


def test_what_is_known_to_be_unusual_makes_no_threshold():
    y, odd = sine(), np.zeros(600, int)
    y[[300, 330, 520]] += 9  # two of them in the validation part
    odd[[300, 330]] = 1
    blind = Detector(time="t", **FAST).fit(table(y))
    seeing = Detector(time="t", truth="odd", **FAST).fit(table(y, odd=odd))
    assert len(seeing.codec.scores["model"]) == 178 == len(blind.codec.scores["model"]) - 2
    kept = np.isin(blind.codec.scores["model"], seeing.codec.scores["model"])
    assert kept.sum() == 178 and not kept[-2:].any()
    assert np.array_equal(blind.predict()["score"], seeing.predict()["score"]), "and teaches nothing"
    odd[240:420] = 1
    with pytest.raises(DataError, match="with a step that is not known to be unusual"):
        Detector(time="t", truth="odd", **FAST).fit(table(y, odd=odd))


def test_without_truth_the_share_of_alarms_is_told():
    evaluation = Detector(time="t", **FAST).fit(table(sine(300))).evaluation
    assert list(evaluation.rows[0]) == ["model", "episodes", "alarms %"]
    quiet = Detector(time="t", truth="odd", **FAST).fit(table(sine(300), odd=np.zeros(300, int))).evaluation
    assert "nothing of what is judged is known to be unusual" in " ".join(quiet.verdict)
    assert "average precision" not in quiet.rows[0]


def test_few_scores_alarm_above_them_all():
    detector = Detector(time="t", **FAST | {"validation": 20}).fit(table(sine(200)))
    highest = detector.codec.scores["model"][-1]
    assert detector.evaluation.details.threshold == highest
    steps = detector.predict()
    assert (steps["alarm"] == (steps["score"] > highest)).all()
    assert "has 20 scores, too few to tell 1 % of them" in " ".join(detector.evaluation.verdict)


def test_series_of_any_size_have_scores_of_one_kind():
    """The same wave a million times as large: each alarms at its own anomaly alone."""
    waves = [sine(400, seed) for seed in (1, 2)]
    waves[0][330] += 8
    waves[1][350] -= 8
    frame = pl.concat([table(y * size).with_columns(id=pl.lit(name)) for y, size, name in
                       zip(waves, (1.0, 1e6), ("small", "large"), strict=True)])  # fmt: skip
    detector = Detector(time="t", id="id", false_alarms=0.005, **FAST).fit(frame)
    steps = detector.predict()
    for name, at in (("small", 330), ("large", 350)):
        own = steps.filter(series=name)
        assert own["time"][int(own["score"].arg_max())] == at
        assert own["alarm"].sum() <= 6
    assert set(detector.predict(episodes=True)["series"]) == {"small", "large"}


def test_other_data_are_judged_on_what_is_new_in_them():
    detector = Detector(time="t", **FAST).fit(table(sine(300)))
    longer = table(np.concatenate([sine(300)[:210], sine(400, 5)[210:]]))
    evaluation = detector.evaluate(longer)
    assert evaluation.about["left_out"] == 210 and evaluation.about["steps"] == 190
    assert (
        detector.evaluate(longer, include_training=True).about["steps"] == 400 - detector.config.detect.warmup
    )
    steps = detector.predict(longer)
    assert len(steps) == 400 and steps["score"].null_count() == detector.config.detect.warmup


def test_it_is_saved_resumed_and_trained_again(tmp_path, monkeypatch):
    frame = table(sine(300))
    frame.write_csv(tmp_path / "sine.csv")
    options = {"time": "t", **FAST, "steps": 12, "refit": True, "checkpoint_seconds": 0}
    detector = Detector(**options).fit(tmp_path / "sine.csv", out=tmp_path / "run")
    loaded = load(tmp_path / "run")
    assert (
        loaded.predict().equals(detector.predict()) and loaded.evaluation.json() == detector.evaluation.json()
    )
    assert np.array_equal(loaded.codec.scores["model"], loaded.judged.codec.scores["model"])
    assert not torch.equal(loaded.network.p.base[0].weight, loaded.judged.network.p.base[0].weight)
    options["refit"] = False
    other = resumed(Detector(**options), tmp_path / "sine.csv", tmp_path / "resumed", 5, monkeypatch)
    assert other.predict().equals(loaded.judged.predict())


def test_whole_series_may_be_parts(tmp_path):
    paths = [tmp_path / f"{name}.csv" for name in ("train", "watch", "judge")]
    for seed, path in enumerate(paths):
        y, odd = sine(300, seed), np.zeros(300, int)
        y[200], odd[200] = y[200] + 9, 1
        table(y, odd=odd).write_csv(path)
    detector = Detector(time="t", truth="odd", **FAST | {"validation": 0.1, "test": 0.1})
    detector.fit(paths[0], validation=paths[1], test=paths[2], out=tmp_path / "run")
    warmup = detector.config.detect.warmup
    assert (
        len(detector.codec.scores["model"]) == 300 - warmup - 1 and detector.evaluation.rows[0]["recall"] == 1
    )
    steps = load(tmp_path / "run").predict()
    assert steps["series"].unique().to_list() == ["judge"] and len(steps) == 300
    assert steps["time"][int(steps["score"].arg_max())] == 200
    assert load(tmp_path / "run").evaluation.json() == detector.evaluation.json()


def test_what_does_not_fit_is_refused_before_a_training():
    with pytest.raises(DataError, match=r"no series goes on after 150 steps .* within its validation part"):
        Detector(time="t", warmup=150, **FAST).fit(table(sine(200)))
    with pytest.raises(ConfigError, match="horizon"):
        Detector(horizon=2)
    with pytest.raises(ConfigError, match="output"):
        Detector(output="point")
