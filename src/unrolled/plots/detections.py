"""Plots of what a detector found along series."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.figure import Figure

from unrolled.plots import figures
from unrolled.plots.figures import BLUE, GREEN, GREY, INK, ORANGE, Array, styled

Spans = tuple[Array, Array]  # first and last steps


@dataclass(frozen=True)
class Watched:
    """A series: times, values and scores (T,); the episodes of alarms, and those known to be unusual."""

    name: str
    target: str
    times: Array
    values: Array
    scores: Array
    alarms: Spans
    truth: Spans | None


@styled
def episodes(series: Sequence[Watched], title: str, threshold: float) -> Figure:
    """Two panels for each series: its values with the episodes marked, and its scores beside the
    threshold."""
    figure = Figure(figsize=(9, 1 + 3.4 * len(series)), layout="constrained")
    ratios = [1.6, 1] * len(series)
    grid = figure.subplots(2 * len(series), squeeze=False, height_ratios=ratios)[:, 0]
    for at, one in enumerate(series):
        above, below = grid[2 * at], grid[2 * at + 1]
        above.sharex(below)
        above.tick_params(labelbottom=False)
        _draw_values(above, one)
        _draw_scores(below, one, threshold)
        figures.date_axis(below, one.times)
    figures.heading(figure, title)
    return figure


def _draw_values(axes: Axes, one: Watched) -> None:
    _shade(axes, one, one.alarms, "episode of alarms", color=ORANGE, alpha=0.5)
    if one.truth is not None:
        _shade(axes, one, one.truth, "known to be unusual", ymin=0.95, color=GREEN)
    axes.plot(one.times, one.values, color=BLUE, linewidth=0.9)
    axes.set_title(one.name)
    axes.set_ylabel(one.target)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2)


def _draw_scores(axes: Axes, one: Watched, threshold: float) -> None:
    axes.plot(one.times, one.scores, color=GREY, linewidth=0.8)
    alarming = one.scores > threshold
    axes.plot(one.times[alarming], one.scores[alarming], ".", color=ORANGE, markersize=4)
    axes.axhline(threshold, color=INK, linewidth=0.8, linestyle="--")
    axes.set_ylabel("score, −ln p")


def _shade(axes: Axes, one: Watched, spans: Spans, label: str, **look: Any) -> None:
    """Each span as wide as its steps."""
    dated = one.times.dtype.kind == "M"
    place = date2num(one.times) if dated else one.times.astype(np.float64)  # type: ignore[no-untyped-call]
    half = np.median(np.diff(place)) / 2 if len(place) > 1 else 0.5
    for k, (begin, end) in enumerate(zip(*spans, strict=True)):
        axes.axvspan(place[begin] - half, place[end] + half, linewidth=0, label=None if k else label, **look)
