"""Labels of an answer beside those of the truth, and what of them is drawn."""

from collections import Counter

import numpy as np

from unrolled.tasks.transcribe import pictures, scores


def test_labels_are_paired_with_the_fewest_edits():
    assert scores.pairs("abd", "abcd") == [("a", "a"), ("b", "b"), ("c", None), ("d", "d")]
    assert scores.pairs(["x", "one"], ["one"]) == [(None, "x"), ("one", "one")]
    assert scores.pairs("axc", "abc") == [("a", "a"), ("b", "x"), ("c", "c")]
    assert scores.pairs("", "") == [] and scores.pairs("a", "") == [(None, "a")]
    counted = Counter(scores.pairs("axcc", "bbc") + scores.pairs("", "a"))
    assert scores.mistakes(counted) == {"exchanged": 2, "left out": 1, "put in": 1}


def test_pictures_show_right_and_wrong_sequences():
    truth = ["a"] * 9
    assert pictures.chosen(["a"] * 9, truth) == [0, 1, 2, 3]
    assert pictures.chosen(["b"] * 9, truth) == [0, 1, 2, 3]
    assert pictures.chosen(["a", "b", "a", "b", "b", "a", "a", "a", "a"], truth) == [0, 1, 2, 3]
    assert pictures.chosen(["a", "b", "b", "b", "b", "b", "b", "b", "b"], truth) == [0, 1, 2, 3]
    assert pictures.chosen(["b"], ["a"]) == [0]
    assert pictures.title("w", "a", "a") == "w: truth 'a', right"
    assert pictures.title("w", "b", "a") == "w: truth 'a', answer 'b'"


def test_the_table_of_labels_has_a_row_and_a_column_for_nothing():
    compared = Counter({("a", "a"): 4, ("a", None): 1, (None, " "): 2, (" ", "a"): 3})
    axes = pictures.confusion(compared, 0.25).axes[0]
    placed = {text.get_position(): text.get_text() for text in axes.texts}
    assert placed == {(1, 1): "4", (2, 1): "1", (0, 2): "2", (1, 0): "3"}, "column, row"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["␣", "a", "–"]
    title = axes.get_title(loc="left")
    assert title == "25.0% label errors: 3 exchanged,\n1 left out (column –), 2 put in (row –)"
    assert not np.isnan(axes.get_xlim()).any()
