"""Series and networks whose right answers are known."""

import numpy as np
import polars as pl
import torch
from torch import nn

from unrolled.blocks.forecaster import Recursive
from unrolled.blocks.outputs import Output
from unrolled.files.query import Query
from unrolled.files.series import read_series
from unrolled.ops.torch import Network
from unrolled.tasks.forecast.config import ForecastModel, ForecastOptions, Plan
from unrolled.tasks.forecast.data import Codec
from unrolled.tasks.forecast.direct.reading import SEGMENTS, STEPS, Reading, begin, block_of
from unrolled.tasks.forecast.paths import Predictor
from unrolled.tasks.model import ModelConfig, recurrent

LEVELS = (0.1, 0.5, 0.9)
# The strategy that feeds forecasts back, trained in the way that suits it.
RECURSIVE = {"strategy": "recursive", "optimizer": "adam", "weight_decay": 0, "learning_rate": 0.001}
RECURSIVE |= {"schedule": "constant", "keep": "best", "batch_size": 32, "output_dropout": 0}
STRATEGIES = {"direct": {}, "recursive": RECURSIVE}


def hourly(T, begin="2024-01-01T05:00"):
    return np.datetime64(begin, "us") + np.arange(T) * np.timedelta64(1, "h")


def daily_wave(T, begin="2024-01-01T05:00"):
    """A frame whose value is a function of the hour alone: sin 2π hour / 24."""
    times = hourly(T, begin)
    hours = (times - times.astype("datetime64[D]")) / np.timedelta64(1, "h")
    return pl.DataFrame({"time": times, "y": 3 + 2 * np.sin(2 * np.pi * hours / 24)})


def noisy(T, seed=0, **columns):
    """A frame of a daily wave with noise."""
    noise = np.random.default_rng(seed).standard_normal(T)
    return daily_wave(T).with_columns(pl.col("y") + 0.3 * noise, **columns)


def plan(window=7, horizon=4, season=24, level=("absolute",), steps=1):
    return Plan(window, horizon, season, level, steps)


def network(codec, output="point", residual=True, relative=False, **layer):
    """A new one that reads and forecasts what `codec` says."""
    block = Recursive.of(
        recurrent(ModelConfig(**layer), codec.width),
        Output(output, LEVELS),
        codec.steps,
        (relative,) * len(codec.targets),
        residual,
    )
    return Network(block)


# Of a frame: the floor of its spread, and what a member sees is log(spread) / 10 and mean / 10.
REFERENCES = (0.01, 0.0, 10.0, 0.0, 10.0)


def direct_network(codec, output="point", window=7, members=None, frame=None, period=3, calibrated=False):
    """A new one that looks back `window` steps, as `codec` says, on a base of zeros."""
    K = len(codec.targets)
    members = members or ((SEGMENTS, window // 2 * 2, 2), (STEPS, window, 1))
    references = (1.0, *REFERENCES[1:]) if output == "bernoulli" else REFERENCES
    reading = Reading(frame or window, period, members, K, calibrated, (references,) * K)
    options = ForecastOptions(output=output, quantile_levels=LEVELS)
    net = Network(block_of(ForecastModel(hidden=5), options, codec, reading, window))
    with torch.no_grad():
        begin(net, [])
    return net


class Reads(nn.Module):
    """A layer that hands its input through; the state counts the steps."""

    def forward(self, x, state=None, lengths=None):
        before = torch.zeros(len(x), 1) if state is None else state["read"]
        return x, {"read": before + x.shape[1]}

    def stacked(self, state):
        return {"read": state["read"]}

    def named(self, state):
        return state


def reader(codec, pick, output="point", residual=False):
    """A network that forecasts the inputs of its row: step s, target k is input pick[s][k]."""
    net, K = network(codec, output, residual, hidden=codec.width), len(codec.targets)
    net.layer = Reads()
    with torch.no_grad():
        for s, inputs in enumerate(pick):
            for k, i in enumerate(inputs):
                net.head.weight.view(codec.steps, K, -1, codec.width)[s, k, 0, i] = 1
    return net


def predictor(codec, net, window=7, paths=50, seed=0):
    return Predictor(net, codec, window, paths, seed)


def coded(frame, *, train=None, steps=1, ahead=None, calendar=(), gaps="refuse", **columns):
    """(codec fitted on the first `train` rows, the coded series, the series)."""
    file = read_series(frame, Query(**({"targets": ("y",), "gaps": gaps != "refuse"} | columns)))
    ends = [train or len(s.target) for s in file.series]
    codec = Codec.fit(file, ends, calendar, steps, gaps)
    return codec, [codec.encode(s, ahead or steps) for s in file.series], file
