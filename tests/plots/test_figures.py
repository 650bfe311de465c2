"""Figures say what they show, and the same arrays give the same bytes whatever matplotlib's settings are."""

import warnings
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from unrolled.errors import RunError
from unrolled.plots import figures, forecasts, scores
from unrolled.plots.forecasts import Drawn, Errors, Stretch

E = np.arange(1, 6)
TRAIN, VALIDATION = np.array([5.0, 3, 2, 1, 0.2]), np.array([4.0, 3, 1.5, 1.7, 1.9])


def dates(T):
    return np.datetime64("2024-03-01", "us") + np.arange(T) * np.timedelta64(6, "h")


def stretch():
    times, truth = dates(12), np.sin(np.arange(12.0))
    drawn = [
        Drawn(
            times[i : i + 4],
            truth[i : i + 4] + 0.1,
            truth[i : i + 4] - 0.2,
            [(truth[i : i + 4] - 1, truth[i : i + 4] + 1)],
        )
        for i in (4, 8)
    ]
    return Stretch("load", "RMSE 3", times, truth, drawn)


def errors():
    e = np.random.default_rng(0).standard_normal((30, 4))
    return Errors("load", dates(30), e.mean(1), e.ravel(), {"model": np.ones(4), "drift": np.arange(4.0) + 1})


FIGURES = {
    "losses": lambda: figures.losses(E, TRAIN, VALIDATION, 3, "squared error"),
    "losses and measures": lambda: figures.losses(
        E, TRAIN, VALIDATION, 3, "nats", measures={"bleu": E * 5.0}
    ),
    "losses without a validation part": lambda: figures.losses(E, TRAIN, None, len(E), "squared error"),
    "gradient_norms": lambda: figures.gradient_norms(np.arange(40), np.linspace(0.1, 3, 40), 1.0),
    "forecasts": lambda: forecasts.forecasts([stretch()], "Forecasts of load", ["90% interval"]),
    "residuals": lambda: forecasts.over_time([errors()], "steps of 6 hours ahead"),
}


def texts(figure):
    """All that is written in a figure."""
    figure.canvas.draw()
    return {text.get_text() for text in figure.findobj(matplotlib.text.Text)}


WRITTEN = {
    "losses": {"Loss by epoch: squared error", "epoch", "training", "validation", "kept: epoch 3, 1.5"},
    "losses and measures": {
        "Loss by epoch: nats",
        "Validation part: bleu",
        "kept: epoch 3, 1.5, bleu 15",
    },
    "losses without a validation part": {
        "Loss by epoch: squared error",
        "epoch",
        "training",
        f"kept: epoch {len(E)}, {TRAIN[-1]:.3g}",
    },
    "gradient_norms": {"Gradient norm by step, 68% clipped", "training step", "clip 1"},
    "forecasts": {
        "Forecasts of load",
        "RMSE 3",
        "load",
        "truth",
        "forecast",
        "best baseline",
        "90% interval",
    },
    "residuals": {
        "load: forecast − truth",
        "RMSE of each step ahead",
        "model",
        "drift",
        "steps of 6 hours ahead",
    },
}


@pytest.mark.parametrize("name", FIGURES)
def test_what_is_seen_is_named(name):
    assert texts(FIGURES[name]()) >= WRITTEN[name]


@pytest.mark.parametrize("name", FIGURES)
def test_same_arrays_same_bytes(name, tmp_path):
    first = figures.save(FIGURES[name](), tmp_path, "first")
    with matplotlib.rc_context({"font.size": 22, "axes.grid": True, "svg.hashsalt": None, "savefig.dpi": 33}):
        second = figures.save(FIGURES[name](), tmp_path, "second")
    assert [path.name for path in first] == ["first.png", "first.svg"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    assert first[0].read_bytes()[:4] == b"\x89PNG" and b"<svg" in first[1].read_bytes()


def test_the_settings_of_the_caller_are_left_alone():
    before = dict(matplotlib.rcParams)
    FIGURES["losses"]()
    assert dict(matplotlib.rcParams) == before


def test_a_wide_range_gets_a_logarithmic_axis():
    assert FIGURES["losses"]().axes[0].get_yscale() == "log"
    assert figures.losses(E, TRAIN - 1, VALIDATION, 3, "").axes[0].get_yscale() == "linear"  # one is negative


def test_the_exponential_of_losses_is_drawn_where_it_has_a_name():
    (axes,) = figures.losses(E, TRAIN, None, 3, "nats of a token", "perplexity").axes
    assert axes.get_title("left") == "Perplexity by epoch: exp of nats of a token"
    assert axes.get_yscale() == "log"
    np.testing.assert_allclose(axes.lines[0].get_ydata(), np.exp(TRAIN))
    assert "kept: epoch 3, 7.39" in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("powers", [1, 4, 6, 7, 9, 16, 40])
def test_a_logarithmic_axis_has_numbers_however_wide_it_is(powers):
    axes = figures.losses(E, TRAIN, TRAIN * np.logspace(0.3, -powers, len(E)), 3, "").axes[0]
    low, high = axes.get_ylim()
    assert axes.get_yscale() == "log"
    assert 3 <= sum(low <= at <= high for at in axes.get_yticks()) <= 21


def test_the_ring_around_the_kept_epoch_is_whole_at_the_end_of_an_axis():
    epochs = np.arange(1.0, 4)
    shares = {"accuracy": np.array([0.5, 0.9, 1.0])}
    drawn = figures.losses(epochs, 1 / epochs, 1 / epochs, 3, "nats", measures=shares)
    for axes in drawn.axes:
        ring = axes.lines[-1]
        assert ring.get_xdata() == [3] and ring.get_marker() == "o" and not ring.get_clip_on()


def test_the_kept_epoch_is_told_where_no_line_runs():
    figure = FIGURES["losses"]()
    figure.canvas.draw()
    (axes,) = figure.axes
    (told,) = (text for text in axes.texts if text.get_text().startswith("kept"))
    box = told.get_window_extent()
    assert box.y1 < axes.bbox.y0 and not box.overlaps(axes.xaxis.label.get_window_extent())
    assert not any(box.overlaps(tick.get_window_extent()) for tick in axes.get_xticklabels())


def test_one_epoch_is_seen_as_points():
    line = figures.losses(E[:1], TRAIN[:1], VALIDATION[:1], 1, "").axes[0].lines[0]
    assert line.get_marker() == "o"


def test_names_at_the_ends_of_lines_do_not_overlap():
    close = errors().__class__(
        "load", dates(3), np.zeros(3), np.ones(9), {n: np.ones(4) for n in ("a", "b", "c", "d")}
    )
    figure = forecasts.over_time([close], "steps ahead")
    figure.canvas.draw()
    boxes = [t.get_window_extent() for t in figure.axes[2].texts]
    heights = sorted((box.y0, box.y1) for box in boxes)
    assert len(heights) == 4
    assert all(low[1] <= high[0] + 1 for low, high in pairwise(heights))  # a pixel


@pytest.mark.filterwarnings("error")
def test_names_from_data_are_written_as_they_are_but_for_control_characters(tmp_path):
    names = ["[/]", "\x1b[31m", "a\nb", "$x", "a_b$^", "\udc80", "\u202ex", "n" * 500, "--"]
    figure = scores.confusion(np.eye(len(names), dtype=int), names, "of \x1b]0;x\x07 $ and\nmore")
    _, svg = figures.save(figure, tmp_path, "drawn")
    ElementTree.parse(svg)
    assert {"[/]", "\\x1b[31m", "a\\nb", "$x", "a_b$^", "\\udc80", "\\u202ex"} < texts(figure)
    assert "of \\x1b]0;x\\x07 $ and\nmore" in texts(figure)
    long = replace(stretch(), name="load\n" * 100, detail="RMSE \x1b" * 100)
    figures.save(forecasts.forecasts([long], "\x1b", ["90% interval"]), tmp_path, "long")


def test_a_folder_that_is_not_there_is_a_line(tmp_path):
    with pytest.raises(RunError, match="cannot write"):
        figures.save(FIGURES["losses"](), tmp_path / "nowhere", "loss")


SPANS = [(unit, steps) for unit in ("s", "m", "h", "D", "W") for steps in (7, 47, 71, 134)]


@pytest.mark.parametrize("most", [4, 9])
def test_labels_of_times_stand_apart_whatever_the_span(most):
    """In the narrowest of the axes that have them, without a warning of matplotlib's."""
    for unit, steps in SPANS:
        times = np.datetime64("2024-02-27T22:50", "us") + np.arange(steps) * np.timedelta64(1, unit)
        figure = Figure(figsize=(3.9 if most == 4 else 8, 2), layout="constrained")
        axes = figure.subplots()
        axes.plot(times, np.zeros(steps))
        figures.date_axis(axes, times, most)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            figure.draw_without_rendering()
        boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        assert 1 <= len(boxes) <= most + 1, (unit, steps)
        assert all(a.x1 < b.x0 for a, b in pairwise(boxes)), (unit, steps)


@pytest.mark.parametrize(
    "begin, step, steps, said",
    [
        ("2026-04-24", "h", 168, "2026-Apr"),
        ("2026-03-30T20:00", "m", 480, "2026-Mar-30"),
        ("2021", "M", 30, ""),
    ],
)
def test_labels_of_times_say_the_month_of_the_first_and_not_of_the_last(begin, step, steps, said):
    """Days from 24 to 30 with 2026-May below were days of April."""
    times = (np.datetime64(begin, step) + np.arange(steps)).astype("datetime64[us]")
    figure = Figure(figsize=(9, 3), layout="constrained")
    axes = figure.subplots()
    axes.plot(times, np.zeros(steps))
    figures.date_axis(axes, times)
    figure.draw_without_rendering()
    beside = axes.xaxis.get_offset_text()
    assert beside.get_text() == said and beside.get_position()[0] == 0


def test_epochs_are_whole_numbers_where_there_is_one():
    figure = figures.losses(np.array([1]), np.array([0.5]), np.array([0.7]), 1, "loss")
    figure.draw_without_rendering()
    left, right = figure.axes[0].get_xlim()
    assert [tick for tick in figure.axes[0].get_xticks() if left <= tick <= right] == [1]


@pytest.mark.parametrize("most, scale", [(1.7, "linear"), (170.0, "log")])
def test_errors_of_series_have_a_scale_with_numbers(most, scale):
    errors = {"model": np.array([0.5, 0.9]), "seasonal naive": np.array([0.6, most])}
    spread = forecasts.Spread("sales", errors, np.zeros(3), {"model": np.ones(2)})
    figure = forecasts.over_series([spread], "steps ahead")
    figure.draw_without_rendering()
    axes = figure.axes[0]
    assert axes.get_xscale() == scale
    left, right = axes.get_xlim()
    assert sum(left <= tick <= right for tick in axes.get_xticks()) >= 2
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names[0] == "model, median 0.7" and names[1].startswith("seasonal naive, median ")
    highest = max(patch.get_path().vertices[:, 1].max() for patch in axes.patches)
    assert highest < axes.transData.inverted().transform(axes.get_legend().get_window_extent())[0, 1]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_no_axis_of_a_share_shows_what_none_can_be(share):
    measures = {"accuracy": np.full(len(E), share), "bleu": E * 5.0}
    figure = figures.losses(E, TRAIN, VALIDATION, 3, "nats", measures=measures)
    figure.canvas.draw()
    _, of_accuracy, of_bleu = figure.axes
    low, high = of_accuracy.get_ylim()
    assert -0.01 < low < share + 0.01 and share - 0.01 < high < 1.01
    assert of_bleu.get_ylim()[1] > 5 * len(E)
