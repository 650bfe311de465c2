"""The plots of a run: what its backtest looks like."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from unrolled.files.series import Series, SeriesFile
from unrolled.inspecting import plots
from unrolled.inspecting.plots import Drawn, Errors, Stretch
from unrolled.tasks import metrics
from unrolled.tasks.forecast.backtest import MODEL, Backtest
from unrolled.tasks.forecast.evaluation import Evaluation

Array = NDArray[np.float64]
Steps = NDArray[np.int64]
T = TypeVar("T")

# A plot shows the end of the test part: so many forecasts one after the other, and so many targets.
MOST_FORECASTS, MOST_TARGETS = 6, 4


def draw_evaluation(folder: Path, evaluation: Evaluation, file: SeriesFile) -> None:
    """forecast and residuals, as PNG and SVG: of the series with most origins, of the first targets."""
    test = evaluation.backtest
    file = replace(file, series=tuple(replace(one, times=file.local(one)) for one in file.series))
    series = int(np.argmax(np.bincount(test.series)))
    rows = np.flatnonzero(test.series == series)
    steps = "steps" if file.step.unit == "number" else f"steps of {file.step.name}"
    of = f" for series {file.series[series].name}" if len(file.series) > 1 else ""
    title = f"Forecasts{of}: from each dot the next {test.y.shape[1]} {steps}"
    levels = evaluation.levels if test.forecasts[MODEL].quantiles is not None else ()
    bands = [f"{high - low:.0%} interval" for low, high in _pairs(levels)]
    targets = file.targets[:MOST_TARGETS]
    stretches = [_stretch(evaluation, rows, k, file) for k in range(len(targets))]
    plots.save(plots.forecasts(stretches, title, bands), folder, "forecast")
    errors = [_errors(test, rows, k, file) for k in range(len(targets))]
    plots.save(plots.residuals(errors, f"{steps} ahead"), folder, "residuals")


def _stretch(evaluation: Evaluation, rows: Steps, k: int, file: SeriesFile) -> Stretch:
    """The last forecasts of target k that do not overlap, and as many steps before them as one of them
    has."""
    test, name = evaluation.backtest, file.targets[k]
    series, H = file.series[test.series[rows[0]]], test.y.shape[1]
    chosen: list[int] = []
    for row in rows[::-1]:
        if len(chosen) < MOST_FORECASTS and (not chosen or test.origins[row] + H <= test.origins[chosen[0]]):
            chosen.insert(0, int(row))
    best, y = evaluation.best_baseline(name), series.target[:, k]
    shown = slice(max(0, test.origins[chosen[0]] - H), test.origins[chosen[-1]] + H + 1)
    detail = (
        f"RMSE from {len(test.origins)} origins in the test part: model {evaluation.rmse(name, MODEL):.4g}, "
        f"best baseline ({best}) {evaluation.rmse(name, best):.4g}"
    )
    drawn = [_drawn(test, row, k, series, best) for row in chosen]
    return Stretch(name, detail, series.times[: len(y)][shown], y[shown], drawn)


def _drawn(test: Backtest, row: int, k: int, series: Series, baseline: str) -> Drawn:
    origin, (_, H, _) = test.origins[row], test.y.shape
    known, quantiles = series.target[origin, k], test.forecasts[MODEL].quantiles

    def line(values: Array) -> Array:
        return np.concatenate([[known], values])

    bands = [] if quantiles is None else list(_pairs([line(q) for q in quantiles[row, :, k].T]))
    return Drawn(
        series.times[origin : origin + H + 1],
        line(test.forecasts[MODEL].point[row, :, k]),
        line(test.forecasts[baseline].point[row, :, k]),
        bands,
    )


def _errors(test: Backtest, rows: Steps, k: int, file: SeriesFile) -> Errors:
    errors = {
        forecast: made.point[rows][..., k] - test.y[rows][..., k] for forecast, made in test.forecasts.items()
    }
    return Errors(
        file.targets[k],
        file.series[test.series[rows[0]]].times[test.origins[rows]],
        metrics.mean(errors[MODEL], errors[MODEL], 1),
        errors[MODEL].reshape(-1),
        {forecast: metrics.rmse(error, np.zeros(1), 0) for forecast, error in errors.items()},
    )


def _pairs(items: Sequence[T]) -> Iterator[tuple[T, T]]:
    """The outermost two, the next two inside, …"""
    yield from zip(items[: len(items) // 2], reversed(items), strict=False)
