"""The picture of attention shows its weights under the symbols, and the first of many."""

import numpy as np

from unrolled.plots import figures
from unrolled.plots.attention import MOST, Read, attention


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_weights_stand_in_rows_of_what_was_written(tmp_path):
    draw = np.random.default_rng(0)
    weights = [draw.dirichlet(np.ones(S), size=T) for T, S in ((2, 3), (50, 70))]
    long = Read([f"r{k}" for k in range(70)], [f"w{k}" for k in range(50)], weights[1])
    figure = attention([Read(["a", "$b", "a symbol of many letters"], ["x", "end"], weights[0]), long])
    short, many, _ = figure.axes
    np.testing.assert_array_equal(short.images[0].get_array(), weights[0])
    assert labels(short.xaxis) == ["a", "$b", "a symbol of m…"] and labels(short.yaxis) == ["x", "end"]
    np.testing.assert_array_equal(many.images[0].get_array(), weights[1][:MOST, :MOST])
    assert labels(many.xaxis) == [f"r{k}" for k in range(MOST)]
    assert len(figures.save(figure, tmp_path, "attention")) == 2
