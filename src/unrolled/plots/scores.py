"""Plots of how answers compare with the truth; see figures.py for style and saving."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unrolled.files.messages import cut
from unrolled.plots.figures import BLUE, GREY, INK, ORANGE, PALE, Array, single, styled

# Above so many classes the cells hold no numbers; above so many more, the axes no names.
MOST_NUMBERS, MOST_NAMES = 20, 60
NAME_LENGTH = 18
MOST_LABELS = 30  # that have bars
SCATTER_TICKS = 6  # at most, so that large numbers are apart
LETTER = 0.1  # inches that a letter beside an axis takes at most


@styled
def confusion(counts: Array, classes: Sequence[str], title: str) -> Figure:
    """counts (C, C): of row k's class, how many were taken for column l's. The darker a cell, the larger the
    share of its row; mistakes are of another colour than what is right, darkest from half of a row on."""
    C = len(classes)
    side = float(np.clip(0.55 * C, 3.5, 12))
    figure, axes = single(side + 1.5, side + 1.2)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    right = np.eye(C, dtype=bool)
    shade = np.minimum(np.where(right, shares, 2 * shares), 1)
    for cells, colour in ((right, BLUE), (~right, ORANGE)):
        shades = LinearSegmentedColormap.from_list("shades", ["#ffffff", colour])
        axes.imshow(np.ma.masked_where(~cells, shade), cmap=shades, vmin=0, vmax=1)
    if C <= MOST_NUMBERS:
        for k, l in np.argwhere(counts):
            ink = "#ffffff" if shade[k, l] > 0.5 else INK
            axes.text(l, k, f"{counts[k, l]:,}", ha="center", va="center", color=ink, fontsize="small")
    names = [cut(name, NAME_LENGTH) for name in classes]
    shown = range(0, C, -(-C // MOST_NAMES))
    upright = C <= MOST_NUMBERS and max(map(len, names)) * LETTER <= side / C
    axes.set_xticks(shown, [names[k] for k in shown], rotation=0 if upright else 90)
    axes.set_yticks(shown, [names[k] for k in shown])
    axes.set_xticks(np.arange(C + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(C + 1) - 0.5, minor=True)
    axes.grid(False)
    axes.grid(which="minor", axis="both", color=PALE, linewidth=0.6)
    axes.tick_params(which="both", length=0)
    axes.set(title=title, xlabel="the model's answer", ylabel="truth")
    return figure


@styled
def labels(rows: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """rows (C,) with a "label", its "precision", its "recall", and how many "sequences" have it: two bars, or
    none where there is no such share; of very many labels the most frequent."""
    if len(rows) > MOST_LABELS:
        title = f"{title}\nthe {MOST_LABELS} most frequent of {len(rows):,} labels"
    rows = sorted(rows, key=lambda row: -row["sequences"])[:MOST_LABELS]
    figure, axes = single(8, 1.4 + 0.42 * len(rows))
    for k, (name, colour) in enumerate((("precision", BLUE), ("recall", ORANGE))):
        values = np.nan_to_num([row[name] for row in rows])
        bars = axes.barh(np.arange(len(rows)) + 0.36 * k, values, color=colour, height=0.34, label=name)
        texts = ["" if np.isnan(row[name]) else f"{row[name]:.2f}" for row in rows]
        axes.bar_label(bars, texts, padding=3, color=INK, fontsize="small")
    names = [f"{cut(row['label'], NAME_LENGTH)} ({row['sequences']:,})" for row in rows]
    axes.set_yticks(np.arange(len(rows)) + 0.18, names)
    axes.set_ylim(len(rows) - 0.4, -0.4)
    axes.grid(False)
    axes.grid(True, axis="x")
    axes.tick_params(left=False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set(title=title, xlim=(0, 1.08), xlabel="share (in brackets: sequences with it)")
    return figure


@styled
def scatter(truth: Array, answer: Array, name: str, title: str) -> Figure:
    """truth, answer (N,) of the quantity `name`, a dot each; on the line both are equal."""
    figure, axes = single(6, 6)
    low, high = (float(pick([pick(truth), pick(answer)])) for pick in (np.min, np.max))
    axes.plot([low, high], [low, high], color=GREY, linewidth=1.0, linestyle="--")
    axes.scatter(
        truth, answer, s=16, color=BLUE, alpha=float(np.clip(60 / len(truth) ** 0.5, 0.08, 0.8)), linewidths=0
    )
    axes.annotate(
        "equal", (high, high), (-8, 2), textcoords="offset points", color=GREY, ha="right", va="bottom"
    )
    axes.xaxis.set_major_locator(MaxNLocator(SCATTER_TICKS))
    axes.grid(True, axis="both")
    axes.set_aspect("equal", adjustable="datalim")
    axes.set(title=title, xlabel=f"{name}: truth", ylabel=f"{name}: the model's answer")
    return figure
