"""What a sequence counts in the loss: the answers that minimize a weighted loss are known."""

import numpy as np
import pytest

from tests.tasks.bumps import bumps
from unrolled import Classifier, Forecaster, LanguageModel, Regressor, Tagger, Translator
from unrolled.errors import ConfigError, DataError

QUICK = {"hidden": 4, "test": 0, "validation": 0, "learning_rate": 0.03, "members": 1}
SAME = np.ones((40, 3))  # sequences that cannot be told apart


def bits(model):
    return {name: array.tobytes() for name, array in model.runtime().arrays.items()}


@pytest.mark.parametrize("members", [1, 2])
def test_of_sequences_alike_each_class_is_as_likely_as_it_counts(members):
    y, w = np.arange(40) % 2, np.where(np.arange(40) % 2, 9.0, 1.0)
    model = Classifier(steps=150, **QUICK | {"members": members}, output_dropout=0, noise=0, batch_size=40)
    assert model.fit(SAME, y, sample_weight=w).predict_proba(SAME[:1])[0, 1] == pytest.approx(0.9, abs=0.01)
    assert model.fit(SAME, y).predict_proba(SAME[:1])[0, 1] == pytest.approx(0.5, abs=0.01)


def test_of_sequences_alike_the_answer_is_the_weighted_mean():
    y, w = np.tile([0.0, 10.0], 20), np.tile([1, 3], 20)
    options = QUICK | {"output_dropout": 0, "noise": 0, "batch_size": 40}
    assert Regressor(steps=150, **options).fit(SAME, y, sample_weight=w).predict(SAME[:1])[
        0
    ] == pytest.approx(7.5, abs=0.1)


def test_sequences_that_count_nothing_teach_nothing():
    X, y = bumps()
    wrong = [*y, *np.where(y == 3, -1, 3)]
    w = np.repeat([1.0, 0.0], 60)
    assert Classifier(steps=40, **QUICK).fit([*X, *X], wrong, sample_weight=w).score(X, y) > 0.9


def test_only_what_weights_are_to_one_another_counts():
    X, y = bumps()
    w = np.linspace(1, 2, 60)
    model = Classifier(steps=5, **QUICK)
    weighted = bits(model.fit(X, y, sample_weight=w))
    assert weighted == bits(model.fit(X, y, sample_weight=[*(8 * w)]))
    plain = bits(model.fit(X, y))
    assert weighted != plain == bits(model.fit(X, y, sample_weight=np.full(60, 4)))


def test_weights_of_the_validation_part_choose_the_epoch_and_those_of_the_test_part_nothing():
    X, y = bumps()
    w = np.ones(60)
    model = Classifier(epochs=3, **QUICK | {"test": 0.2, "validation": 0.2})
    first = bits(model.fit(X, y, sample_weight=w))
    rows, parts = model.rows, model._splits()
    tested, validated = ([int(name) for name in part.names] for part in (parts.test, parts.validation))
    w[tested] *= 1e6
    assert bits(model.fit(X, y, sample_weight=w)) == first and model.rows == rows
    w[validated[0]] = 50.0
    model.fit(X, y, sample_weight=w)
    before, after = (next(row for row in some if row["kind"] == "epoch") for some in (rows, model.rows))
    assert after["validation_loss"] != before["validation_loss"]
    assert after["train_loss"] == before["train_loss"]


def test_other_weights_are_other_data():
    X, y = bumps()
    model, sums = Classifier(steps=1, **QUICK), set()
    for w in (None, np.ones(60), np.arange(60) + 1):
        sums.add(model.fit(X, y, sample_weight=w).config.data.sha256)
    assert len(sums) == 3


@pytest.mark.parametrize(
    "weights, complaint",
    [
        (np.ones(59), "X holds 60 sequences and sample_weight 59; wanted as many"),
        (
            np.ones((60, 1)),
            r"sample_weight: wanted numbers \(N,\), one for each sequence, got float64 \(60, 1\)",
        ),
        (["1"] * 60, "sample_weight: wanted numbers"),
        ([*np.ones(59), -1], "sample_weight of sequence 59: wanted a finite number from 0, got -1.0"),
        ([np.nan, *np.ones(59)], "sample_weight of sequence 0: wanted a finite number from 0, got nan"),
        (np.zeros(60), "every sample_weight of its part is zero; give some more"),
    ],
)
def test_what_is_no_weight_is_refused(weights, complaint):
    X, y = bumps()
    with pytest.raises(DataError, match=complaint):
        Classifier(steps=1, **QUICK).fit(X, y, sample_weight=weights)


@pytest.mark.parametrize("kind", [Tagger, Translator, LanguageModel, Forecaster])
def test_other_tasks_refuse_them(kind):
    with pytest.raises(ConfigError, match="weighs no examples; leave sample_weight out"):
        kind().fit(["a b", "b a"], sample_weight=[1, 2])


def test_files_have_none(tmp_path):
    with pytest.raises(ConfigError, match="sample_weight goes with X and y in memory"):
        Classifier().fit(tmp_path / "moves.csv", sample_weight=[1, 2])
