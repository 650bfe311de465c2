"""Naive Bayes beside scikit-learn's."""

import numpy as np
from sklearn.naive_bayes import MultinomialNB

from unrolled import Classifier
from unrolled.tasks.naive_bayes import NAIVE_BAYES, NaiveBayes


def test_it_is_that_of_scikit_learn():
    draw = np.random.default_rng(0)
    truth, V = draw.integers(3, size=80), 7
    rows = [draw.choice(V, size=draw.integers(0, 9), p=np.roll(np.arange(1, 8) / 28, k)) for k in truth]
    counts = np.array([np.bincount(row, minlength=V) for row in rows])
    peer = MultinomialNB().fit(counts[:50], truth[:50])
    fitted = NaiveBayes.fit(rows[:50], truth[:50], V, 3)
    np.testing.assert_allclose(fitted.likelihood.T, peer.feature_log_prob_)
    np.testing.assert_array_equal(fitted.answers(rows[50:]), peer.predict(counts[50:]))


def test_a_class_without_a_text_is_never_answered():
    fitted = NaiveBayes.fit([np.array([0]), np.array([1])], np.array([0, 2]), 2, 3)
    assert fitted.answers([np.array([0]), np.array([1]), np.array([], np.int64)]).tolist() == [0, 2, 0]


def test_a_classifier_of_texts_is_judged_beside_it_as_long_as_its_training_part_is_here(tmp_path):
    lines = "".join(f"{'good' if k % 2 else 'bad'} film {k % 7},{k % 2}\n" for k in range(80))
    (tmp_path / "films.csv").write_text("text,label\n" + lines)
    options = {"hidden": 4, "steps": 3, "text": "text"}
    model = Classifier(**options).fit(tmp_path / "films.csv", out=tmp_path / "run")
    rows = {row["model"]: row for row in model.evaluation.rows}
    assert rows[NAIVE_BAYES]["accuracy"] == 1
    (tmp_path / "films.csv").unlink()
    (tmp_path / "new.csv").write_text("text,label\na new bad one,0\nquite good,1\n")
    again = Classifier.load(tmp_path / "run").evaluate(tmp_path / "new.csv")
    assert NAIVE_BAYES not in {row["model"] for row in again.rows}
    assert any("there is no training part to compare with" in one for one in again.verdict)
