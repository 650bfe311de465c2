"""A forecast from Python: a frame in, a frame out, judged beside the baselines on the way.

The series is made here: a day's rhythm and a week's, and noise.
"""

import numpy as np
import polars as pl

from unrolled import Forecaster

hours = np.arange(24 * 7 * 8)
noise = np.random.default_rng(0).normal(0, 0.2, len(hours))
frame = pl.DataFrame(
    {
        "time": np.datetime64("2024-01-01T00", "us") + hours * np.timedelta64(3600, "s"),
        "load": 10 + np.sin(2 * np.pi * hours / 24) + (hours % 168 < 120) + noise,
    }
)
forecaster = Forecaster(target="load", horizon=24, cell="rnn", hidden=32, epochs=15, output="gaussian").fit(
    frame
)
print(*forecaster.evaluation.verdict, sep="\n")
print(forecaster.predict().select("time", "forecast", "q0.05", "q0.95").head(4))
