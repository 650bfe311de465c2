"""The scores of every step of a series, higher where it is more unusual: the model's (models/detect.py), and
for each baseline the distance of a step from its forecast, in units of the mean distance in the training part
of the series, and the mean of those over its targets. NaN where there is none.

Shapes   a series of T steps -> (T,)
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unrolled.blocks.direct import Direct
from unrolled.blocks.outputs import Output
from unrolled.models.detect import scores, smoothed
from unrolled.tasks.baselines import BASELINES, SEASONAL
from unrolled.tasks.detect.config import DetectOptions
from unrolled.tasks.evaluation import MODEL
from unrolled.tasks.forecast.config import Plan
from unrolled.tasks.forecast.data import Coded
from unrolled.tasks.forecast.paths import Predictor

Array = NDArray[np.float64]

TOGETHER = 2**19  # steps of windows that are read at once


def every_score(
    predictor: Predictor, series: Coded, plan: Plan, options: DetectOptions, train: int
) -> Mapping[str, Array]:
    """Of the model and of each baseline; the first `train` steps tell what is usual."""
    warmup = options.warmup or 1
    names = ["persistence", *([SEASONAL] if plan.season > 1 else [])]
    each = {MODEL: model_scores(predictor, series, options)}
    for name in names:
        distance = _distances(name, series.y, plan.season, max(train, warmup))
        distance[:warmup] = np.nan
        each[name] = _smoothed(distance, options.smooth)
    return each


def model_scores(predictor: Predictor, series: Coded, options: DetectOptions) -> Array:
    """Those that a stream of all its steps gives, to the bit."""
    warmup = options.warmup or 1
    each, before = np.full(len(series), np.nan), np.arange(warmup - 1, len(series) - 1)
    if len(before):
        with torch.no_grad():
            raw = np.concatenate(list(_forecasts(predictor, series, before)))
        each[before + 1] = of_one(predictor.output, raw, series.z.numpy()[before + 1], warmup, options)
    return each


def of_one(output: Output, raw: NDArray[Any], z: NDArray[Any], first: int, options: DetectOptions) -> Array:
    """The scores of a series from its step `first` on: raw (T, K, R), z (T, K) -> (T,)."""
    behind, none = first + np.arange(len(z))[:, None], np.zeros((1, z.shape[1]))
    each, _ = scores(output, raw[:, None], z[:, None], behind, options.warmup or 1, none)
    return _smoothed(each[:, 0], options.smooth)


def _smoothed(score: Array, smooth: int) -> Array:
    return smoothed(score[:, None], smooth, np.zeros((1, 2)))[0][:, 0]


def _forecasts(predictor: Predictor, series: Coded, before: NDArray[np.int64]) -> Iterator[NDArray[Any]]:
    """raw (N, K, R) after each of these steps, in parts."""
    if not isinstance(predictor.network.block, Direct):
        yield predictor.network(series.x[None])[0][0, before, 0].numpy()
        return
    size = max(1, TOGETHER // predictor.window)
    for at in range(0, len(before), size):
        yield predictor.context(series, before[at : at + size])[0][:, 0].numpy()


def _distances(name: str, y: Array, season: int, train: int) -> Array:
    origins = np.arange(max(season, 2) - 1, len(y) - 1)
    distance = np.full(y.shape, np.nan)
    if len(origins):
        distance[origins + 1] = np.abs(y[origins + 1] - BASELINES[name](y, origins, 1, season)[:, 0])
    usual = _mean(distance[:train], 0)
    return _mean(distance / np.where(usual > 0, usual, 1), 1)


def _mean(values: Array, axis: int) -> Array:
    """Of those that are known; NaN where none is."""
    known = ~np.isnan(values)
    count = known.sum(axis)
    return np.where(count > 0, np.where(known, values, 0).sum(axis) / np.maximum(count, 1), np.nan)
