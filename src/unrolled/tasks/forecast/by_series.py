"""How well each series is forecast, by itself: one figure over many series of many sizes says how well the
largest are.

    mae           of each forecast, over all origins of the series
    naive_scale   the MAE of seasonal naive in the steps up to the first origin
    mase          mae / naive_scale, null where the naive is perfect there, or the history is no season long
    coverage      of a distribution: the share of the outcomes in its outer interval
"""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.tasks.evaluation import MODEL
from unrolled.tasks.forecast.backtest import Backtest

Array = NDArray[np.float64]


def by_series(backtest: Backtest, targets: Sequence[str]) -> pl.DataFrame:
    """A row for every series and target: "series", "target", "origins", "outcomes", "naive_scale", and "mae
    NAME", "mase NAME" and "coverage NAME" of the model and every baseline."""
    judged, at = np.unique(backtest.series, return_inverse=True)
    K, counts = len(targets), _summed(np.isfinite(backtest.y).sum(1), at)
    scale = backtest.scale[judged]
    columns = {
        "series": np.repeat(np.array(backtest.names, object)[judged], K).tolist(),
        "target": list(targets) * len(judged),
        "origins": np.repeat(np.bincount(at), K),
        "outcomes": counts.reshape(-1).astype(np.int64),
        "naive_scale": scale.reshape(-1),
    }
    for name, forecast in backtest.forecasts.items():
        with np.errstate(invalid="ignore", over="ignore"):
            errors = np.where(np.isnan(backtest.y), 0, np.abs(backtest.y - forecast.point)).sum(1)
            mae = _summed(errors, at) / counts
            columns |= {f"mae {name}": mae.reshape(-1), f"mase {name}": (mae / scale).reshape(-1)}
            if (q := forecast.quantiles) is not None:
                inside = (q[..., 0] <= backtest.y) & (backtest.y <= q[..., -1])
                columns[f"coverage {name}"] = (_summed(inside.sum(1), at) / counts).reshape(-1)
    return pl.DataFrame(columns).with_columns(pl.selectors.float().fill_nan(None))


def summary(series: pl.DataFrame, target: str, naive: str) -> dict[str, dict[str, float]]:
    """Of each forecast "median mase", the median over series, and "beats naive", the share of the series in
    which its MAE is below that of `naive`; both of the "series", so many, that have outcomes. {} where
    `target` is none by itself."""
    rows = series.filter(pl.col("target") == target, pl.col("outcomes") > 0)
    names = [name.removeprefix("mae ") for name in rows.columns if name.startswith("mae ")]
    return {name: _summary(rows, name, naive) for name in names} if len(rows) else {}


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
    mase = rows[f"mase {name}"].drop_nulls().to_numpy()
    better = (rows[f"mae {name}"] < rows[f"mae {naive}"]).fill_null(False)
    return {
        "median mase": float(np.median(mase)) if len(mase) else np.nan,
        "beats naive": np.nan if name == naive else float(better.to_numpy().mean()),
        "series": len(rows),
    }


def _summed(values: NDArray[np.generic], at: NDArray[np.int64]) -> Array:
    """values (N, K) -> (S, K), over those of each series."""
    sums = np.zeros((int(at.max()) + 1, values.shape[1]))
    np.add.at(sums, at, values)
    return sums
