"""How probabilities f of a 1 are judged, of outcomes y that are 0 or 1; P(y) is f where y is 1, else 1 - f:

    NLL       -ln P(y), summed over the targets of a step, in the mean of the steps
    Brier     mean (y - f)², the square of the RMSE
    accuracy  share of outcomes that were the likelier one, a 1 where f ≥ 1/2

Beside the baselines of every forecast stands how frequent a 1 was in the training part. The NLL of one that
was sure and wrong is infinite, and one that leaves 0 to 1 (drift) has none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unrolled.files.messages import counted
from unrolled.tasks import metrics
from unrolled.tasks.evaluation import MODEL
from unrolled.tasks.forecast.judging.backtest import Backtest
from unrolled.tasks.forecast.paths import Forecast

Array = NDArray[np.float64]

FREQUENCY = "frequency"


def of_probabilities(backtest: Backtest, frequencies: Array) -> Backtest:
    """With the frequencies (K,) as a baseline, and without intervals, which 0 and 1 do not have."""
    model = replace(backtest.forecasts[MODEL], quantiles=None, crps=None)
    frequency = Forecast(np.broadcast_to(frequencies, backtest.y.shape).copy())
    forecasts = {**backtest.forecasts, MODEL: model, FREQUENCY: frequency}
    return replace(backtest, forecasts=forecasts)


def figures(y: Array, f: Array, axis: metrics.Axis) -> dict[str, Array]:
    """y, f (N, H, K)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        nll = np.where((f >= 0) & (f <= 1), -np.log(np.abs(1 - y - f)), np.nan)
    return {
        "nll": metrics.mean(nll, y, axis) * y.shape[-1],
        "brier": metrics.mean((y - f) ** 2, y, axis),
        "accuracy": metrics.mean((f >= 0.5) == y, y, axis),
        "mae": metrics.mae(y, f, axis),
        "rmse": metrics.rmse(y, f, axis),
    }


def sentence(rows: Sequence[Mapping[str, Any]], targets: int) -> str:
    """Of all targets together."""
    last = rows[-1]["target"]
    nll = {row["forecast"]: row["nll"] for row in rows if row["target"] == last}
    return (
        f"negative log-likelihood of a step, the sum over {counted(targets, 'target')}: {nll[MODEL]:.4g}; of "
        f"the frequencies in the training part: {nll[FREQUENCY]:.4g}"
    )
