"""Plots of labels over time; see figures.py for style and saving."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import offset_copy

from unrolled.plots.figures import BLUE, GREEN, GREY, INK, ORANGE, PALE, PURPLE, Array, heading, styled

COLOURS = (BLUE, ORANGE, GREEN, PURPLE)
# A label that is nowhere answered is drawn where its probability comes to this.
LEAST = 0.2
# Letters that fit side by side above a panel, and lines of them, each so many points high.
MOST_LETTERS, MOST_LINES, LINE = 100, 4, 13
# Of a panel that a name inside takes.
HEIGHT = 0.16


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
    figure = Figure(figsize=(10, 0.9 + 2.3 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), squeeze=False)[:, 0]
    for axes, one in zip(grid, panels, strict=True):
        _draw(figure, axes, one)
    grid[-1].set_xlabel(time)
    heading(figure, title)
    return figure


def _draw(figure: Figure, axes: Axes, one: Aligned) -> None:
    axes.fill_between(one.times, one.p[:, 0], color=PALE, alpha=0.6, linewidth=0)
    answered = list(dict.fromkeys(one.labels))
    others = [k for k in range(1, len(one.names)) if k not in answered and one.p[:, k].max() >= LEAST]
    marker = "o" if len(one.times) == 1 else ""
    for k in others:
        axes.plot(one.times, one.p[:, k], color=GREY, linewidth=1.0, linestyle="--", marker=marker)
    _name_others(axes, one, others)
    colours = {k: COLOURS[n % len(COLOURS)] for n, k in enumerate(answered)}
    for k in answered:
        axes.plot(one.times, one.p[:, k], color=colours[k], linewidth=1.2, marker=marker)
    for k, (begin, end) in zip(one.labels, one.spans, strict=True):
        axes.axvspan(begin, end, color=colours[k], alpha=0.15, linewidth=0)
    lines = _name(figure, axes, one, colours)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 1])
    axes.set_ylabel("probability")
    axes.margins(x=0.01)
    if float(one.times[0]).is_integer():  # steps, not seconds
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(one.title, fontsize="medium", fontweight="normal", pad=8 + LINE * lines, color=INK)


def _name_others(axes: Axes, one: Aligned, others: Sequence[int]) -> None:
    """Writes the names of labels that are nowhere answered at their peaks, the highest first; not one that
    would touch another."""
    letter, written = (one.times[-1] - one.times[0]) / MOST_LETTERS, list[tuple[float, float, float]]()
    for k in sorted(others, key=lambda k: -one.p[:, k].max()):
        t, half = int(one.p[:, k].argmax()), letter * (len(one.names[k]) + 1) / 2
        place, height = float(one.times[t]), float(one.p[t, k])
        if all(abs(place - x) >= half + w or abs(height - y) >= HEIGHT for x, y, w in written):
            written.append((place, height, half))
            axes.text(place, height, one.names[k], color=GREY, fontsize="small", ha="center", va="bottom")


def _name(figure: Figure, axes: Axes, one: Aligned, colours: Mapping[int, str]) -> int:
    """Writes the names of the answer's labels above their middles, one that would touch another a line
    higher, and gives how many lines there are. What finds no room in MOST_LINES is not written."""
    letter = (one.times[-1] - one.times[0]) / MOST_LETTERS
    ends = list[float]()
    for k, middle in zip(one.labels, one.spans.mean(1).tolist(), strict=True):
        half = letter * (len(one.names[k]) + 1) / 2
        line = next((n for n, end in enumerate(ends) if end <= middle - half), len(ends))
        if line == MOST_LINES:
            continue
        ends[line : line + 1] = [middle + half]
        above = offset_copy(axes.get_xaxis_transform(), figure, 0, 3 + LINE * line, "points")
        axes.text(middle, 1, one.names[k], transform=above, color=colours[k], ha="center", va="bottom")
    return max(1, len(ends))
