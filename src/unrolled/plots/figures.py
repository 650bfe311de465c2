"""Plots: arrays in, a figure out; `save` writes it as PNG and SVG. The same arrays give the same bytes.

Colours are of Okabe and Ito's set, which colour-blind people can tell apart; what is drawn says its name
beside the line. Figures are made without pyplot, whatever settings matplotlib finds on the machine.
"""

import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib.style
import numpy as np
from matplotlib import dates
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from unrolled.files import atomic
from unrolled.files.messages import cut

Array = NDArray[Any]
P = ParamSpec("P")

INK, GREY, PALE = "#222222", "#8a8a8a", "#d9d9d9"
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
SKY, YELLOW = "#56B4E9", "#E69F00"

STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": PALE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "figure.dpi": 150,
    "svg.hashsalt": "unrolled",
    "svg.fonttype": "path",
    "text.parse_math": False,  # a $ in the name of a column or class is a $
}
NO_METADATA: dict[str, dict[str, None]] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
# The model's line, then those of the baselines; dashed and dotted, as persistence and drift often coincide.
LOOKS: tuple[dict[str, Any], ...] = (
    {"color": BLUE, "linewidth": 2.0},
    {"color": ORANGE, "linewidth": 1.1, "linestyle": "--"},
    {"color": GREEN, "linewidth": 1.1},
    {"color": PURPLE, "linewidth": 1.1, "linestyle": ":"},
    {"color": YELLOW, "linewidth": 1.1, "linestyle": "-."},
    {"color": SKY, "linewidth": 1.1, "linestyle": "--"},
    {"color": INK, "linewidth": 1.1, "linestyle": ":"},
)
# The longest intervals of labels on a time axis, beside matplotlib's own.
LONGER = {dates.MONTHLY: 12, dates.DAILY: 31, dates.HOURLY: 24, dates.MINUTELY: 60, dates.SECONDLY: 60}
# A logarithmic axis is easier to read than a linear one where values span more than this ratio.
LOG_RATIO = 10
# On such an axis 1, 2 and 5 of each power of ten are told, of more powers than these 1 alone.
MOST_POWERS = 6
MOST_NATS = 700  # whose exponential is still a number
LONGEST, LONGEST_LABEL = 160, 40  # characters of a line of a title, and beside an axis


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """`draw` in the style of all plots, whatever settings matplotlib finds."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with _style():
            return draw(*args, **kwargs)

    return drawn


def _style() -> Any:
    """matplotlib's own settings and STYLE, for a while."""
    return matplotlib.style.context(["default", STYLE])


def single(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of one panel, in inches."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def heading(figure: Figure, title: str) -> None:
    """Above all panels."""
    figure.suptitle(title, x=0.01, ha="left", fontsize="large", fontweight="bold")


def shortened(name: str, most: int) -> str:
    """At most so many characters, the last an ellipsis where some are left out."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def save(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Writes name.png and name.svg into `folder`, each whole or not at all, and tells their paths."""
    _tame(figure)
    paths = []
    for kind, metadata in NO_METADATA.items():
        memory = io.BytesIO()
        with _style(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)  # drawn as a box
            figure.savefig(memory, format=kind, metadata=metadata)
        paths.append(folder / f"{name}.{kind}")
        atomic.write_bytes(paths[-1], memory.getvalue())
    return paths


def _tame(figure: Figure) -> None:
    """Names from data hold no control characters, and are so short that they fit."""
    texts: Any = figure.findobj(Text)
    for text in texts:  # a new line in them is ours
        text.set_text("\n".join(cut(line, LONGEST) for line in text.get_text().split("\n")))
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        axis.set_label_text(cut(axis.get_label_text(), LONGEST_LABEL))
        ticks: Any = axis.get_major_formatter()
        ticks.format_ticks = partial(_cut_all, ticks.format_ticks)


def _cut_all(written: Callable[[Array], Sequence[str]], places: Array) -> list[str]:
    return [cut(label, LONGEST_LABEL) for label in written(places)]


@styled
def losses(
    epochs: Array,
    train: Array,
    validation: Array | None,
    kept_epoch: int,
    loss: str,
    exponential: str = "",
    measures: Mapping[str, Array] | None = None,
) -> Figure:
    """Loss (E,) of each of E epochs on the training and the validation part, where there is one; where its
    `exponential` has a name, that. Below it each of the `measures` (E,) of the validation part. `loss` names
    the loss."""
    title = f"Loss by epoch: {loss}"
    if exponential:
        title = f"{exponential.capitalize()} by epoch: exp of {loss}"
        train = np.exp(np.minimum(train, MOST_NATS))
        validation = None if validation is None else np.exp(np.minimum(validation, MOST_NATS))
    measures = measures or {}
    heights = [4.5, *[2.5] * len(measures)]
    figure = Figure(figsize=(8, sum(heights)), layout="constrained")
    first, *others = figure.subplots(len(heights), squeeze=False, sharex=True, height_ratios=heights)[:, 0]
    lines = {"training": (train, BLUE)}
    if validation is not None:
        lines["validation"] = (validation, ORANGE)
    kept = [number(_by_epoch(first, epochs, lines, kept_epoch))]
    _log_where_wide(first, np.concatenate([values for values, _ in lines.values()]))
    name_ends(first, {name: (values[-1], color) for name, (values, color) in lines.items()})
    first.set(title=title)
    for axes, (name, values) in zip(others, measures.items(), strict=True):
        value = _by_epoch(axes, epochs, {"validation": (values, ORANGE)}, kept_epoch)
        if values.max() <= 1:  # a share, and no axis shows what cannot be
            low, high = axes.get_ylim()
            axes.set_ylim(max(low, -0.005), min(high, 1.005))
        name_ends(axes, {"validation": (values[-1], ORANGE)})
        axes.set(title=f"Validation part: {name}")
        kept.append(f"{name} {number(value)}")
    last = [first, *others][-1]
    last.annotate(
        f"kept: epoch {kept_epoch}, {', '.join(kept)}",
        (1, 0),
        (0, -20),  # beside the name of the axis, where no line runs
        xycoords="axes fraction",
        textcoords="offset points",
        color=BLUE if validation is None else ORANGE,
        ha="right",
        va="top",
    )
    last.set(xlabel="epoch")
    last.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


def _by_epoch(axes: Axes, epochs: Array, lines: Mapping[str, tuple[Array, str]], kept_epoch: int) -> float:
    """Draws the lines (E,), and gives the value of the last one at the epoch that was kept, marked."""
    for values, color in lines.values():
        axes.plot(epochs, values, color=color, marker="o" if len(epochs) < 3 else "")
    kept = float(values[list(epochs).index(kept_epoch)])
    ring: Any = {"markersize": 8, "fillstyle": "none", "markeredgewidth": 1.6, "clip_on": False}
    axes.plot([kept_epoch], [kept], "o", color=color, **ring)
    return kept


@styled
def gradient_norms(steps: Array, norms: Array, clip: float) -> Figure:
    """Global norm (N,) of the gradient at N steps, before clipping at `clip` (0: never)."""
    figure, axes = single(8, 4.5)
    axes.plot(steps, norms, color=BLUE, linewidth=0.8, marker="o" if len(steps) < 3 else "")
    _log_where_wide(axes, norms)
    above = f"{np.mean(norms > clip):.0%} clipped" if clip else "never clipped"
    if clip and norms.max() > clip / 4:
        axes.axhline(clip, color=ORANGE, linewidth=1.2, linestyle="--")
        name_ends(axes, {f"clip {clip:g}": (clip, ORANGE)})
    axes.set(title=f"Gradient norm by step, {above}", xlabel="training step")
    return figure


def name_ends(axes: Axes, ends: Mapping[str, tuple[float, str]]) -> None:
    """Writes each name right of its line's end, in its colour, moved apart where they would overlap."""
    dpi = axes.figure.dpi
    line = 1.25 * matplotlib.rcParams["font.size"] * dpi / 72
    names = sorted((name for name in ends if np.isfinite(ends[name][0])), key=lambda name: ends[name][0])
    axes.get_ylim()  # settles the limits, on which the places depend
    heights = np.array([axes.transData.transform((0, ends[name][0]))[1] for name in names])
    for name, height, spread in zip(names, heights, _spread(heights, line), strict=True):
        value, colour = ends[name]
        axes.annotate(
            name,
            (1, value),
            (4, (spread - height) * 72 / dpi),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            color=colour,
            va="center",
        )


def _spread(places: Array, least: float) -> Array:
    """Rising places (N,) moved at least `least` apart; those that touch stay around their own middle."""
    groups = [[place] for place in places]
    k = 1
    while k < len(groups):
        low, high = groups[k - 1], groups[k]
        if np.mean(high) - np.mean(low) >= least * (len(low) + len(high)) / 2:
            k += 1
            continue
        groups[k - 1 : k + 1] = [low + high]
        k = max(1, k - 1)
    middles = [np.mean(group) + least * (np.arange(len(group)) - (len(group) - 1) / 2) for group in groups]
    return np.concatenate([np.empty(0), *middles])


def number(value: float) -> str:
    text = f"{value:,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:.3g}"
    return text.replace("-", "−")


def _log_where_wide(axes: Axes, values: Array) -> None:
    if values.min() > 0 and values.max() > LOG_RATIO * values.min():
        axes.set_yscale("log")
        powers = np.log10(values.max() / values.min())
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if powers <= MOST_POWERS else (1,)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())


class _FromFirst(dates.ConciseDateFormatter):
    """Below the labels stands what the first one leaves out, such as its month: matplotlib's own is of the
    last, and of days from 24 to May it would say May."""

    def format_ticks(self, values: Any) -> list[str]:
        self.ends = [dates.num2date(values[end]) for end in (0, -1)]  # type: ignore[no-untyped-call]
        return super().format_ticks(values)  # type: ignore[no-untyped-call,no-any-return]

    def get_offset(self) -> str:
        first, last = self.ends
        of_last = super().get_offset()  # type: ignore[no-untyped-call]
        of_first: str = next(
            first.strftime(form) for form in self.offset_formats if last.strftime(form) == of_last
        )
        return of_first


def date_axis(axes: Axes, times: Array, most: int = 9) -> None:
    """At most so many labels: as fit side by side."""
    if times.dtype.kind == "M":
        locator = dates.AutoDateLocator(minticks=3, maxticks=most)  # type: ignore[no-untyped-call]
        for unit, more in LONGER.items():  # for spans of few of the next unit, without which it warns
            locator.intervald[unit] = [*locator.intervald[unit], more]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(_FromFirst(locator))  # type: ignore[no-untyped-call]
        axes.xaxis.get_offset_text().set(x=0, horizontalalignment="left")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(min(most, 7), integer=True))


@styled
def compared(values: Mapping[str, float], title: str) -> Figure:
    """A bar for each value under its name, the model's first."""
    figure, axes = single(8, 0.9 + 0.4 * len(values))
    colours = [BLUE, *[GREY] * (len(values) - 1)]
    bars = axes.barh(list(values), list(values.values()), color=colours, height=0.6)
    axes.bar_label(bars, [number(value) for value in values.values()], padding=4, color=INK)
    axes.invert_yaxis()
    axes.grid(False)
    axes.set(title=title, xticks=[])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(left=False)
    return figure
