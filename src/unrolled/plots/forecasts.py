"""Plots of forecasts along series, and of their errors over time or over many series."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

from unrolled.plots import figures
from unrolled.plots.figures import BLUE, GREY, INK, LOOKS, ORANGE, Array, styled


@dataclass(frozen=True)
class Stretch:
    """Part of a series with forecasts made along it: times (T,), truth (T,); `forecasts` do not overlap;
    `detail` is written above them."""

    name: str
    detail: str
    times: Array
    truth: Array
    forecasts: Sequence["Drawn"]


@dataclass(frozen=True)
class Drawn:
    """A forecast from the last known step on: times (H + 1,), the others too, their first the known value;
    `bands` are pairs (low, high), the widest first."""

    times: Array
    point: Array
    baseline: Array
    bands: Sequence[tuple[Array, Array]]


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
def forecasts(stretches: Sequence[Stretch], title: str, bands: Sequence[str]) -> Figure:
    """A panel for each stretch. `bands` names the shades, the widest first."""
    figure = Figure(figsize=(9, 1.2 + 3 * len(stretches)), layout="constrained")
    grid = figure.subplots(len(stretches), squeeze=False)[:, 0]
    for axes, stretch in zip(grid, stretches, strict=True):
        marker = "." if np.isnan(stretch.truth).any() else ""  # of a value among gaps there is no line
        axes.plot(
            stretch.times, stretch.truth, color=INK, linewidth=1.2, marker=marker, markersize=4, label="truth"
        )
        for drawn in stretch.forecasts:
            _draw_forecast(axes, drawn, bands)
        _keep_lines_large(axes, stretch)
        axes.set_ylabel(stretch.name)
        axes.set_title(stretch.detail, fontsize="medium", fontweight="normal")
        axes.margins(x=0.01)
        figures.date_axis(axes, stretch.times)
    handles = dict(zip(*reversed(grid[0].get_legend_handles_labels()), strict=True))
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles))
    figures.heading(figure, title)
    return figure


def _draw_forecast(axes: Axes, drawn: Drawn, bands: Sequence[str]) -> None:
    axes.plot(drawn.times, drawn.baseline, color=GREY, linewidth=0.9, linestyle="--", label="best baseline")
    for alpha, band, (low, high) in zip((0.18, 0.3, 0.4), bands, drawn.bands, strict=False):
        axes.fill_between(drawn.times, low, high, color=BLUE, alpha=alpha, linewidth=0, label=band)
    axes.plot(drawn.times, drawn.point, color=BLUE, label="forecast")
    axes.plot(drawn.times[:1], drawn.point[:1], "o", color=BLUE, markersize=4)


def _keep_lines_large(axes: Axes, stretch: Stretch) -> None:
    """Shades that are far wider than what was and what is forecast leave the axes, not these."""
    lines = [stretch.truth, *(line for drawn in stretch.forecasts for line in (drawn.point, drawn.baseline))]
    values = np.concatenate(lines)
    values = values[np.isfinite(values)]
    low, high = axes.get_ylim()
    if len(values) and (span := float(np.ptp(values))) > 0:
        axes.set_ylim(max(low, values.min() - span), min(high, values.max() + span))


@styled
def over_time(targets: Sequence[Errors], ahead: str) -> Figure:
    """A row for each target: errors over time, their histogram, and how they grow with the steps `ahead`."""
    titles = ("Mean error of each forecast", "Error of every step", "RMSE of each step ahead")
    figure, grid = _rows(len(targets), titles)
    for (over_time, histogram, by_step), errors in zip(grid, targets, strict=True):
        over_time.axhline(0, color=GREY, linewidth=0.8)
        over_time.plot(errors.times, errors.mean, color=BLUE, linewidth=0.9)
        over_time.set_ylabel(f"{errors.name}: forecast − truth")
        figures.date_axis(over_time, errors.times, most=4)
        _draw_histogram(histogram, errors.every[np.isfinite(errors.every)])
        _draw_by_step(by_step, errors.by_step, ahead)
    return figure


@styled
def over_series(targets: Sequence[Spread], ahead: str) -> Figure:
    """A row for each target of several series: the error of each series, of every step, and how errors grow
    with the steps `ahead`."""
    titles = ("MASE of each series", "Error of every step", "Median scaled error by step")
    figure, grid = _rows(len(targets), titles)
    for (by_series, histogram, by_step), spread in zip(grid, targets, strict=True):
        _draw_series(by_series, spread.by_series)
        by_series.set_ylabel(f"{spread.name}: series")
        errors = spread.every
        low, high = np.quantile(errors, (0.005, 0.995)) if len(errors) else (0.0, 1.0)
        _draw_histogram(histogram, errors[(low <= errors) & (errors <= high)])
        histogram.set_ylabel("scaled, the middle 99 %")
        _draw_by_step(by_step, spread.by_step, ahead)
    return figure


def _rows(count: int, titles: Sequence[str]) -> tuple[Figure, Array]:
    """A figure of rows of panels, and its axes (count, 3)."""
    figure = Figure(figsize=(11, 0.6 + 3 * count), layout="constrained")
    grid = figure.subplots(count, len(titles), squeeze=False, width_ratios=(1.5, 1, 1.2))
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title)
    return figure, grid


def _draw_by_step(axes: Axes, errors: Mapping[str, Array], ahead: str) -> None:
    ends = {}
    for (name, values), look in zip(errors.items(), LOOKS, strict=False):
        marker = "o" if len(values) == 1 else ""
        axes.plot(np.arange(1, len(values) + 1), values, label=name, marker=marker, **look)
        ends[name] = values[-1], look["color"]
    axes.set_xlabel(ahead)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    figures.name_ends(axes, ends)


def _draw_histogram(axes: Axes, errors: Array) -> None:
    axes.hist(errors, bins=41, color=BLUE)
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks([])
    axes.xaxis.set_major_locator(MaxNLocator(3))
    if len(errors):
        axes.set_xlabel(f"mean {figures.number(errors.mean())}, deviation {figures.number(errors.std())}")


def _draw_series(axes: Axes, errors: Mapping[str, Array]) -> None:
    """How many series have which error, the model's filled."""
    values = np.concatenate(list(errors.values()))
    least, most = np.quantile(values, (0.001, 0.999)) if len(values) else (1.0, 1.0)
    wide = most > figures.LOG_RATIO * least
    bins = (np.geomspace if wide else np.linspace)(least / 1.05, most * 1.05, 41).tolist()
    forms: list[tuple[Literal["stepfilled", "step"], str]] = [("stepfilled", BLUE), ("step", ORANGE)]
    for (name, each), (form, colour) in zip(errors.items(), forms, strict=False):
        inside = np.clip(each, bins[0], bins[-1])  # the outermost hold what is beyond them
        label = f"{name}, median {figures.number(float(np.median(each)))}" if len(each) else name
        axes.hist(inside, bins=bins, histtype=form, color=colour, alpha=0.7, linewidth=1.6, label=label)
    axes.axvline(1, color=INK, linewidth=0.8)
    if wide:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.35)  # above the bars the legend
    axes.legend(loc="upper left")
    axes.set_xlabel("MASE")
