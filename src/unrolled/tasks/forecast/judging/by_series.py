"""How well each series is forecast, by itself: one figure over many series of many sizes says how well the
largest are.

    mae, smape, wape, bias, relative_bias, nse, kge
                  of each forecast, over all origins and steps of the series; see metrics.py. Of the model
                  the parts of its KGE too, kge_r, kge_alpha and kge_beta
    naive_scale   the MAE of seasonal naive in the steps up to the first origin
    mase          mae / naive_scale, null where the naive is perfect there, or the history is no season long
    coverage      of a distribution: the share of the outcomes in its outer interval
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.tasks import metrics
from unrolled.tasks.evaluation import MODEL
from unrolled.tasks.forecast.judging.backtest import Backtest
from unrolled.tasks.forecast.judging.naive2 import NAIVE2
from unrolled.tasks.forecast.paths import Forecast

Array = NDArray[np.float64]
Figures = dict[str, Array]


def by_series(backtest: Backtest, targets: Sequence[str]) -> pl.DataFrame:
    """A row for every series and target: "series", "target", "origins", "outcomes", "naive_scale", and "mae
    NAME", "mase NAME", … and "coverage NAME" of the model and every baseline."""
    judged, counts = np.unique(backtest.series, return_counts=True)
    K, scale = len(targets), backtest.scale[judged]
    outcomes = np.empty((len(judged), K), np.int64)
    for which, rows in _alike(counts):
        outcomes[which] = np.isfinite(backtest.y[rows]).sum((1, 2))
    columns = {
        "series": np.repeat(np.array(backtest.names, object)[judged], K).tolist(),
        "target": list(targets) * len(judged),
        "origins": np.repeat(counts, K),
        "outcomes": outcomes.reshape(-1),
        "naive_scale": scale.reshape(-1),
    }
    for name, forecast in backtest.forecasts.items():
        figures = _figures(backtest.y, forecast, counts)
        with np.errstate(invalid="ignore"):
            figures = {"mae": figures["mae"], "mase": figures["mae"] / scale} | figures
        columns |= {
            f"{key} {name}": values.reshape(-1)
            for key, values in figures.items()
            if name == MODEL or not key.startswith("kge_")
        }
    return pl.DataFrame(columns).with_columns(pl.selectors.float().fill_nan(None))


def _figures(y: Array, forecast: Forecast, counts: NDArray[np.int64]) -> Figures:
    """Each (S, K)."""
    figures: Figures = {}
    for which, rows in _alike(counts):
        part = y[rows], forecast.point[rows], (1, 2)
        with np.errstate(invalid="ignore", over="ignore"):
            each = {"mae": metrics.mae(*part), "smape": metrics.smape(*part)}
            each |= relative_figures(*part) | fit_figures(*part)
            if (q := forecast.quantiles) is not None:
                each["coverage"] = metrics.coverage(part[0], q[rows][..., 0], q[rows][..., -1], (1, 2))
        for key, values in each.items():
            figures.setdefault(key, np.empty((len(counts), y.shape[-1])))[which] = values
    return figures


def relative_figures(y: Array, f: Array, axis: metrics.Axis) -> Figures:
    """What does not add up over targets of several units."""
    return {
        "wape": metrics.wape(y, f, axis),
        "bias": metrics.bias(y, f, axis),
        "relative_bias": metrics.relative_bias(y, f, axis),
    }


def fit_figures(y: Array, f: Array, axis: metrics.Axis) -> Figures:
    """What compares with how one series varies: over several, their levels would vary too."""
    return {"nse": metrics.nse(y, f, axis), **metrics.kge(y, f, axis)}


def _alike(counts: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Of the series with equally many origins, which they are (S',) and their rows (S', count), which stand
    together."""
    begins = np.cumsum(counts) - counts
    for count in np.unique(counts):
        which = np.flatnonzero(counts == count)
        yield which, begins[which, None] + np.arange(count)


def summary(series: pl.DataFrame, target: str, naive: str) -> dict[str, dict[str, float]]:
    """Of each forecast, over the "series", so many, that have outcomes:

        median mase, nse, kge
        mean mase, smape
        owa           (mean smape / that of Naive2 + mean mase / that of Naive2) / 2, as in the M4
                      competition. Without a season Naive2 is persistence
        beats naive   the share of the series in which its MAE is below that of `naive`

    {} where `target` is none by itself."""
    rows = series.filter(pl.col("target") == target, pl.col("outcomes") > 0)
    names = [name.removeprefix("mae ") for name in rows.columns if name.startswith("mae ")]
    if not len(rows):
        return {}
    figures = {name: _summary(rows, name, naive) for name in names}
    if reference := figures.get(NAIVE2 if naive != "persistence" else naive):
        for each in figures.values():
            shares = [each[key] / (reference[key] or np.nan) for key in ("mean smape", "mean mase")]
            each["owa"] = sum(shares) / 2
    return figures


def middle_coverage(series: pl.DataFrame) -> dict[str, list[float]]:
    """Of each target the quartiles, over several series, of the share of outcomes in the model's interval. {}
    of one series, and of points."""
    name = f"coverage {MODEL}"
    if name not in series.columns or series["series"].n_unique() < 2:
        return {}
    return {
        str(target): np.quantile(rows[name].drop_nulls().to_numpy(), [0.25, 0.75]).tolist()
        for (target,), rows in series.group_by("target", maintain_order=True)
        if rows[name].count()
    }


def _summary(rows: pl.DataFrame, name: str, naive: str) -> dict[str, float]:
    better = (rows[f"mae {name}"] < rows[f"mae {naive}"]).fill_null(False)
    return {
        "median mase": _over(np.median, rows[f"mase {name}"]),
        "beats naive": np.nan if name == naive else float(better.to_numpy().mean()),
        "median nse": _over(np.median, rows[f"nse {name}"]),
        "median kge": _over(np.median, rows[f"kge {name}"]),
        "mean smape": _over(np.mean, rows[f"smape {name}"]),
        "mean mase": _over(np.mean, rows[f"mase {name}"]),
        "series": len(rows),
    }


def _over(middle: Callable[[Array], np.floating[Any]], values: pl.Series) -> float:
    """NaN where there are none."""
    known = values.drop_nulls().to_numpy()
    with np.errstate(invalid="ignore", over="ignore"):
        return float(middle(known)) if len(known) else np.nan
