"""Classes in an order, from data to answer, and their scores against scikit-learn's."""

import numpy as np
import polars as pl
import pytest
import torch
from sklearn import metrics

import unrolled
from unrolled import Classifier
from unrolled.errors import ConfigError, DataError
from unrolled.files.arrays import from_arrays
from unrolled.plots import figures
from unrolled.tasks import confusion, ordinal, pictures
from unrolled.tasks.neighbours import NEAREST

SMALL = {"hidden": 8, "epochs": 2, "batch_size": 16, "members": 1}
NAMES = np.array(["low", "mid", "high", "top"])
ORDER = ["low", "mid", "high", "top"]


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(pictures, "draw_history", lambda *arguments: None)
    monkeypatch.setattr(figures, "save", lambda *arguments: None)


def levels(N=160, seed=0):
    """Steps around a level from 0 to 4; the class is its whole part."""
    draw = np.random.default_rng(seed)
    level = draw.uniform(0, 4, N)
    return [one + draw.normal(0, 0.3, (int(draw.integers(6, 12)), 1)) for one in level], level.astype(int)


@pytest.fixture(scope="module")
def learnt():
    X, y = levels()
    options = {"hidden": 16, "epochs": 40, "learning_rate": 0.02, "members": 1, "validation": 0.1}
    return Classifier(ordinal=True, **options).fit(X, y, test=levels(80, seed=1))


def test_levels_are_learnt_and_judged_by_ranks(learnt):
    rows = {row["model"]: row for row in learnt.evaluation.rows}
    assert rows["model"]["accuracy"] > 0.85 and rows["model"]["MAE in ranks"] < 0.15
    assert rows["model"]["quadratic kappa"] > 0.95
    assert rows["median class"]["quadratic kappa"] == 0 and rows["median class"]["MAE in ranks"] > 0.7
    assert {"majority class", NEAREST} < rows.keys()
    assert any("MAE in ranks" in line for line in learnt.evaluation.verdict)


def test_answers_are_the_median_in_the_type_of_the_labels(learnt):
    X, y = levels(30, seed=2)
    p, answers = learnt.predict_proba(X), learnt.predict(X)
    assert answers.dtype == np.int64 and learnt.classes_.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(p.sum(1), 1, rtol=1e-12)
    assert answers.tolist() == (np.cumsum(p, 1) < 0.5).sum(1).tolist()
    assert learnt.score(X, y) == np.mean(answers == y)


def test_names_are_in_the_order_that_is_named(tmp_path):
    X, y = levels(60)
    model = Classifier(ordinal=True, class_order=ORDER, **SMALL).fit(X, NAMES[y], out=tmp_path / "run")
    assert model.classes_.tolist() == ORDER and set(model.predict(X)) <= set(ORDER)
    again = unrolled.load(tmp_path / "run")
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X)) and again.classes == model.classes
    assert Classifier(ordinal=True, class_order="low,mid,high,top").config.data.class_order == tuple(ORDER)


def test_numbers_are_in_the_order_of_their_values():
    X, y = levels(60)
    values = np.array(["-0.5", "2", "10", "1e2"])
    frame = pl.DataFrame({"text": [f"{k} x" for k in range(60)], "label": values[y]})
    model = Classifier(ordinal=True, hidden=2, epochs=1, members=1).fit(frame)
    assert model.classes == ("-0.5", "2", "10", "1e2")
    halves = Classifier(ordinal=True, **SMALL).fit(X, y / 2)
    assert halves.classes_.tolist() == [0.0, 0.5, 1.0, 1.5], "numbers with decimals are ranks too"


def test_an_order_that_does_not_fit_is_refused():
    X, y = levels(40)
    for options, said in (
        ({}, "class 'high' is no number that tells its rank; say the order of the classes, 'high', 'low', "),
        ({"class_order": ORDER[:3]}, "class 'top' is not in class_order"),
        ({"class_order": [*ORDER, "best"]}, "no sequence of the training part is of class 'best'"),
        ({"class_order": [*ORDER, "top"]}, "wanted each class once"),
    ):
        with pytest.raises(DataError, match=said):
            Classifier(ordinal=True, **options, **SMALL).fit(X, NAMES[y])
    for options, said in (
        ({"class_order": ORDER}, "class_order belongs to ordinal"),
        ({"ordinal": True, "multi_label": True}, "ordinal wants one class .* multi_label any number"),
        ({"select": "kappa"}, "select='kappa' belongs to ordinal"),
        ({"select": "micro-f1", "ordinal": True}, "select='micro-f1' belongs to multi_label"),
    ):
        with pytest.raises(ConfigError, match=said):
            Classifier(**options)


def test_a_class_without_a_rank_counts_as_wrong_and_has_no_distance(learnt):
    X, y = levels(20, seed=3)
    evaluation = learnt.evaluate((X, np.where(np.arange(20) < 2, 9, y)))
    known = learnt.evaluate((X[2:], y[2:]))
    assert evaluation.rows[0]["MAE in ranks"] == known.rows[0]["MAE in ranks"]
    assert evaluation.rows[0]["accuracy"] == pytest.approx(known.rows[0]["accuracy"] * 0.9)
    assert any("count as wrong: '9'" in line for line in evaluation.verdict)


@pytest.mark.parametrize("select, column", [("kappa", "quadratic kappa"), ("rank-error", "MAE in ranks")])
def test_epochs_are_chosen_by_ranks(select, column):
    X, y = levels(48)
    data = from_arrays(X, y)
    options = SMALL | {"epochs": 6, "learning_rate": 0.02, "test": 0, "validation": 0}
    model = Classifier(ordinal=True, select=select, **options).fit(data, validation=data)
    name = f"validation_{select.replace('-', '_')}"
    values = [row[name] for row in model.rows if row["kind"] == "epoch"]
    score = model.evaluate(data, include_training=True).rows[0][column]
    assert score == pytest.approx((max if select == "kappa" else min)(values)) and len(set(values)) > 1


def test_scores_are_those_of_scikit_learn():
    draw = np.random.default_rng(0)
    for C in (2, 5):
        truth = draw.integers(0, C, 50)
        answer = np.clip(truth + draw.integers(-1, 2, 50), 0, C - 1)
        scores = ordinal.scores(confusion.confusion(truth, answer, C + 1), C)
        assert scores["MAE in ranks"] == pytest.approx(metrics.mean_absolute_error(truth, answer))
        kappa = metrics.cohen_kappa_score(truth, answer, weights="quadratic")
        assert scores["quadratic kappa"] == pytest.approx(kappa)
    assert np.isnan(ordinal.quadratic_kappa(confusion.confusion(truth * 0, truth * 0, 3)))
    assert ordinal.median(np.array([2, 0, 1, 2])) == 1 and ordinal.median(np.array([3])) == 3


def test_the_weights_of_the_head_begin_with_the_shares_of_the_training_part():
    """Of an order and of several labels, whatever comes before the head."""
    X, y = levels(100)
    still = {
        "steps": 1,
        "epochs": None,
        "optimizer": "sgd",
        "learning_rate": 1e-30,
        "test": 0,
        "validation": 0,
    }
    for labels, options in ((y, {"ordinal": True}), (np.eye(4, dtype=int)[y], {"multi_label": True})):
        model = Classifier(**{**SMALL, **still, **options}).fit(X, labels)
        for member in (model.network.p,):
            member.head.weight.data.zero_()
        shares = np.bincount(y) / 100
        assert model.predict_proba(X[:1])[0] == pytest.approx(shares, abs=0.01)
        assert torch.isfinite(model.network.p.head.bias).all()
