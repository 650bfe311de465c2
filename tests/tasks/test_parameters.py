"""Options of estimators from Python: get, set, shown; labels in their own type, saved and read back."""

import subprocess
import sys

import numpy as np
import pytest

import unrolled
from tests.tasks.bumps import bumps
from unrolled import (
    Captioner,
    Classifier,
    Forecaster,
    LanguageModel,
    Regressor,
    Tagger,
    Transcriber,
    Translator,
    runtime,
)
from unrolled.errors import ConfigError, DataError, RunError
from unrolled.models import saved
from unrolled.registry import TASKS
from unrolled.tasks import estimator_class

QUICK = {"hidden": 4, "steps": 2}


@pytest.mark.parametrize("task", TASKS)
def test_every_option_is_a_parameter_under_its_own_name(task):
    model = estimator_class(task)(hidden=9)
    options = model.get_params()
    assert options["hidden"] == 9 and options["layers"] == type(model)().get_params()["layers"]
    sections = [section for _, section in model.config]
    assert options == {name: value for section in sections for name, value in section}
    assert repr(model) == f"{type(model).__name__}(hidden=9)" and repr(type(model)()).endswith("()")


def test_what_is_set_is_told_and_a_wrong_option_changes_nothing():
    model = Classifier(hidden=9)
    assert model.set_params(cell="lstm", hidden=128) is model
    assert repr(model) == "Classifier(cell='lstm')", "128 is the default"
    assert (model.config.model.cell, model.config.model.hidden) == ("lstm", 128)
    for options, said in (
        ({"widow": 3}, r"there is no option 'widow' \(did you mean 'window'|there is no option 'widow'"),
        ({"hidden": 5, "layers": -1}, "layers: wanted 1 or more, got -1"),
        ({"dropout": 0.3}, "dropout acts between layers and there is one layer"),
    ):
        with pytest.raises(ConfigError, match=said):
            model.set_params(**options)
        assert model.get_params()["hidden"] == 128 and repr(model) == "Classifier(cell='lstm')"


def test_options_that_are_set_after_a_training_are_for_the_next():
    X, y = bumps(20)
    model = Classifier(**QUICK).fit(X, y)
    before = model.predict_proba(X)
    model.set_params(hidden=6)
    assert np.array_equal(model.predict_proba(X), before) and model.config.model.hidden == 4
    assert model.fit(X, y).config.model.hidden == 6


LABELS = [
    np.array([3, -1], np.int16),
    np.array(["wave", "point"]),
    np.array([True, False]),
    np.array([1.0, 2.0], np.float32),
]


@pytest.mark.parametrize("labels", LABELS, ids=lambda labels: labels.dtype.name)
def test_labels_keep_their_type_in_a_run_and_without_torch(labels, tmp_path):
    X, first = bumps(20)
    y = labels[(first == 3).astype(int)]
    Classifier(**QUICK).fit(X, y, out=tmp_path / "run")
    model = unrolled.load(tmp_path / "run")
    answers = model.predict(X)
    assert answers.dtype.kind == labels.dtype.kind and set(answers.tolist()) <= set(labels.tolist())
    assert np.array_equal(model.classes_, np.unique(y)) and model.classes_.dtype == np.unique(y).dtype
    assert 0 <= model.score(X, y) == np.mean(answers == y)
    alone = runtime.load(tmp_path / "run").predict(X)
    assert alone["label"].tolist() == answers.tolist()
    assert model.frame(X)["label"].to_list() == answers.tolist()


def test_tags_keep_their_type_and_come_as_lists(tmp_path):
    X = [np.arange(k % 3 + 2.0) for k in range(30)]
    y = [[k % 2 for k in range(len(x))] for x in X]
    made = Tagger(**QUICK).fit(X, [np.array(tags, np.int8) for tags in y], out=tmp_path / "run")
    model = unrolled.load(tmp_path / "run")
    answers = model.predict(X)
    assert answers == made.predict(X) and [len(one) for one in answers] == [len(x) for x in X]
    assert {type(tag) for one in answers for tag in one} == {int} and model.classes_.dtype == np.int8
    flat = [
        answer == tag
        for one, tags in zip(answers, y, strict=True)
        for answer, tag in zip(one, tags, strict=True)
    ]
    assert model.score(X, y) == np.mean(flat)


def test_numbers_are_answered_by_floats():
    X = np.random.default_rng(0).normal(size=(20, 5))
    model = Regressor(**QUICK).fit(X, np.arange(20))
    assert model.predict(X).shape == (20,) and model.predict(X).dtype == np.float64
    assert model.predict(X).tolist() == model.frame(X)["value"].to_list()


def test_labels_of_another_type_are_refused_without_torch_too():
    X, y = bumps(20)
    exact = Classifier(**QUICK).fit(X, y).runtime()
    for kind in ("int8x", "bool", "uint8", 3, ["int64"]):
        about = exact.about | {"codec": exact.about["codec"] | {"kind": kind}}
        with pytest.raises(RunError, match="the description does not fit") as error:
            saved.model("here", about, exact.arrays)
        assert "\n" not in str(error.value)


def test_padded_arrays_have_lengths():
    X, y = bumps(20)
    padded = np.full((20, 24, 1), 1e9)
    for k, x in enumerate(X):
        padded[k, : len(x), 0] = x
    lengths = [len(x) for x in X]
    apart, together = Classifier(**QUICK).fit(X, y), Classifier(**QUICK).fit(padded, y, lengths=lengths)
    p = apart.predict_proba(X)
    assert np.array_equal(p, together.predict_proba(padded, lengths=lengths))
    assert np.array_equal(apart.predict(X), together.predict(padded, lengths=lengths))
    assert together.score(padded, y, lengths=lengths) == apart.score(X, y)
    with pytest.raises(DataError, match="sequence 1: a length of 25; wanted 1 to 24"):
        apart.predict(padded, lengths=[3, 25, *lengths[2:]])


def test_what_is_no_source_of_a_task_is_refused_with_the_remedy():
    texts, arrays = ["one two", "three"] * 6, [np.zeros((5, 2))] * 12
    for model, X, y, said in (
        (Classifier(), texts, None, "requires y to be passed"),
        (Classifier(), arrays, [0.5, 1.5] * 6, "got the continuous number 0.5; use a Regressor"),
        (Classifier(), arrays, ["a"] * 11, "X holds 12 sequences and y 11 answers; wanted as many"),
        (Tagger(), texts, [["x"]] * 12, "sequence 0: wanted 2 tags, one for each step, got 1"),
        (Tagger(), texts, ["x"] * 12, "sequence 0: wanted 2 tags, one for each step, got 'x'"),
        (LanguageModel(), texts, texts, "a language model learns from texts alone; leave y out"),
        (Translator(), arrays, texts, "pair 0: wanted a text, or a list of words, got array"),
        (Transcriber(), arrays, [["a", "b"]] * 12, "wanted a transcript as a text, got .*tokens='symbols'"),
        (Captioner(), arrays, texts, r"wanted a picture \(H, W\) or \(H, W, C\) of uint8, or finite numbers"),
        (Forecaster(), texts, None, "series 0: wanted an array of numbers|is not a|no such file"),
    ):
        with pytest.raises((ConfigError, DataError), match=said) as error:
            model.fit(X, y)
        assert "\n" not in str(error.value)


def test_neither_import_nor_training_needs_scikit_learn(tmp_path):
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "from unrolled import Classifier\n"
        "m = Classifier(hidden=2, steps=2).fit([[0.0, 1.0], [1.0, 0.0]] * 10, [0, 1] * 10)\n"
        "print(m.predict([[0.0, 1.0]]).dtype, m.get_params()['hidden'], m)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout == "int64 2 Classifier(hidden=2, steps=2)\n", done.stderr
