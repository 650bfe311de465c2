"""A backtest in numbers: a row for every target and forecast, over all origins of all series; a row for every
series (by_series.py); and in words (verdict.py).

Where there are several targets, those of the name ALL stand for all of them: their MAE, RMSE, CRPS, pinball
and width are in units of each target's standard deviation in the training part.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.decoding.intervals import pairs_of
from unrolled.files.series import SeriesFile
from unrolled.tasks import metrics
from unrolled.tasks.evaluation import MODEL, plain
from unrolled.tasks.forecast.judging.backtest import Backtest
from unrolled.tasks.forecast.judging.binary import figures, of_probabilities, sentence
from unrolled.tasks.forecast.judging.by_series import (
    by_series,
    fit_figures,
    middle_coverage,
    relative_figures,
    summary,
)
from unrolled.tasks.forecast.judging.noise import margin
from unrolled.tasks.forecast.judging.origins import forecasts_of_origins
from unrolled.tasks.forecast.judging.verdict import percent, verdict
from unrolled.tasks.forecast.paths import Forecast

Array = NDArray[np.float64]
Row = dict[str, Any]

ALL = "all targets, scaled"
# Of more targets a person is told of all together alone.
MOST_TOLD = 12

# What the table leaves out, how it calls a column, what it rounds, and what stands at its end.
DETAILS = {"series", "bias", "kge_r", "kge_alpha", "kge_beta", "mean smape", "mean mase"}
DETAILS |= {"rmse_noise"}
# Also what begins with one of these.
OF_COVERAGE = ("coverage_", "adaptive_coverage")
SHORT = {"relative_bias": "bias %"}
ROUNDED = {"bias %", "nse", "kge", "median nse", "median kge"}
OF_INTERVALS = ("crps", "pinball", "coverage", "width")


@dataclass(frozen=True)
class Evaluation:
    """`rows`: {"target", "forecast", "mae", "rmse", "smape", "mase", for distributions "crps", "pinball",
    "coverage", "width"; of a target by itself "wape", "bias", "relative_bias", where there is one series
    "nse", "kge" and its parts, where there are several what by_series.summary says; of probabilities what
    binary.py says, and neither of these}. Of a baseline "rmse_noise", of the model "coverage_noise":
    differences up to these are noise; and "adaptive_coverage" (adaptive.py), NaN where too few origins tell
    it. These are of the outermost levels; of others within, "coverage_0.5" and "adaptive_coverage_0.5" of
    the interval of 50 %. `by_step`: the same with a list over the steps ahead for each number; `series`: see
    by_series.py; `verdict`: sentences; `file`: what was judged."""

    rows: list[Row]
    by_step: list[Row]
    series: pl.DataFrame
    verdict: list[str]
    about: Mapping[str, Any]
    backtest: Backtest
    file: SeriesFile | None = None

    @property
    def targets(self) -> list[str]:
        return list(self.series["target"].unique(maintain_order=True))

    @property
    def levels(self) -> Sequence[float]:
        """The quantile levels of the forecasts."""
        return list(self.about["quantile_levels"])

    def rmse(self, target: str, forecast: str) -> float:
        """Of one row."""
        [row] = [row for row in self.rows if (row["target"], row["forecast"]) == (target, forecast)]
        return float(row["rmse"])

    def best_baseline(self, target: str) -> str:
        """The one with the lowest RMSE."""
        names: list[str] = [
            row["forecast"] for row in self.rows if row["target"] == target and row["forecast"] != MODEL
        ]
        return min(names, key=lambda name: self.rmse(target, name))

    def telling(self, sentences: Sequence[str]) -> Self:
        """The same with more to say."""
        return replace(self, verdict=[*self.verdict, *sentences])

    def table(self) -> list[Row]:
        """The rows, for a person: one for every target and forecast; of many targets of all together."""
        names = {"coverage": f"coverage of {percent(self.about['nominal_coverage'])}"} | SHORT
        rows = []
        for row in _told(self.rows, len(self.targets)):
            first = [key for key in row if key not in (*DETAILS, *OF_INTERVALS)]
            first = [key for key in first if not key.startswith(OF_COVERAGE)]
            last = [key for key in OF_INTERVALS if key in row]
            named = {names.get(key, key): row[key] for key in first + last}
            rows.append(named | {key: round(named[key], 3) + 0.0 for key in ROUNDED & named.keys()})
        return rows

    def frame(self) -> pl.DataFrame:
        """A row for every series and target."""
        return self.series

    def forecasts(self) -> pl.DataFrame:
        """A row for every origin, target and step, see origins.py."""
        if self.file is None:
            raise ValueError("this evaluation was made without the file of its series")
        return forecasts_of_origins(self.backtest, self.file, self.targets, self.levels)

    def json(self) -> dict[str, Any]:
        """Everything in plain values; numbers that do not exist (MASE beside a perfect baseline) are None."""
        tables = {"table": self.rows, "by_step": self.by_step, "series": self.series.to_dicts()}
        return dict(plain({**self.about, "verdict": self.verdict, **tables}))


def evaluate(
    backtest: Backtest,
    targets: Sequence[str],
    levels: Sequence[float],
    naive_scale: Array,
    deviation: Array,
    about: Mapping[str, Any],
    file: SeriesFile | None = None,
    frequencies: Array | None = None,
) -> Evaluation:
    """naive_scale (K,) for MASE and deviation (K,), both of the training part; `about`: what else to tell;
    `frequencies` (K,): of a 1 in the training part, where forecasts are probabilities."""
    binary = frequencies is not None
    if frequencies is not None:
        backtest = of_probabilities(backtest, frequencies)
    views = {name: (slice(k, k + 1), np.ones(1)) for k, name in enumerate(targets)}
    if len(targets) > 1:
        views[ALL] = (slice(None), deviation)
    series = by_series(backtest, targets)
    single = backtest.series[-1] == backtest.series[0]
    of_series = {} if single or binary else {name: summary(series, name, backtest.naive) for name in targets}
    rows, by_step = [], []
    with np.errstate(over="ignore", invalid="ignore"):  # the verdict tells of forecasts not finite
        for target, (columns, unit) in views.items():
            for name, forecast in backtest.forecasts.items():
                part = (
                    backtest.y[..., columns],
                    forecast.of(columns),
                    unit,
                    naive_scale[columns],
                    levels,
                )
                head = {"target": target, "forecast": name}
                whole, steps = (
                    figures(part[0], part[1].point, axis)
                    if binary
                    else scores(*part, axis=axis)
                    | (_by_itself(*part[:2], axis, single) if target != ALL else {})
                    for axis in (None, (0, 2))
                )
                rows.append(
                    head
                    | {key: float(value) for key, value in whole.items()}
                    | of_series.get(target, {}).get(name, {})
                    | _noise(backtest, name, columns, unit, levels)
                )
                by_step.append(head | {key: value.tolist() for key, value in steps.items()})
    about = _about(backtest, levels) | {"middle_coverage": middle_coverage(series), **about}
    sentences = [*verdict(_told(rows, len(targets)), about), *_left_out(about["missing"], backtest.y.size)]
    sentences += [sentence(rows, len(targets))] if binary else []
    return Evaluation(rows, by_step, series, sentences, about, backtest, file)


def _about(backtest: Backtest, levels: Sequence[float]) -> dict[str, Any]:
    """What was judged."""
    missing = int(np.isnan(backtest.y).sum())
    return {
        "origins": len(backtest.origins),
        "series": len(np.unique(backtest.series)),
        "outcomes": backtest.y.size - missing,
        "missing": missing,
        "stride": backtest.stride,
        "horizon": backtest.y.shape[1],
        "naive": backtest.naive,
        "quantile_levels": list(levels),
        "nominal_coverage": levels[-1] - levels[0],
    }


def _told(rows: Sequence[Row], targets: int) -> list[Row]:
    """Those that a person is shown."""
    return [row for row in rows if targets <= MOST_TOLD or row["target"] == ALL]


def _by_itself(y: Array, forecast: Forecast, axis: metrics.Axis, single: bool) -> dict[str, Array]:
    """Of one target, of one series or of several."""
    figures = relative_figures(y, forecast.point, axis)
    return figures | fit_figures(y, forecast.point, axis) if single else figures


def _left_out(missing: int, outcomes: int) -> list[str]:
    """A sentence on outcomes that the file does not have."""
    if not missing:
        return []
    return [f"{missing:,} of {outcomes:,} values to forecast are missing in the data; no figure counts them"]


def _noise(backtest: Backtest, name: str, columns: slice, unit: Array, levels: Sequence[float]) -> Row:
    """The margins of a row, none where nothing was observed. The difference of two RMSEs is that of their
    squares over their sum."""
    y, nominal = backtest.y[..., columns] / unit, levels[-1] - levels[0]
    known = ~np.isnan(y)
    if not known.any():
        return {}

    def spread(scores: Array) -> float:
        sums, counts = np.where(known, scores, 0).sum((1, 2)), known.sum((1, 2)).astype(np.float64)
        at = backtest.series, backtest.origins, backtest.y.shape[1]
        return margin(sums, counts, *at) if np.isfinite(sums).all() else math.inf

    if name == MODEL:
        q = backtest.forecasts[name].quantiles
        if q is None:
            return {}
        low, high = q[:, :, columns, 0] / unit, q[:, :, columns, -1] / unit
        # Not less than that of outcomes one by one: where all are inside, nothing varies.
        least = 1.96 * math.sqrt(nominal * (1 - nominal) / known.sum())
        noise = max(least, spread(((low <= y) & (y <= high)).astype(np.float64)))
        return {"coverage_noise": noise} | _coverages(backtest, columns, levels)
    errors = [y - backtest.forecasts[each].point[..., columns] / unit for each in (MODEL, name)]
    # A power of two brings them near 1: no square is infinite, or lost to 0.
    _, exponent = np.frexp(max(np.abs(np.where(known, error, 0)).max() for error in errors))
    model, other = (np.ldexp(error, -exponent) for error in errors)
    sum_ = sum(math.sqrt(float((np.where(known, one, 0) ** 2).sum()) / known.sum()) for one in (model, other))
    return {"rmse_noise": float(np.ldexp(spread(model**2 - other**2) / sum_, exponent)) if sum_ else 0.0}


def _coverages(backtest: Backtest, columns: slice, levels: Sequence[float]) -> Row:
    """Of each pair of levels from without the share of the outcomes between them, and the same of what the
    intervals would have been had they followed the errors."""
    row, y, q = Row(), backtest.y[..., columns], backtest.forecasts[MODEL].quantiles
    for pair, (low, high) in enumerate(pairs_of(levels)):
        name = f"_{high - low:g}" if pair else ""
        for head, each in (("coverage", q), ("adaptive_coverage", backtest.adaptive)):
            if each is not None and (pair or each is not q):
                ends = each[:, :, columns, pair], each[:, :, columns, -1 - pair]
                judged = np.where(np.isnan(ends[0]), np.nan, y)
                row[head + name] = float(metrics.coverage(judged, *ends))
    return row


def scores(
    y: Array, forecast: Forecast, unit: Array, naive_scale: Array, levels: Sequence[float], axis: metrics.Axis
) -> dict[str, Array]:
    """All numbers that the forecast admits. y (N, H, K); unit and naive_scale (K,)."""
    f, q = forecast.point, forecast.quantiles
    figures = {
        "mae": metrics.mae(y / unit, f / unit, axis),
        "rmse": metrics.rmse(y / unit, f / unit, axis),
        "smape": metrics.smape(y, f, axis),
        "mase": metrics.mase(y, f, naive_scale, axis),
    }
    if q is None or forecast.crps is None:
        return figures
    low, high = q[..., 0] / unit, q[..., -1] / unit
    return figures | {
        "crps": metrics.mean(forecast.crps / unit, y, axis),
        "pinball": metrics.pinball(y / unit, q / unit[:, None], levels, axis),
        "coverage": metrics.coverage(y / unit, low, high, axis),
        "width": metrics.width(low, high, axis),
    }
