"""The plots of scores are drawn for any number of classes and sequences, and show what they were given."""

from itertools import pairwise

import numpy as np
import pytest

from unrolled.plots import figures, scores


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_the_confusion_matrix_shows_its_counts_at_their_places():
    counts = np.array([[1200, 3, 0], [0, 7, 2], [0, 0, 0]])
    figure = scores.confusion(counts, ["a", "b", "a class of a very long name"], "title")
    placed = {text.get_position(): text.get_text() for text in figure.axes[0].texts}
    assert placed == {(0, 0): "1,200", (1, 0): "3", (1, 1): "7", (2, 1): "2"}, "column, row"
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["a", "b", "a class o…long name"]


@pytest.mark.parametrize(
    ("classes", "rotation"), [(["common", "rare"], 0), (["B-LOC", "O"] * 4, 0), (["a longer name"] * 8, 90)]
)
def test_names_below_stand_upright_where_there_is_room(classes, rotation):
    axes = scores.confusion(np.eye(len(classes), dtype=int), classes, "title").axes[0]
    assert {label.get_rotation() for label in axes.get_xticklabels()} == {rotation}


def test_names_that_differ_at_their_end_are_told_apart():
    classes = [f"a class that is number {k}" for k in range(12)]
    axes = scores.confusion(np.eye(12, dtype=int), classes, "title").axes[0]
    assert len({label.get_text() for label in axes.get_yticklabels()}) == 12


def test_large_numbers_below_a_scatter_are_apart():
    truth = np.linspace(24_000, 193_000, 9)
    figure = scores.scatter(truth, truth, "km", "title")
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    assert all(a.x1 + 40 < b.x0 for a, b in pairwise(boxes))


@pytest.mark.parametrize("classes, names", [(2, 2), (21, 21), (60, 60), (61, 31), (500, 56)])
def test_many_classes_are_drawn_without_numbers_and_with_some_names(tmp_path, classes, names):
    counts = np.random.default_rng(0).integers(0, 9, (classes, classes))
    figure = scores.confusion(counts, [f"class {k}" for k in range(classes)], "title")
    assert len(figure.axes[0].get_xticks()) == names
    assert bool(texts(figure)) == (classes <= scores.MOST_NUMBERS)
    if classes == 21:
        assert [path.stat().st_size > 1000 for path in figures.save(figure, tmp_path, "confusion")] == [
            True
        ] * 2


@pytest.mark.parametrize("N", [1, 7, 5000])
def test_the_scatter_plot_has_a_dot_for_each_sequence_and_the_line_of_equals(N):
    draw = np.random.default_rng(1)
    truth, answer = draw.normal(size=N), draw.normal(size=N)
    axes = scores.scatter(truth, answer, "weight", "title").axes[0]
    assert np.array_equal(axes.collections[0].get_offsets(), np.column_stack([truth, answer]))
    (line,) = axes.lines
    both = np.concatenate([truth, answer])
    assert list(line.get_xdata()) == list(line.get_ydata()) == [both.min(), both.max()]
    assert axes.get_xlabel() == "weight: truth"


def test_labels_have_bars_of_their_precision_and_recall_the_most_frequent_first():
    rows = [
        {"label": "rare", "sequences": 2, "precision": float("nan"), "recall": 0.0},
        {"label": "often", "sequences": 40, "precision": 0.75, "recall": 0.5},
    ]
    axes = scores.labels(rows, "title").axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["often (40)", "rare (2)"]
    assert [bar.get_width() for bar in axes.patches] == [0.75, 0.0, 0.5, 0.0]
    assert [text.get_text() for text in axes.texts] == ["0.75", "", "0.50", "0.00"]
    many = [rows[1] | {"label": f"l{k}", "sequences": k} for k in range(100)]
    axes = scores.labels(many, "title").axes[0]
    assert len(axes.patches) == 2 * scores.MOST_LABELS and "30 most frequent of 100" in axes.get_title("left")
