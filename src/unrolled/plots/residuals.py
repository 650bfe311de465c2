"""Plots of the errors of forecasts: of one series over time, and of many over the series."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from unrolled.plots.figures import (
    BLUE,
    GREY,
    INK,
    LOOKS,
    ORANGE,
    Array,
    date_axis,
    name_ends,
    number,
    styled,
)


@dataclass(frozen=True)
class Errors:
    """Forecast less outcome of a target: mean (N,) of each origin at times (N,), every one (M,), and RMSE
    (H,) of each step ahead by the name of the forecast, the model's first."""

    name: str
    times: Array
    mean: Array
    every: Array
    by_step: Mapping[str, Array]


@dataclass(frozen=True)
class Spread:
    """Errors of a target over many series, in units of each series' own seasonal naive: by_series (S,) of the
    model and of that naive, forecast less outcome of every step (M,), and the median (H,) of the absolute
    ones of each step ahead by the name of the forecast, the model's first."""

    name: str
    by_series: Mapping[str, Array]
    every: Array
    by_step: Mapping[str, Array]


@styled
def over_time(targets: Sequence[Errors], ahead: str) -> Figure:
    """A row for each target: errors over time, their histogram, and how they grow with the steps `ahead`."""
    figure = Figure(figsize=(11, 0.6 + 3 * len(targets)), layout="constrained")
    grid = figure.subplots(len(targets), 3, squeeze=False, width_ratios=(1.5, 1, 1.2))
    for (over_time, histogram, by_step), errors in zip(grid, targets, strict=True):
        over_time.axhline(0, color=GREY, linewidth=0.8)
        over_time.plot(errors.times, errors.mean, color=BLUE, linewidth=0.9)
        over_time.set_ylabel(f"{errors.name}: forecast − truth")
        date_axis(over_time, errors.times, most=4)
        _draw_histogram(histogram, errors.every[np.isfinite(errors.every)])
        _draw_by_step(by_step, errors.by_step, ahead)
    grid[0, 0].set_title("Mean error of each forecast")
    grid[0, 1].set_title("Error of every step")
    grid[0, 2].set_title("RMSE of each step ahead")
    return figure


@styled
def over_series(targets: Sequence[Spread], ahead: str) -> Figure:
    """A row for each target of several series: the error of each series, of every step, and how errors grow
    with the steps `ahead`."""
    figure = Figure(figsize=(11, 0.6 + 3 * len(targets)), layout="constrained")
    grid = figure.subplots(len(targets), 3, squeeze=False, width_ratios=(1.5, 1, 1.2))
    for (by_series, histogram, by_step), found in zip(grid, targets, strict=True):
        _draw_series(by_series, found.by_series)
        by_series.set_ylabel(f"{found.name}: series")
        within = np.quantile(found.every, (0.005, 0.995)) if len(found.every) else (0.0, 1.0)
        _draw_histogram(histogram, found.every[(within[0] <= found.every) & (found.every <= within[1])])
        histogram.set_ylabel("scaled, the middle 99 %")
        _draw_by_step(by_step, found.by_step, ahead)
    grid[0, 0].set_title("MASE of each series")
    grid[0, 1].set_title("Error of every step")
    grid[0, 2].set_title("Median scaled error by step")
    return figure


def _draw_by_step(axes: Axes, errors: Mapping[str, Array], ahead: str) -> None:
    for (name, values), look in zip(errors.items(), LOOKS, strict=False):
        marker = "o" if len(values) == 1 else ""
        axes.plot(np.arange(1, len(values) + 1), values, label=name, marker=marker, **look)
    axes.set_xlabel(ahead)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    named = zip(errors.items(), LOOKS, strict=False)
    name_ends(axes, {name: (values[-1], look["color"]) for (name, values), look in named})


def _draw_histogram(axes: Axes, errors: Array) -> None:
    axes.hist(errors, bins=41, color=BLUE)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks([])
    if len(errors):
        axes.set_xlabel(f"mean {number(errors.mean())}, deviation {number(errors.std())}")


def _draw_series(axes: Axes, errors: Mapping[str, Array]) -> None:
    """How many series have which error, the model's filled."""
    values = np.concatenate(list(errors.values()))
    least, most = np.quantile(values, (0.001, 0.999)) if len(values) else (1.0, 1.0)
    bins = np.geomspace(least / 1.05, most * 1.05, 41).tolist()
    forms: list[tuple[Literal["stepfilled", "step"], str]] = [("stepfilled", BLUE), ("step", ORANGE)]
    looks = zip(errors.items(), forms, strict=False)
    for (name, each), (form, colour) in looks:
        inside = np.clip(each, bins[0], bins[-1])  # the outermost hold what is beyond them
        axes.hist(inside, bins=bins, histtype=form, color=colour, alpha=0.7, linewidth=1.6, label=name)
    axes.axvline(1, color=INK, linewidth=0.8)
    axes.set_xscale("log")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    medians = (f"{name} {number(float(np.median(each)))}" for name, each in errors.items() if len(each))
    axes.set_xlabel(f"median: {', '.join(medians)}")
    axes.legend()
