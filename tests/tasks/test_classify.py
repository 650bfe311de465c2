"""The classifier from data to answer: learns, repeats to the bit, says what is wrong; baselines by hand."""

import io
import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

import unrolled
from unrolled.errors import ConfigError, DataError
from unrolled.files.arrays import from_arrays
from unrolled.files.examples import Sequences
from unrolled.plots import figures
from unrolled.tasks import pictures
from unrolled.tasks.classify import ClassCodec, Classifier, majority
from unrolled.tasks.inputs import fit_inputs
from unrolled.tasks.neighbours import NEAREST
from unrolled.tasks.split_data import Splits
from unrolled.training.progress import Lines

SMALL = {"hidden": 8, "epochs": 2, "batch_size": 16}


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(pictures, "draw_history", lambda *arguments: None)
    monkeypatch.setattr(figures, "save", lambda *arguments: None)


def turns(N=120, seed=0):
    """Sequences of 4 to 20 steps whose class is whether they rise before they fall: mean and deviation say
    nothing of it. With missing values."""
    draw = np.random.default_rng(seed)
    X, y = [], []
    for k in range(N):
        T = int(draw.integers(4, 21))
        bump = np.sin(np.linspace(0, 2 * np.pi, T)) * (-1) ** k
        x = np.stack([bump, draw.normal(size=T)], 1) + draw.normal(0, 0.05, (T, 2))
        x[draw.random((T, 2)) < 0.1] = np.nan
        X.append(x)
        y.append(["up", "down"][k % 2])
    return from_arrays(X, y)


@pytest.mark.parametrize(
    ("answers", "noted"),
    [
        ([f"{k // 2 / 8}" for k in range(60)], True),
        ([f"{k % 5}" for k in range(30)], False),
        ([f"{k % 21}" for k in range(90)], False),
        ([f"n{k // 2}" for k in range(60)], False),
    ],
)
def test_measured_numbers_are_told_from_classes(answers, noted):
    data, said = from_arrays([np.full((2, 1), k % 7) for k in range(len(answers))], answers), io.StringIO()
    Classifier(**SMALL | {"epochs": 1}, validation=2, test=1, scale="pooled", front="none").fit(
        data, report=Lines(said)
    )
    assert ("different numbers in" in said.getvalue()) == noted
    assert ("each a class of its own; to estimate numbers use regress" in said.getvalue()) == noted


def test_how_coarse_an_accuracy_of_few_sequences_is_stands_beside_it():
    model = Classifier(**SMALL, validation=30, test=4).fit(turns(60))
    coarse = "4 sequences judged: one more that is right adds 0.25 to the accuracy"
    assert coarse in model.evaluation.verdict
    assert not any("sequences judged" in line for line in model.evaluate(turns(90, seed=1)).verdict)


def test_an_ensemble_learns_and_says_what_each_member_is_alone():
    """A step of plain descent moves each member by a share of its gradient alone, whatever the others are."""
    data, said = turns(60), io.StringIO()
    options = SMALL | {"epochs": 4, "members": 3}
    model = Classifier(**options).fit(data, report=Lines(said))
    line = next(one for one in said.getvalue().splitlines() if one.startswith("members"))
    alone, together = line.removeprefix("members: validation loss ").split(" alone, ")
    each, loss = [float(one) for one in alone.split(", ")], float(together.removesuffix(" together"))
    assert len(set(each)) == 3 and loss <= np.mean(each) + 1e-3  # cross-entropy is convex in the outputs
    kept = min(row["validation_loss"] for row in model.rows if row["kind"] == "epoch")
    assert loss == pytest.approx(kept, rel=1e-3)

    step = {"epochs": None, "steps": 1, "optimizer": "sgd", "clip": 0.0, "learning_rate": 1.0}
    many = Classifier(**options | step).fit(data)
    still = Classifier(**options | step | {"learning_rate": 1e-30}).fit(data)
    lone = Classifier(**options | step | {"members": 1}).fit(data)
    lone_still = Classifier(**options | step | {"members": 1, "learning_rate": 1e-30}).fit(data)
    name = "head.weight"  # the first member is drawn first, as one alone is
    weights = [one.network.state_dict()[name] for one in (many, still, lone, lone_still)]
    assert torch.equal(weights[1], weights[3])
    torch.testing.assert_close(3 * (weights[0] - weights[1]), weights[2] - weights[3], rtol=1e-4, atol=1e-6)


def test_classes_are_in_the_order_of_their_numbers():
    y = [f"{k % 12 + 1}" for k in range(48)]
    frame = pl.DataFrame({"id": range(48), "x": [float(k) for k in range(48)], "label": y})
    codec = Classifier(hidden=2, epochs=1).fit(frame).codec
    assert codec.classes == tuple(str(k) for k in range(1, 13))


@pytest.fixture(scope="module")
def learnt():
    options = {"hidden": 24, "epochs": 40, "learning_rate": 0.01, "pooling": "last"}
    return Classifier(**options).fit(turns(), test=turns(60, seed=1))


def test_order_in_time_is_learnt_which_mean_and_deviation_cannot_see(learnt):
    rows = {row["model"]: row["accuracy"] for row in learnt.evaluation.rows}
    assert rows["model"] >= 0.95
    assert rows["majority class"] == 0.5 and rows["nearest by mean and deviation"] < 0.75
    assert rows[NEAREST] >= 0.95, "the series themselves tell it"
    assert f"the best baseline, {NEAREST}, on accuracy" in learnt.evaluation.verdict[0]


def test_the_evaluation_tells_of_every_class(learnt):
    found = learnt.evaluation.json()
    m = np.array(found["confusion"])
    assert m.sum() == found["sequences"] == 60 and found["judged"] == "the test part"
    assert [row["class"] for row in found["classes"]] == ["down", "up"]
    assert [row["sequences"] for row in found["classes"]] == m.sum(1).tolist() == [30, 30]
    assert found["classes"][1]["recall"] == m[1, 1] / 30
    json.dumps(found, allow_nan=False)


def test_a_batch_has_the_bits_of_each_alone(learnt):
    some = turns(9, seed=4)
    whole = learnt.predict_proba(some)
    alone = [learnt.predict_proba(some.select([i]))[0] for i in range(9)]
    assert np.array_equal(whole, np.stack(alone))
    assert np.array_equal(whole[::-1], learnt.predict_proba(some.select(range(8, -1, -1))))


def test_predictions_are_a_row_for_each_sequence(learnt):
    some = turns(5, seed=4)
    frame, p = learnt.frame(list(some.inputs)), learnt.predict_proba(some)
    assert frame.columns == ["name", "label", "p(down)", "p(up)"]
    assert frame["name"].to_list() == ["0", "1", "2", "3", "4"]
    assert frame["label"].to_list() == [learnt.classes[k] for k in p.argmax(1)]
    assert np.array_equal(frame.select("p(down)", "p(up)").to_numpy(), p)
    np.testing.assert_allclose(p.sum(1), 1, rtol=0, atol=1e-15)
    assert len(learnt.predict()) == 60, "the test part where nothing is named"


@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_a_run_is_read_back_to_the_bit(tmp_path, pooling):
    options = {"pooling": pooling, "class_weights": "balanced", "label_smoothing": 0.1, "time_mask": 0.3}
    made = Classifier(**SMALL, **options).fit(turns(40), out=tmp_path / "run")
    again = unrolled.load(tmp_path / "run")
    some = turns(7, seed=3)
    assert np.array_equal(again.predict_proba(some), made.predict_proba(some))
    with_data = [row for row in made.evaluate(some).rows if row["model"] != NEAREST]
    assert again.evaluate(some).rows == with_data, "all but what needs the training data"
    repeated = Classifier(made.config).fit(turns(40))
    for a, b in zip(made.network.state_dict().values(), repeated.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(ConfigError, match="trained on data that are no longer here; give the data"):
        again.predict()
    again.save(tmp_path / "copy")
    assert not (tmp_path / "copy/evaluation.json").exists()
    assert np.array_equal(unrolled.load(tmp_path / "copy").predict_proba(some), made.predict_proba(some))


@pytest.mark.parametrize(
    "options, validated, training",
    [
        ({}, 30, (125, None, "accuracy")),  # of 8 steps, 1,000 in all
        ({"batch_size": 2}, 30, (10, None, "accuracy")),
        ({"batch_size": 2}, 29, (10, None, "loss")),
        ({"batch_size": 2}, 0, (10, None, "loss")),
        ({"epochs": 30, "select": "macro-f1"}, 30, (30, None, "macro-f1")),
        ({"steps": 7}, 30, (None, 7, "accuracy")),
    ],
)
def test_texts_are_learned_in_fewer_epochs_of_which_right_answers_choose(options, validated, training):
    texts = from_arrays(["good", "bad"] * 125, [1, 0] * 125)
    parts = Splits(texts, texts.select(range(validated)) if validated else texts, None)
    model = Classifier(**options)
    chosen = model._training(model.config.training, parts)
    assert (chosen.epochs, chosen.steps, chosen.select) == training


def test_numbers_are_learned_as_long_as_by_default_and_chosen_by_the_loss():
    numbers = from_arrays(np.ones((60, 3)), [1, 0] * 30)
    chosen = Classifier()._training(
        Classifier().config.training, Splits(numbers, numbers.select(range(40)), None)
    )
    assert (chosen.epochs, chosen.select) == (None, "loss")


def test_texts_are_classified(tmp_path):
    draw = np.random.default_rng(0)
    words = [["gut", "schön", "нет"][k] for k in draw.integers(0, 3, 300)]
    texts = [" ".join(words[k : k + 1 + k % 5]) for k in range(250)]
    y = ["yes" if "нет" in text else "no" for text in texts]
    made = Classifier(hidden=8, epochs=8, learning_rate=0.02, embedding_size=8).fit((texts, y))
    assert made.evaluation.rows[0]["accuracy"] > 0.95
    made.save(tmp_path / "run")
    some = from_arrays(["gut нет", "schön", "новое слово"])
    again = unrolled.load(tmp_path / "run")
    assert again.predict(some)["label"].to_list()[:2] == ["yes", "no"]
    assert np.array_equal(again.predict_proba(some), made.predict_proba(some))


def test_a_split_trains_on_every_class():
    data = turns(50)
    rare = Sequences(
        data.inputs, data.features, ("rare", *data.answers[1:]), data.names, data.places, data.notes
    )
    for seed in range(4):
        assert "rare" in Classifier(**SMALL | {"epochs": 1}, split_seed=seed).fit(rare).classes


@pytest.mark.parametrize(
    "answers, error, message",
    [
        (["up", " "], DataError, "sequence 1: the answer is missing; fill it in, or leave the sequence out"),
        (None, DataError, "sequence 0: there are no answers; name their column with target"),
    ],
)
def test_wrong_answers_are_named_with_their_place(learnt, answers, error, message):
    with pytest.raises(error) as caught:
        learnt.evaluate(from_arrays([np.zeros((2, 2))] * 2, answers))
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_training_data_of_one_class_are_refused_before_anything_is_written(tmp_path):
    for data, options in (((np.zeros((9, 3)), ["a"] * 9), {}), ((np.zeros((3, 3)), ["a", "b", "c"]), {})):
        with pytest.raises(DataError, match=r"are of one class, 'a'; wanted two|leave too few to train on"):
            Classifier(**SMALL, **options).fit(data, out=tmp_path / "run")
    with pytest.raises(
        DataError, match=r"no class of the validation part .* which has 'down', 'up'; validate"
    ):
        other = from_arrays([np.zeros((2, 2))], ["c"])
        Classifier(**SMALL).fit(turns(30), validation=other, out=tmp_path / "run")
    with pytest.raises(DataError, match=r"sequence 0, step 2, 'x1': 1e\+60 is too far from"):
        far = from_arrays([np.array([[0, 0], [0, 1e60]])], ["up"])
        Classifier(**SMALL).fit(turns(30), test=far, out=tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_a_class_that_training_did_not_hold_counts_as_wrong_and_is_named():
    watched, other = (
        replace(some, answers=("don", "dwn", *some.answers[2:])) for some in (turns(20, 8), turns(40, 9))
    )
    said = io.StringIO()
    own = Classifier(**SMALL).fit(turns(30), validation=watched, test=other, report=Lines(said))
    found = own.evaluation
    right = own.predict(other)["label"].to_numpy() == np.array(other.answers)
    assert found.rows[0]["accuracy"] == right.mean()
    wrong = "2 sequences with classes that training did not hold count as wrong: 'don', 'dwn'"
    assert wrong in found.verdict and np.shape(found.json()["confusion"]) == (4, 4)
    by_class = {row["class"]: row for row in found.json()["classes"]}
    assert by_class["don"] == {"class": "don", "sequences": 1, "precision": None, "recall": 0.0, "F1": 0.0}
    assert found.rows[0]["macro-F1"] == pytest.approx(np.mean([row["F1"] for row in by_class.values()]))
    note = "2 sequences to validate with classes that training does not hold have no loss: 'don', 'dwn'"
    assert note in said.getvalue()


def test_a_class_without_an_example_is_named_and_in_no_average(learnt):
    some = turns(20, seed=5)
    ups = some.select([k for k, answer in enumerate(some.answers) if answer == "up"])
    found = learnt.evaluate(ups)
    assert "no sequence that was judged has the classes 'down': no average counts them" in found.verdict
    recall = found.rows[0]["accuracy"]
    assert found.rows[0]["macro-F1"] == pytest.approx(2 * recall / (1 + recall))
    assert found.json()["classes"][0]["F1"] in (None, 0.0)


def test_balanced_weights_make_classes_count_alike():
    data = from_arrays(np.zeros((6, 2)), ["b", "a", "b", "b", "b", "a"])
    config = Classifier().config
    codec = ClassCodec.fit(data, fit_inputs(config.data, config.model, data))
    assert codec.weights("balanced").tolist() == [6 / (2 * 2), 6 / (2 * 4)]
    assert codec.weights("none").tolist() == [1, 1]
    assert codec.encode(data).tolist() == [1, 0, 1, 1, 1, 0]


def test_the_loss_is_the_weighted_smoothed_cross_entropy():
    made = Classifier(class_weights="balanced", label_smoothing=0.3, **SMALL | {"epochs": 1})
    made.fit((np.random.default_rng(0).normal(size=(30, 4)), ["a", "b", "b"] * 10))
    o, y = torch.tensor([[0.3, -1.2], [2.0, 0.1]]), torch.tensor([1, 0])
    log_p = torch.log_softmax(o.double(), 1)
    w = made.codec.weights("balanced")
    q = torch.tensor([[0.15, 0.85], [0.85, 0.15]], dtype=torch.float64)
    wanted = -w[y] * (q * log_p).sum(1)
    losses = made._row_losses(made.config, made.codec)(o, y)
    torch.testing.assert_close(losses.double(), wanted, rtol=1e-6, atol=0)  # float32


def test_majority_takes_the_first_of_equals():
    assert majority(np.array([2, 1, 1, 2, 0])) == 1


def test_numbers_that_all_differ_are_no_classes():
    X, y = [[float(k)] * 3 for k in range(12)], [str(k / 8) for k in range(12)]
    with pytest.raises(DataError, match=r"12 different numbers .* numbers are told by train regress"):
        Classifier(epochs=1).fit([np.array(x) for x in X], y)
