"""The plots of a run: what its backtest looks like."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from unrolled.files.messages import rounded
from unrolled.files.series import Series, SeriesFile
from unrolled.plots import figures, forecasts
from unrolled.plots.forecasts import Drawn, Errors, Spread, Stretch
from unrolled.tasks import metrics
from unrolled.tasks.evaluation import MODEL
from unrolled.tasks.forecast.judging.backtest import Backtest
from unrolled.tasks.forecast.judging.evaluation import Evaluation

Array = NDArray[np.float64]
Steps = NDArray[np.int64]
T = TypeVar("T")

# A plot shows the end of the test part: so many forecasts one after the other, and so many targets.
MOST_FORECASTS, MOST_TARGETS = 6, 4


def draw_evaluation(folder: Path, evaluation: Evaluation, file: SeriesFile) -> None:
    """forecast and residuals, as PNG and SVG: of the first targets; of several series the best, the median
    and the worst, and how they are spread."""
    file = replace(file, series=tuple(replace(one, times=file.local(one)) for one in file.series))
    test = evaluation.backtest
    judged = np.unique(test.series)
    H, steps = test.y.shape[1], "steps" if file.step.unit == "number" else f"steps of {file.step.name}"
    levels = evaluation.levels if test.forecasts[MODEL].quantiles is not None else ()
    bands = [f"{high - low:.0%} interval" for low, high in _pairs(levels)]
    targets = range(min(len(file.targets), MOST_TARGETS))
    if len(judged) == 1:
        rows, of = np.arange(len(test.series)), ""
        stretches = [_stretch(evaluation, rows, k, file, _pooled(evaluation, k, file)) for k in targets]
        errors = [_errors(test, rows, k, file) for k in targets]
        drawn = forecasts.over_time(errors, f"{steps} ahead")
    else:
        chosen = [(one, k, why) for k in targets for one, why in _chosen(evaluation, k, len(targets))]
        stretches = [
            _stretch(evaluation, np.flatnonzero(test.series == series), k, file, why)
            for series, k, why in chosen
        ]
        of = f" of {len(stretches)} of {len(judged):,} series" if len(judged) > len(stretches) else ""
        drawn = forecasts.over_series([_spread(evaluation, k) for k in targets], f"{steps} ahead")
    title = f"Forecasts{of}: from each dot the next {H} {steps}"
    figures.save(forecasts.forecasts(stretches, title, bands), folder, "forecast")
    figures.save(drawn, folder, "residuals")


def _pooled(evaluation: Evaluation, k: int, file: SeriesFile) -> str:
    name, best = file.targets[k], evaluation.best_baseline(file.targets[k])
    model, other = (rounded(evaluation.rmse(name, forecast)) for forecast in (MODEL, best))
    origins = len(evaluation.backtest.origins)
    return f"RMSE from {origins} origins: model {model}, best baseline ({best}) {other}"


def _chosen(evaluation: Evaluation, k: int, targets: int) -> Iterator[tuple[int, str]]:
    """Series that stand for all, and what is told of them: by the MASE of the model, or where there is none
    in the order of the file."""
    test, name = evaluation.backtest, evaluation.targets[k]
    rows = evaluation.series.filter(target=name)
    judged, mase = np.unique(test.series), rows[f"mase {MODEL}"].fill_null(np.nan).to_numpy()
    known = np.flatnonzero(np.isfinite(mase))
    ranked = known[np.argsort(mase[known], kind="stable")] if len(known) else np.arange(len(judged))
    last = len(ranked) - 1
    places = {0: "the best", last: "the worst", (last + 1) // 2: "the median"}
    if targets == 1 and last < 2:  # each series once
        places = {0: "the best", last: "the worst"} if last else {0: "the only one with a MASE"}
    for place in [(last + 1) // 2] if targets > 1 else sorted(places):
        at, which = ranked[place], places[place]
        naive, beside = rows[f"mase {test.naive}"][int(at)], ""
        if len(known) and naive is not None:
            beside = f": MASE {figures.number(mase[at])}, {test.naive} {figures.number(naive)}"
        yield int(judged[at]), f"{test.names[judged[at]]}, {which} of {len(judged):,} series{beside}"


def _stretch(evaluation: Evaluation, rows: Steps, k: int, file: SeriesFile, detail: str) -> Stretch:
    """The last forecasts of target k that do not overlap, and as many steps before them as one of them has,
    or three times so many before a single one."""
    test, name = evaluation.backtest, file.targets[k]
    series, H = file.series[test.series[rows[0]]], test.y.shape[1]
    chosen: list[int] = []
    for row in rows[::-1]:
        if len(chosen) < MOST_FORECASTS and (not chosen or test.origins[row] + H <= test.origins[chosen[0]]):
            chosen.insert(0, int(row))
    best, y = evaluation.best_baseline(name), series.target[:, k]
    before = H if len(chosen) > 1 else 3 * H
    shown = slice(max(0, test.origins[chosen[0]] - before), test.origins[chosen[-1]] + H + 1)
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
        name: forecast.point[rows][..., k] - test.y[rows][..., k] for name, forecast in test.forecasts.items()
    }
    return Errors(
        file.targets[k],
        file.series[test.series[rows[0]]].times[test.origins[rows]],
        metrics.mean(errors[MODEL], errors[MODEL], 1),
        errors[MODEL].reshape(-1),
        {name: metrics.rmse(error, np.zeros(1), 0) for name, error in errors.items()},
    )


def _spread(evaluation: Evaluation, k: int) -> Spread:
    """Where no series has a scale of its own, in the units of the file."""
    test, name = evaluation.backtest, evaluation.targets[k]
    scale = test.scale[test.series, k]
    known = np.isfinite(scale)
    scale, known = (scale, known) if known.any() else (np.ones_like(scale), ~known)
    errors = {
        name: ((forecast.point[..., k] - test.y[..., k]) / scale[:, None])[known]
        for name, forecast in test.forecasts.items()
    }
    rows = evaluation.series.filter(target=name)
    mase = {name: rows[f"mase {name}"].drop_nulls().to_numpy() for name in (MODEL, test.naive)}
    return Spread(
        name,
        {name: each[each > 0] for name, each in mase.items()},
        errors[MODEL][np.isfinite(errors[MODEL])],
        {name: np.array([_median(np.abs(step)) for step in error.T]) for name, error in errors.items()},
    )


def _median(values: Array) -> float:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else np.nan


def _pairs(items: Sequence[T]) -> Iterator[tuple[T, T]]:
    """The outermost two, the next two inside, …"""
    yield from zip(items[: len(items) // 2], reversed(items), strict=False)
