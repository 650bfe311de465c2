"""Windows of series whose every value is known."""

import numpy as np
import polars as pl

from tests.tasks.forecast.cases import coded, hourly
from tests.tasks.forecast.test_estimator import no_pictures, same_weights  # noqa: F401
from unrolled.tasks.forecast.direct.windows import Origins

SHORT = {"target": "y", "horizon": 4, "season": 12, "window": 24, "hidden": 5, "steps": 8, "refit": False}


def origins_of(*lengths, window=7, horizon=3, period=3, missing=(), ends=None):
    """Of counting series, y = 1000 i + t and f = -y, what decodes them, and all that Origins was made of."""
    frames = []
    for i, T in enumerate(lengths):
        y = 1000.0 * (i + 1) + np.arange(T)
        gone = np.isin(np.arange(T), [t for series, t in missing if series == i])
        frames.append(
            pl.DataFrame({"time": hourly(T), "y": np.where(gone, np.nan, y), "f": -y, "id": f"s{i}"})
        )
    codec, series, _ = coded(
        pl.concat(frames), id="id", future=["f"], gaps="forward", steps=horizon, ahead=horizon
    )
    origins = Origins(series, window, horizon, period, codec.ahead)
    return origins, codec, series


def noise_known_ahead(T=90, seed=0):
    """White noise and a codec under which it is known ahead: an oracle has all that it needs."""
    y = np.random.default_rng(seed).standard_normal(T)
    codec, series, _ = coded(pl.DataFrame({"time": hourly(T), "y": y, "f": y}), future=["f"], steps=3)
    return codec, Origins(series, 7, 3, 3, codec.ahead), series
