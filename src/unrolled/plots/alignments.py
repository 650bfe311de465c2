"""Plots of labels over time; see figures.py for style and saving."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unrolled.plots.figures import BLUE, GREEN, GREY, INK, ORANGE, PALE, PURPLE, Array, heading, styled

COLOURS = (BLUE, ORANGE, GREEN, PURPLE)
# A label that is nowhere answered is drawn where its probability comes to this.
LEAST = 0.2
# Letters that fit side by side above a panel.
MOST_LETTERS = 110


@dataclass(frozen=True)
class Aligned:
    """A sequence of S steps at `times` (S,), in the middle of each: `p` (S, O) the probability of each of
    `names` (O,), where number 0 is that of nothing; `labels` (L,) the answer's, `spans` (L, 2) the times at
    which each begins and ends; `title` tells the truth."""

    title: str
    times: Array
    p: Array
    names: Sequence[str]
    labels: Sequence[int]
    spans: Array


@styled
def alignments(panels: Sequence[Aligned], time: str, title: str) -> Figure:
    """A panel for each sequence; `time` names the axis."""
    figure = Figure(figsize=(10, 0.9 + 2.1 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), squeeze=False)[:, 0]
    for axes, one in zip(grid, panels, strict=True):
        _draw(axes, one)
    grid[-1].set_xlabel(time)
    heading(figure, title)
    return figure


def _draw(axes: Axes, one: Aligned) -> None:
    axes.fill_between(one.times, one.p[:, 0], color=PALE, alpha=0.6, linewidth=0)
    answered = list(dict.fromkeys(one.labels))
    others = [k for k in range(1, len(one.names)) if k not in answered and one.p[:, k].max() >= LEAST]
    marker = "o" if len(one.times) == 1 else ""
    for k in others:
        axes.plot(one.times, one.p[:, k], color=GREY, linewidth=1.0, linestyle="--", marker=marker)
        t = int(one.p[:, k].argmax())
        axes.text(
            one.times[t], one.p[t, k], one.names[k], color=GREY, fontsize="small", ha="center", va="bottom"
        )
    colours = {k: COLOURS[n % len(COLOURS)] for n, k in enumerate(answered)}
    for k in answered:
        axes.plot(one.times, one.p[:, k], color=colours[k], linewidth=1.2, marker=marker)
    size = "x-small" if _crowded(one) else "medium"
    for k, (begin, end) in zip(one.labels, one.spans, strict=True):
        axes.axvspan(begin, end, color=colours[k], alpha=0.15, linewidth=0)
        place = (begin + end) / 2, 1.04
        axes.text(*place, one.names[k], color=colours[k], fontsize=size, ha="center", va="bottom")
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 1])
    axes.set_ylabel("probability")
    axes.margins(x=0.01)
    if float(one.times[0]).is_integer():  # steps, not seconds
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(one.title, fontsize="medium", fontweight="normal", pad=20, color=INK)


def _crowded(one: Aligned) -> bool:
    """Whether names of the usual size would touch."""
    middles = one.spans.mean(1)
    letter = (one.times[-1] - one.times[0]) / MOST_LETTERS
    pairs = pairwise(zip(one.labels, middles, strict=True))
    return any(
        place - before < letter * (len(one.names[k]) + len(one.names[j])) / 2
        for (j, before), (k, place) in pairs
    )
