"""A backtest in numbers and words: a row for every target and forecast, and which one to trust.

Where there are several targets, those of the name ALL stand for all of them: their MAE, RMSE, CRPS, pinball
and width are in units of each target's standard deviation in the training part.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from unrolled.tasks import metrics
from unrolled.tasks.evaluation import plain
from unrolled.tasks.forecast.backtest import MODEL, Backtest
from unrolled.tasks.forecast.forecasting import Forecast

Array = NDArray[np.float64]
Row = dict[str, Any]

ALL = "all targets, scaled"


@dataclass(frozen=True)
class Evaluation:
    """`rows`: {"target", "forecast", "mae", "rmse", "smape", "mase", and for distributions "crps", "pinball",
    "coverage", "width"}; `by_step`: the same with a list over the steps ahead for each number; `verdict`:
    sentences."""

    rows: list[Row]
    by_step: list[Row]
    verdict: list[str]
    about: Mapping[str, Any]
    backtest: Backtest

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
        """The rows, for a person: one for every target and forecast."""
        return self.rows

    def json(self) -> dict[str, Any]:
        """Everything in plain values; numbers that do not exist (MASE beside a perfect baseline) are None."""
        return dict(
            plain({**self.about, "verdict": self.verdict, "table": self.rows, "by_step": self.by_step})
        )


def evaluate(
    backtest: Backtest,
    targets: Sequence[str],
    levels: Sequence[float],
    naive_scale: Array,
    deviation: Array,
    about: Mapping[str, Any],
) -> Evaluation:
    """naive_scale (K,) for MASE and deviation (K,), both of the training part; `about`: what else to tell."""
    views = {name: (slice(k, k + 1), np.ones(1)) for k, name in enumerate(targets)}
    if len(targets) > 1:
        views[ALL] = (slice(None), deviation)
    rows, by_step = [], []
    for target, (columns, unit) in views.items():
        for name, forecast in backtest.forecasts.items():
            part = (backtest.y[..., columns], _column(forecast, columns), unit, naive_scale[columns], levels)
            head = {"target": target, "forecast": name}
            with np.errstate(over="ignore", invalid="ignore"):  # the verdict tells of forecasts not finite
                rows.append(head | {key: float(value) for key, value in scores(*part, axis=None).items()})
                by_step.append(
                    head | {key: value.tolist() for key, value in scores(*part, axis=(0, 2)).items()}
                )
    missing = int(np.isnan(backtest.y).sum())
    about = {
        "origins": len(backtest.origins),
        "outcomes": backtest.y.size - missing,
        "missing": missing,
        "stride": backtest.stride,
        "horizon": backtest.y.shape[1],
        "quantile_levels": list(levels),
        **about,
    }
    return Evaluation(rows, by_step, [*verdict(rows), *_left_out(missing, backtest.y.size)], about, backtest)


def _left_out(missing: int, outcomes: int) -> list[str]:
    """A sentence on outcomes that the file does not have."""
    if not missing:
        return []
    return [f"{missing:,} of {outcomes:,} values to forecast are missing in the data; no figure counts them"]


def scores(
    y: Array, forecast: Forecast, unit: Array, naive_scale: Array, levels: Sequence[float], axis: metrics.Axis
) -> dict[str, Array]:
    """All numbers that the forecast admits. y (N, H, K); unit and naive_scale (K,)."""
    f, q = forecast.point, forecast.quantiles
    found = {
        "mae": metrics.mae(y / unit, f / unit, axis),
        "rmse": metrics.rmse(y / unit, f / unit, axis),
        "smape": metrics.smape(y, f, axis),
        "mase": metrics.mase(y, f, naive_scale, axis),
    }
    if q is None or forecast.crps is None:
        return found
    low, high = q[..., 0] / unit, q[..., -1] / unit
    return found | {
        "crps": metrics.mean(forecast.crps / unit, y, axis),
        "pinball": metrics.pinball(y / unit, q / unit[:, None], levels, axis),
        "coverage": metrics.coverage(y / unit, low, high, axis),
        "width": metrics.width(low, high, axis),
    }


def verdict(rows: Sequence[Row]) -> list[str]:
    """A sentence for every target: which baselines the model loses to on RMSE, or by how much it beats the
    best."""
    sentences = []
    for target in dict.fromkeys(row["target"] for row in rows):
        rmse = {row["forecast"]: row["rmse"] for row in rows if row["target"] == target}
        own = rmse.pop(MODEL)
        best = min(rmse, key=lambda name: rmse[name])
        if not math.isfinite(own):
            sentences.append(f"{target}: the model's forecasts grow without bound when fed back; use {best}")
        elif lost := [f"to {name} by {_share(own, error)}" for name, error in rmse.items() if own > error]:
            sentences.append(
                f"{target}: the model loses {' and '.join(lost)} on RMSE; until one wins, use {best}"
            )
        else:
            share = _share(own, rmse[best])
            sentences.append(
                f"{target}: the model beats every baseline on RMSE, the best ({best}) by {share}"
            )
    return sentences


def _share(own: float, baseline: float) -> str:
    """By how much two errors differ, in per cent of the baseline's."""
    return f"{100 * abs(own - baseline) / baseline:.1f} %" if baseline else f"{own:.3g} against 0"


def _column(forecast: Forecast, columns: slice) -> Forecast:
    q, crps = forecast.quantiles, forecast.crps
    return Forecast(
        forecast.point[..., columns],
        None if q is None else q[:, :, columns],
        None if crps is None else crps[..., columns],
    )
