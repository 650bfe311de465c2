"""The plot of labels over time shows what it was given, at its place."""

import numpy as np
import pytest
from matplotlib.colors import to_hex

from unrolled.plots import figures
from unrolled.plots.alignments import Aligned, alignments


def panel(S=12):
    """Of 5 outputs: label 2 twice, label 4 between; label 1 likely where nothing was answered, 3 nowhere."""
    p = np.full((S, 5), 0.05)
    p[1:3, 2], p[5, 4], p[9, 2], p[7, 1] = 0.8, 0.9, 0.7, 0.3
    spans = np.array([[1.5, 3.5], [5.5, 6.5], [9.5, 10.5]])
    return Aligned(
        "one: truth 'bd', answer 'bdb'",
        np.arange(1.0, S + 1),
        p,
        ["", "a", "b", "c", "$d_{"],
        [2, 4, 2],
        spans,
    )


def test_each_label_has_its_curve_its_span_and_its_name():
    one = panel()
    axes = alignments([one, panel(20)], "step", "Labels").axes[0]
    curves = {to_hex(line.get_color()): line for line in axes.lines}
    assert len(axes.lines) == 3 and len(curves) == 3
    for colour, k in ((figures.GREY, 1), (figures.BLUE, 2), (figures.ORANGE, 4)):
        np.testing.assert_array_equal(curves[to_hex(colour)].get_ydata(), one.p[:, k])
    named = [(text.get_text(), text.get_position()[0], to_hex(text.get_color())) for text in axes.texts]
    blue, orange, grey = (to_hex(colour) for colour in (figures.BLUE, figures.ORANGE, figures.GREY))
    assert sorted(named) == sorted(
        [("a", 8.0, grey), ("b", 2.5, blue), ("$d_{", 6.0, orange), ("b", 10.0, blue)]
    )
    spans = [(patch.get_x(), patch.get_width()) for patch in axes.patches]
    assert spans == [(1.5, 2.0), (5.5, 1.0), (9.5, 1.0)]
    assert axes.get_title(loc="left") == one.title


@pytest.mark.parametrize("apart", [0.3, 1.0, 4.0])
def test_names_that_lie_close_do_not_touch(apart):
    S, middles = 60, 5 + apart * np.arange(12)
    p = np.full((S, 5), 0.01)
    p[30, 3], p[31, 4] = 0.5, 0.49
    names, labels = ["", "yesterday", "two", "neither", "answered"], [1, 2] * 6
    spans = middles[:, None] + np.array([-0.1, 0.1])
    figure = alignments([Aligned("it", np.arange(1.0, S + 1), p, names, labels, spans)] * 2, "step", "Labels")
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in (*axes.texts, axes.title, axes._left_title)]
        boxes = [box for box in boxes if box.width > 1]
        assert not any(one.overlaps(other) for n, one in enumerate(boxes) for other in boxes[:n])
    assert len(figure.axes[0].texts) >= (13 if apart == 4.0 else 5)


@pytest.mark.parametrize("S, labels", [(1, []), (1, [1]), (400, [1, 2] * 60)])
def test_any_number_of_steps_and_labels_is_drawn(tmp_path, S, labels):
    spans = np.linspace(0, S, len(labels))[:, None] + np.array([0.0, 1.0])
    one = Aligned("nothing", np.arange(1.0, S + 1), np.full((S, 3), 1 / 3), ["", "x", "y"], labels, spans)
    paths = figures.save(alignments([one], "seconds", "Labels"), tmp_path, "alignment")
    assert all(path.stat().st_size > 1000 for path in paths)
