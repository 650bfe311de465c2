"""What attention reads, as a picture: for each example the weights, a row for each symbol written."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from unrolled.plots.figures import Array, shortened, styled

MOST = 30  # symbols of either side that are drawn
LONGEST = 14  # characters of a symbol that are written


class Read(NamedTuple):
    """Symbols read (S,) and written (T,), weights (T, S) whose rows sum to 1."""

    read: Sequence[str]
    written: Sequence[str]
    weights: Array


@styled
def attention(examples: Sequence[Read]) -> Figure:
    """One panel an example, side by side; the first MOST symbols of each side."""
    figure = Figure(figsize=(1.2 + 3.8 * len(examples), 4.6), layout="constrained")
    for axes, (read, written, weights) in zip(
        figure.subplots(1, len(examples), squeeze=False)[0], examples, strict=True
    ):
        shown = weights[:MOST, :MOST]
        image = axes.imshow(shown, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        for axis, symbols in ((axes.xaxis, read), (axes.yaxis, written)):
            axis.set_ticks(
                np.arange(min(len(symbols), MOST)), [shortened(symbol, LONGEST) for symbol in symbols[:MOST]]
            )
        words = any(len(symbol) > 2 for symbol in read)
        axes.tick_params(length=0, labelsize=8)
        axes.tick_params(axis="x", rotation=90 if words else 0)
        axes.grid(False)
        axes.set(xlabel="read", ylabel="written")
    figure.suptitle("Attention: what is read at each symbol written", x=0.01, ha="left", fontweight="bold")
    bar = figure.colorbar(image, ax=figure.axes, fraction=0.03, pad=0.02)
    bar.set_label("weight")
    bar.outline.set_visible(False)
    return figure
