"""The forecasts of a backtest, row by row: for whoever wants to draw or judge them by other means."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from unrolled.files.series import Series, SeriesFile
from unrolled.files.times import as_precise, column_of
from unrolled.tasks.evaluation import MODEL
from unrolled.tasks.forecast.judging.backtest import Backtest


def forecasts_of_origins(
    backtest: Backtest, file: SeriesFile, targets: Sequence[str], levels: Sequence[float]
) -> pl.DataFrame:
    """A row for every origin, target and step: "series" (where there are several), "origin", the time of the
    last step that was known, "step", "time", "target", "actual", null where none was observed, "forecast",
    the model's, of a distribution one column for each level, "q0.05", and one for each baseline by its name.

    `file` holds the series of the backtest, in its order.
    """
    N, H, K = backtest.y.shape
    columns = [times_of(file, s) for s in file.series]
    begins = np.cumsum([0, *map(len, columns)])[backtest.series] + backtest.origins
    steps, times = np.arange(1, H + 1), pl.concat(columns)
    alike = np.repeat(begins, K * H)
    names = np.array([s.name for s in file.series], object)[backtest.series]
    head: dict[str, Any] = {"series": np.repeat(names, K * H).tolist()} if len(columns) > 1 else {}
    head |= {
        "origin": times.gather(alike),
        "step": np.tile(steps, N * K),
        "time": times.gather(alike + np.tile(steps, N * K)),
        "target": np.tile(np.repeat(np.array(targets), H), N),
    }
    numbers = {"actual": backtest.y, "forecast": backtest.forecasts[MODEL].point}
    if (q := backtest.forecasts[MODEL].quantiles) is not None:
        numbers |= {f"q{level:g}": q[..., at] for at, level in enumerate(levels)}
    numbers |= {name: each.point for name, each in backtest.forecasts.items() if name != MODEL}
    frame = pl.DataFrame(head | {name: _row_by_row(array) for name, array in numbers.items()})
    return frame.with_columns(pl.col(*numbers).fill_nan(None))


def _row_by_row(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, H, K) -> (N K H,)."""
    return values.swapaxes(1, 2).reshape(-1)


def times_of(file: SeriesFile, series: Series) -> pl.Series:
    """Of the steps with targets, as the file writes them."""
    T = len(series.target)
    return as_precise(column_of(series.times[:T], series.offsets[:T], file.zone, file.step), file.precision)
