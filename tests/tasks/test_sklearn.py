"""The estimators as scikit-learn's users meet them: its own checks, and its tools around them."""

import pickle
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn import exceptions
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted

import unrolled
from tests.tasks.bumps import bumps
from unrolled import Classifier, Regressor, Tagger, Translator
from unrolled.errors import ConfigError, NotFittedError
from unrolled.registry import TASKS
from unrolled.tasks import estimator_class

QUICK = {"hidden": 8, "test": 0, "validation": 0, "learning_rate": 0.05}

# Checks of scikit-learn that do not apply to estimators of sequences, and why.
SEQUENCE = "a row of X is a sequence, which may have any length: there is no number of features to agree on"
WORDS = "wrong input is refused by a ValueError, in words of our own"
NOT_APPLICABLE = {
    "check_n_features_in": SEQUENCE,
    "check_n_features_in_after_fitting": SEQUENCE,
    "check_do_not_raise_errors_in_init_or_set_params": "a wrong option is refused where it is set",
    "check_dont_overwrite_parameters": "`config` is as it was set before `fit`, and complete after it; "
    "get_params has what was set",
    "check_estimators_empty_data_messages": WORDS,
    "check_fit2d_predict1d": WORDS,
    "check_sample_weight_equivalence_on_dense_data": "a weight is of the loss: a sequence that counts twice "
    "stands once in a batch, and vocabulary and scaler count it once",
    "check_supervised_y_2d": "answers (N, 1) are read as (N,); the warning is of a class of scikit-learn",
}
OF_CLASSES = {"check_classifiers_train": f"all but its last part holds; {SEQUENCE}"}
OF_NUMBERS = {"check_fit2d_1sample": WORDS}


def not_applicable(estimator):
    return NOT_APPLICABLE | (OF_CLASSES if is_classifier(estimator) else OF_NUMBERS)


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [Classifier(steps=40, **QUICK), Regressor(steps=120, cell="rnn", pooling="last", **QUICK)],
    expected_failed_checks=not_applicable,
    xfail_strict=True,
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


OF_OPTIONS = [
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_estimator_tags_renamed,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_mixin_order,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_set_params,
    estimator_checks.check_valid_tag_types,
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("check", OF_OPTIONS, ids=lambda check: check.__name__)
def test_its_checks_of_options_hold_for_every_task(task, check):
    """The others need X (N, F) and y (N,), which are no sentences, series or pictures."""
    estimator = estimator_class(task)()
    check(type(estimator).__name__, estimator)


def test_folds_of_lists_of_arrays_are_judged_by_any_of_its_measures():
    X, y = bumps()
    model, folds = Classifier(steps=40, **QUICK), KFold(3, shuffle=True, random_state=0)
    own = cross_val_score(model, X, y, cv=folds)
    assert own.min() > 0.9
    assert np.array_equal(cross_val_score(model, X, y, cv=folds, scoring="accuracy"), own)
    assert cross_val_score(model, X, y, cv=folds, scoring="roc_auc").min() > 0.9
    p = cross_val_predict(model, X, y, cv=folds, method="predict_proba")
    assert np.mean(np.array([-1, 3])[p.argmax(1)] == y) == own.mean()


def test_columns_of_probabilities_are_in_the_order_that_its_measures_read():
    """numpy.unique's, whatever people would say: p10 before p2."""
    X, y = bumps()
    labels = np.where(y == 3, "p2", "p10")
    model = Classifier(steps=40, **QUICK).fit(X, labels)
    assert model.classes_.tolist() == ["p10", "p2"] == np.unique(labels).tolist()
    assert cross_val_score(model, X, labels, cv=2, scoring="neg_log_loss").min() > -0.5


SEVERAL = [
    estimator_checks.check_classifiers_multilabel_output_format_predict,
    estimator_checks.check_classifiers_multilabel_output_format_predict_proba,
]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("check", SEVERAL, ids=lambda check: check.__name__)
def test_its_checks_of_several_labels(check):
    """They read an array of 0 and 1, and one of 0 and 1 comes back."""
    check("Classifier", Classifier(steps=20, multi_label=True, **QUICK))


def test_several_labels_are_judged_by_its_measures():
    X, y = bumps()
    Y = np.stack([y == 3, np.ones(len(y)), y != 3], 1).astype(int)
    model = Classifier(steps=40, multi_label=True, **QUICK)
    folds = KFold(3, shuffle=True, random_state=0)
    own = cross_val_score(model, X, Y, cv=folds)
    assert own.min() > 0.9 and np.array_equal(cross_val_score(model, X, Y, cv=folds, scoring="accuracy"), own)
    assert cross_val_score(model, X, Y, cv=folds, scoring="f1_micro").min() > 0.9
    p = cross_val_predict(model, X, Y, cv=folds, method="predict_proba")
    assert p.shape == Y.shape and get_tags(model).classifier_tags.multi_label
    lists = [np.flatnonzero(row).tolist() for row in Y]
    assert np.array_equal(cross_val_score(model, X, lists, cv=folds), own)
    search = GridSearchCV(model, {"label_threshold": [1e-9, 0.5]}, cv=folds).fit(X, Y)
    assert search.best_params_ == {"label_threshold": 0.5} and search.predict(X).shape == Y.shape


def test_a_grid_is_searched_and_its_best_answers():
    X, y = bumps()
    search = GridSearchCV(Classifier(**QUICK), {"steps": [1, 40], "pooling": ["mean", "last"]}, cv=2).fit(
        X, y
    )
    assert search.best_params_["steps"] == 40 and search.best_score_ > 0.9
    assert search.predict(X).dtype == np.int16 and search.classes_.tolist() == [-1, 3]
    assert "pooling" in repr(search.best_estimator_)


def test_a_pipeline_fits_and_sets_options():
    X, y = bumps()
    pipe = Pipeline(
        [("doubled", FunctionTransformer(lambda X: [2 * x for x in X])), ("model", Classifier(**QUICK))]
    )
    pipe.set_params(model__steps=40)
    assert pipe.fit(X, y).score(X, y) > 0.9 and pipe.classes_.tolist() == [-1, 3]
    assert "Classifier" in pipe._repr_html_()
    padded = np.random.default_rng(0).normal(size=(40, 6))
    scaled = Pipeline([("scale", StandardScaler()), ("model", Regressor(steps=100, **QUICK))])
    assert scaled.fit(padded, padded.sum(1)).score(padded, padded.sum(1)) > 0.5


def test_frames_of_texts_are_cut_into_folds():
    texts = pd.DataFrame({"text": ["a good film", "a bad film", "good and fine", "bad and dull"] * 10})
    labels = pd.Series(["yes", "no"] * 20, index=range(100, 140))
    for scoring in (None, "accuracy"):
        assert cross_val_score(Classifier(steps=40, **QUICK), texts, labels, cv=2, scoring=scoring).min() == 1


def test_sentences_and_pairs_are_cut_into_folds():
    X = [[*"abc"[k % 3 :]] for k in range(30)]
    y = [[{"a": 1, "b": 2, "c": 1}[word] for word in x] for x in X]
    assert cross_val_score(Tagger(steps=40, **QUICK), X, y, cv=2).min() == 1
    words = [a + b for a in "abcd" for b in "ab"]
    model = Translator(source_tokens="characters", target_tokens="characters", steps=3, **QUICK)
    assert ((scores := cross_val_score(model, words, words, cv=2)) >= 0).all() and (scores <= 1).all()


def test_a_clone_has_the_options_that_were_set_and_no_model(tmp_path):
    X, y = bumps(20)
    model = Classifier(steps=2, **QUICK).fit(X, y, out=tmp_path / "run")
    other = clone(model)
    assert other.get_params() == model.get_params() and other.get_params()["steps"] == 2
    with pytest.raises(NotFittedError, match="this Classifier is not trained"):
        other.predict(X)
    assert not hasattr(other, "classes_") and hasattr(model, "classes_")
    check_is_fitted(model)
    assert clone(unrolled.load(tmp_path / "run")).fit(X[:10], y[:10]).score(X, y) >= 0, "on other data"


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_an_unfitted_one_raises_the_error_that_its_users_catch(method):
    with pytest.raises(exceptions.NotFittedError, match="this Classifier is not trained; call fit") as raised:
        getattr(Classifier(), method)([np.ones(3)])
    error = pickle.loads(pickle.dumps(raised.value))
    assert isinstance(error, NotFittedError) and isinstance(error, exceptions.NotFittedError)
    assert str(error) == str(raised.value)


def test_without_scikit_learn_it_is_an_error_of_our_own(monkeypatch):
    monkeypatch.delitem(sys.modules, "sklearn.exceptions")
    with pytest.raises(NotFittedError) as raised:
        Tagger().predict([["a"]])
    assert type(raised.value) is NotFittedError and issubclass(NotFittedError, ConfigError | AttributeError)


def test_decisions_are_the_logits_of_the_probabilities():
    X, y = bumps()
    two = Classifier(steps=20, **QUICK).fit(X, y)
    p = two.predict_proba(X)
    assert two.decision_function(X) == pytest.approx(np.log(p[:, 1] / p[:, 0]))
    three = Classifier(steps=20, **QUICK).fit(X, np.arange(60) % 3)
    p = np.exp(three.decision_function(X))
    assert p / p.sum(1, keepdims=True) == pytest.approx(three.predict_proba(X))


def test_weights_go_through_folds():
    X, y = bumps()
    w = np.where(y == 3, 1.0, 0.0)  # the other class does not count
    scores = cross_val_score(Classifier(steps=40, **QUICK), X, y, cv=2, params={"sample_weight": w})
    assert scores.tolist() == [0.5, 0.5]


def test_options_that_were_not_set_stay_so():
    """A training that starts from a run takes those of the run in their place."""
    model = Classifier(hidden=9)
    model.set_params(**model.get_params())
    assert model.config.model.model_fields_set == {"hidden"} == clone(model).config.model.model_fields_set


def test_tags_say_what_kind_each_is():
    assert is_classifier(Classifier()) and is_regressor(Regressor())
    assert get_tags(Classifier()).input_tags.string and get_tags(Classifier()).target_tags.required
    assert not get_tags(unrolled.LanguageModel()).target_tags.required
    assert not get_tags(Translator()).input_tags.two_d_array
