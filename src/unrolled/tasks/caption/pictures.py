"""The plots of a run: pictures with their captions, or sequences of numbers beside the truth."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unrolled.files.captioned import Captioned
from unrolled.plots.figures import BLUE, GREY, INK, ORANGE, styled

Array = NDArray[np.float64]

COLUMNS, ROWS = 4, 3
LINE = 34  # characters of a caption on one line


@styled
def captioned(data: Captioned, answers: Sequence[str], right: Sequence[bool], title: str) -> Figure:
    """Some of `data` with their answers (N,): the first that are right, then up to COLUMNS that are not, each
    with a right one below it."""
    wrong = [i for i, good in enumerate(right) if not good][:COLUMNS]
    shown = [i for i, good in enumerate(right) if good][: COLUMNS * ROWS - len(wrong)] + wrong
    rows = -(-len(shown) // COLUMNS)
    figure = Figure(figsize=(2.9 * COLUMNS, 3.3 * rows + 0.4), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, i in zip(grid, shown, strict=False):
        pixels: Any = data.inputs[i]
        axes.imshow(pixels if pixels.shape[2] > 1 else pixels[..., 0], cmap="gray", vmin=0, vmax=255)
        text = textwrap.fill(answers[i], LINE)
        axes.set_title(text, fontsize=8, fontweight="normal", color=INK if right[i] else ORANGE)
        if not right[i]:
            truth = textwrap.fill(f"right: {data.truth[i][0]}", LINE)
            axes.text(
                0.5, -0.03, truth, transform=axes.transAxes, ha="center", va="top", fontsize=8, color=GREY
            )
    return figure


@styled
def sequences(data: Captioned, answers: Sequence[Array], title: str) -> Figure:
    """Some of `data`, of each class one where there are classes: with two columns or more the second over the
    first, else the column over the steps."""
    chosen = _chosen(data)
    rows = -(-len(chosen) // COLUMNS)
    figure = Figure(figsize=(2.6 * COLUMNS, 2.6 * rows + 0.6), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    flat, alike = len(data.targets) > 1, _alike(data)
    for axes in grid[len(chosen) :]:
        axes.set_axis_off()
    for axes, i in zip(grid, chosen, strict=False):
        for values, colour, name in ((data.truth[i][0], ORANGE, "truth"), (answers[i], BLUE, "answer")):
            x, y = (values[:, 0], values[:, 1]) if flat else (np.arange(1, len(values) + 1), values[:, 0])
            axes.plot(x, y, color=colour, linewidth=1.4, label=name, marker=".", markersize=3)
        label = "" if data.labels[i] is None else f": {data.labels[i]}"
        axes.set_title(f"{data.names[i]}{label}"[:24], fontsize=9)
        axes.set(xlabel=data.targets[0] if flat else "step", ylabel=data.targets[1 if flat else 0])
        if flat and alike:
            axes.set_aspect("equal", adjustable="datalim")
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


def _chosen(data: Captioned) -> list[int]:
    """The first input of each class, then the others in their order."""
    firsts: dict[str | None, int] = {}
    for i, label in enumerate(data.labels):
        firsts.setdefault(label, i)
    others = [i for i in range(len(data)) if i not in firsts.values()]
    return ([firsts[label] for label in sorted(firsts, key=str)] + others)[: COLUMNS * ROWS]


def _alike(data: Captioned) -> bool:
    """Whether the first two columns are of like extent, as places in a plane are."""
    spans = np.ptp(np.concatenate([answer[:, :2] for (answer,) in data.truth]), 0)
    return bool(spans.max() <= 5 * spans.min())
