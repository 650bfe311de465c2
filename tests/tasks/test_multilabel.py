"""Several labels a sequence, from data to answer: two labels that two motifs decide, each by itself."""

import io
import json

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch

import unrolled
from unrolled import Classifier
from unrolled.errors import ConfigError, DataError
from unrolled.files.arrays import from_arrays
from unrolled.plots import figures
from unrolled.tasks import pictures
from unrolled.tasks.multilabel import EVERY, FREQUENT, tuned
from unrolled.training.progress import Lines

SMALL = {"hidden": 8, "epochs": 2, "batch_size": 16, "members": 1, "multi_label": True}
NAMES = np.array(["pulse", "rise"])


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch):
    monkeypatch.setattr(pictures, "draw_history", lambda *arguments: None)
    monkeypatch.setattr(figures, "save", lambda *arguments: None)


def motifs(N=160, seed=0, T=14):
    """(N, T, 2) noise, and somewhere in the first feature a pulse, of 30 %, in the second a rise, of 50 %;
    (N, 2) which of them there are."""
    draw = np.random.default_rng(seed)
    X, Y = draw.normal(0, 0.3, (N, T, 2)), (draw.random((N, 2)) < (0.3, 0.5)).astype(int)
    for x, (pulse, rise) in zip(X, Y, strict=True):
        a, b = draw.integers(0, T - 5, 2)
        x[a : a + 3, 0] += pulse * np.array([2.5, -2.5, 2.5])
        x[b : b + 5, 1] += rise * np.linspace(0, 3, 5)
    return X, Y


def lists(Y):
    return [NAMES[row > 0].tolist() for row in Y]


@pytest.fixture(scope="module")
def learnt():
    options = {"hidden": 16, "epochs": 25, "learning_rate": 0.01, "batch_size": 16, "members": 1}
    validation, test = motifs(60, seed=1), motifs(80, seed=2)
    return Classifier(multi_label=True, **options).fit(
        *motifs(), validation=(validation[0], validation[1]), test=(test[0], test[1])
    )


def test_each_label_is_decided_by_its_own_motif(learnt):
    rows = {row["model"]: row for row in learnt.evaluation.rows}
    assert rows["model"]["exact match"] > 0.9 and rows["model"]["micro-F1"] > 0.95
    assert rows["model"]["LRAP"] > 0.97 and rows["model"]["Hamming loss"] < 0.05
    _, Y = motifs(80, seed=2)
    sets, counts = np.unique(motifs()[1], axis=0, return_counts=True)
    assert rows[FREQUENT]["exact match"] == np.all(sets[counts.argmax()] == Y, 1).mean()
    assert rows[EVERY]["micro-F1"] == pytest.approx(2 * Y.mean() / (1 + Y.mean()))
    assert {"1-NN, Euclid", "nearest by mean and deviation"} < rows.keys()


def test_the_evaluation_tells_of_every_label(learnt):
    evaluation = learnt.evaluation.json()
    _, Y = motifs(80, seed=2)
    assert [row["label"] for row in evaluation["labels"]] == ["0", "1"]
    assert [row["sequences"] for row in evaluation["labels"]] == Y.sum(0).tolist()
    assert (
        evaluation["without_label"] == int((Y.sum(1) == 0).sum())
        and evaluation["labels_each"] == Y.sum(1).mean()
    )
    assert list(learnt.evaluation.parts[0]) == list(learnt.evaluation.details)
    json.dumps(evaluation, allow_nan=False)


def test_an_indicator_array_is_answered_by_one_of_its_type(learnt):
    X, Y = motifs(20, seed=3)
    answer, p = learnt.predict(X), learnt.predict_proba(X)
    assert answer.shape == p.shape == (20, 2) and answer.dtype == Y.dtype
    assert learnt.classes_.tolist() == [0, 1]
    thresholds = learnt.codec.output.thresholds
    assert np.array_equal(answer, p >= np.array(thresholds))
    assert learnt.score(X, Y) == (answer == Y).all(1).mean()
    assert learnt.score(X, Y.astype(float)) == learnt.score(X, Y)
    frame = learnt.frame(X)
    assert frame.columns == ["name", "label", "p(0)", "p(1)"]
    assert frame["label"].to_list() == ["|".join(np.array(["0", "1"])[row > 0]) for row in answer]


def test_thresholds_have_the_best_f1_on_the_validation_part_alone(learnt):
    X, Y = motifs(60, seed=1)
    p = learnt.predict_proba(X)
    for k, threshold in enumerate(learnt.codec.output.thresholds):

        def f1(t, k=k):
            A = p[:, k] >= t
            return 2 * (A & (Y[:, k] > 0)).sum() / max(1, A.sum() + Y[:, k].sum())

        assert f1(threshold) == max(f1(t) for t in np.linspace(0.001, 0.999, 999))


def test_the_test_part_changes_nothing_that_is_fitted(tmp_path):
    """Its values times a million, and its labels turned over: not a bit of what was fitted differs."""
    X, Y = motifs(120)
    parts = {"validation": (X[:40], Y[:40])}
    models = []
    for test in ((X[80:], Y[80:]), (X[80:] * 1e6, 1 - Y[80:])):
        models.append(Classifier(**SMALL).fit(X[40:80], Y[40:80], test=test, **parts))
    first, second = models
    assert first.codec.output == second.codec.output and first.codec.about() == second.codec.about()
    assert first.codec.output.thresholds != (0.5, 0.5), "they were chosen"
    for a, b in zip(first.network.state_dict().values(), second.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_few_examples_choose_no_threshold():
    model = Classifier(**SMALL).fit(*motifs(60))
    assert model.codec.output.thresholds == (0.5, 0.5), "6 validate"
    named = Classifier(label_threshold=0.3, **SMALL).fit(*motifs(60))
    assert named.codec.output.thresholds == (0.3, 0.3)
    blind = Classifier(label_threshold=0.3, validation=0, **SMALL).fit(*motifs(60))
    assert blind.codec.output.thresholds == (0.3, 0.3)
    o, y = torch.full((40, 2), -2.0), torch.zeros(40, 2)
    o[:6], y[:6, 0], y[:3, 1] = -1.0, 1, 1
    codec, note = tuned(model.codec, o, y)
    assert 0.12 < codec.output.thresholds[0] < 0.27 and codec.output.thresholds[1] == 0.5
    assert note.endswith("; 0.5 for 1 label that fewer than 5 have there")


FORMS = {
    "lists": lists,
    "tuples": lambda Y: [tuple(one) for one in lists(Y)],
    "sets": lambda Y: [set(one) for one in lists(Y)],
    "pandas": lambda Y: pd.Series(lists(Y)),
    "polars": lambda Y: pl.Series(lists(Y)),
    "of one label at most": lambda Y: [one[:1] or ["rise"] for one in lists(Y)],
}


@pytest.mark.parametrize("form", FORMS)
def test_lists_are_answered_by_lists(form, tmp_path):
    X, Y = motifs(40)
    y = FORMS[form](Y)
    model = Classifier(**SMALL).fit(X, y, out=tmp_path / "run")
    assert model.classes_.tolist() == ["pulse", "rise"]
    again = unrolled.load(tmp_path / "run")
    answers = again.predict(X)
    assert isinstance(answers, list) and answers == model.predict(X)
    assert all(type(one) is list and set(one) <= {"pulse", "rise"} for one in answers)
    assert model.score(X, y) == np.mean([set(a) == set(b) for a, b in zip(answers, list(y), strict=True)])


def test_numbers_are_labels_too():
    X, Y = motifs(40)
    model = Classifier(**SMALL).fit(X, [[(7, 12)[k] for k in np.flatnonzero(row)] for row in Y])
    assert model.classes_.tolist() == [7, 12] and model.classes_.dtype == np.int64
    assert {label for one in model.predict(X) for label in one} <= {7, 12}


def test_texts_with_a_sign_are_answered_by_texts():
    X, Y = motifs(40)
    model = Classifier(**SMALL).fit(X, np.array([";".join(one) for one in lists(Y)]))
    assert model.codec.output.sign == ";" and model.classes == ("pulse", "rise")
    assert set(model.predict(X)) <= {"", "pulse", "rise", "pulse;rise"}
    plus = Classifier(label_separator="+", **SMALL).fit(X, ["+".join(one) for one in lists(Y)])
    assert plus.classes == ("pulse", "rise")
    comma = Classifier(label_separator="+", **SMALL).fit(X, [",".join(one) for one in lists(Y)])
    assert "pulse,rise" in comma.classes


def test_a_sign_that_stands_in_a_label_is_not_taken():
    X, Y = motifs(40)
    y = [[f"{name}|x" for name in one] for one in lists(Y)]
    model = Classifier(**SMALL).fit(X, y)
    assert model.codec.output.sign == ";" and model.classes == ("pulse|x", "rise|x")
    assert {label for one in model.predict(X) for label in one} <= set(model.classes)
    with pytest.raises(DataError, match=r"label 'pulse\|x' holds the sign '\|' .* with label_separator"):
        Classifier(label_separator="|", **SMALL).fit(X, y)


def test_a_column_without_a_one_is_a_label_that_nothing_has():
    X, Y = motifs(60)
    wide = np.hstack([Y, np.zeros((60, 1), int)])
    model = Classifier(**SMALL).fit(X, wide)
    assert model.predict(X).shape == (60, 3) and model.predict_proba(X)[:, 2].max() < 0.1
    assert any("no sequence that was judged has the labels '2'" in line for line in model.evaluation.verdict)


def test_labels_that_training_did_not_hold_count_as_missed_and_are_named():
    (X, Y), said = motifs(60), io.StringIO()
    y = lists(Y)
    validation, test = (X[:9], [*y[:8], ["new"]]), (X[50:], [[*one, "odd"] for one in y[50:]])
    model = Classifier(**SMALL).fit(X[10:50], y[10:50], validation=validation, test=test, report=Lines(said))
    evaluation = model.evaluation
    assert evaluation.rows[0]["exact match"] == 0
    assert "10 sequences with labels that training did not hold count as wrong: 'odd'" in evaluation.verdict
    row = evaluation.json()["labels"][-1]
    assert (row["label"], row["sequences"], row["answered"], row["recall"]) == ("odd", 10, 0, 0.0)
    assert "labels to validate that training does not hold have no loss: 'new'" in said.getvalue()


def test_a_model_that_goes_on_keeps_its_labels(tmp_path):
    X, Y = motifs(60)
    Classifier(**SMALL).fit(X, lists(Y), out=tmp_path / "run")
    again = Classifier(start_from=str(tmp_path / "run"), epochs=1).fit(X[:40], lists(Y[:40]))
    assert again.config.data.multi_label and again.classes == ("pulse", "rise")
    with pytest.raises(DataError, match="does not know the classes 'new'"):
        Classifier(start_from=str(tmp_path / "run"), epochs=1).fit(X[:40], [["new"], *lists(Y[1:40])])


def test_a_training_on_all_data_takes_the_thresholds(tmp_path):
    X, Y = motifs(100)
    model = Classifier(refit=True, validation=0.4, **SMALL).fit(X, Y, out=tmp_path / "run")
    assert model.codec.output.thresholds == model.judged.codec.output.thresholds != (0.5, 0.5)
    assert unrolled.load(tmp_path / "run").codec.output == model.codec.output


def test_balanced_weights_answer_rare_labels_more_often():
    X, Y = motifs(100)
    Y[:, 0] &= np.arange(100) % 3 == 0
    p = [Classifier(class_weights=kind, **SMALL).fit(X, Y).predict_proba(X) for kind in ("none", "balanced")]
    assert p[1][:, 0].mean() > p[0][:, 0].mean()


@pytest.mark.parametrize(
    "y, options, error, said",
    [
        (
            [["a"], ["a", "b"]] * 5,
            {"multi_label": False},
            DataError,
            r"several labels may be right \(multi_label\)",
        ),
        (
            np.eye(10, dtype=int),
            {"multi_label": False},
            DataError,
            r"several labels may be right \(multi_label\)",
        ),
        (range(10), {}, DataError, "y: wanted several labels each .* got one number each"),
        ([[]] * 10, {}, DataError, "no sequence of the training part .* has a label"),
        (["['a' 'b']"] + ["a"] * 9, {}, DataError, "sequence 0: wanted a list of labels such as"),
        ([["a"]] * 9, {}, DataError, "X holds 10 sequences and y 9 answers"),
    ],
)
def test_wrong_labels_are_refused_in_one_line(y, options, error, said, tmp_path):
    X = np.random.default_rng(0).normal(size=(10, 5))
    with pytest.raises(error, match=said) as caught:
        Classifier(**SMALL | options).fit(X, y, out=tmp_path / "run")
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()


def test_options_of_several_labels_alone_are_refused():
    for options, said in (
        ({"label_separator": ";"}, "label_separator belongs to multi_label"),
        ({"label_threshold": 0.3}, "label_threshold belongs to multi_label"),
        ({"select": "micro-f1"}, "select='micro-f1' belongs to multi_label"),
        ({"select": "kappa", "multi_label": True}, "select='kappa' belongs to ordinal"),
    ):
        with pytest.raises(ConfigError, match=said):
            Classifier(**options)


@pytest.mark.parametrize(
    "select, column", [("micro-f1", "micro-F1"), ("macro-f1", "macro-F1"), ("accuracy", "exact match")]
)
def test_epochs_are_chosen_by_what_is_judged(select, column):
    X, Y = motifs(48)
    data = Classifier(**SMALL)._with_answers(from_arrays(X), lists(Y), None)
    options = SMALL | {"epochs": 6, "learning_rate": 0.02, "test": 0, "validation": 0, "label_threshold": 0.5}
    model = Classifier(select=select, **options).fit(data, validation=data)
    values = [row[f"validation_{select.replace('-', '_')}"] for row in model.rows if row["kind"] == "epoch"]
    score = model.evaluate(data, include_training=True).rows[0][column]
    assert score == pytest.approx(max(values)) and len(set(values)) > 1


def test_files_of_each_form_are_the_same_to_the_model(tmp_path):
    words = [("gold", "silk"), ("salt",), ("straw",), ("gold", "salt", "straw")] * 15
    y = [[word for word in ("gold", "salt") if word in one] for one in words]
    texts = [" ".join(one) for one in words]
    table = ["text,labels", *(f"{text},{';'.join(one)}" for text, one in zip(texts, y, strict=True))]
    rows = [json.dumps({"text": text, "labels": one}) for text, one in zip(texts, y, strict=True)]
    marked = [
        " ".join([f"__label__{label}" for label in one] + [text]) for text, one in zip(texts, y, strict=True)
    ]
    parts = {"a.csv": table, "b.jsonl": rows, "c.txt": marked}
    answers = []
    for name, lines in parts.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        model = Classifier(embedding_size=4, **SMALL).fit(tmp_path / name)
        assert model.classes == ("gold", "salt"), name
        answers.append(model.predict(tmp_path / name))
    assert answers[0]["label"].to_list() == [one.replace("|", ";") for one in answers[1]["label"]]
    assert answers[1]["label"].to_list() == answers[2]["label"].to_list()
