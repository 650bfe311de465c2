"""What is said of raw numbers, in both worlds, and levels that cannot be."""

import numpy as np
import pytest
import torch

from unrolled.blocks.outputs import SIZES, Output
from unrolled.ops.numpy import OPS
from unrolled.ops.torch import USE

LEVELS = (0.05, 0.3, 0.5, 0.9)


@pytest.mark.parametrize("kind", SIZES)
def test_moving_moves_the_forecast_and_nothing_else(kind):
    output = Output(kind, LEVELS)
    raw = np.random.default_rng(3).normal(0.3, 2, (4, output.size)).astype(np.float32)
    base = np.arange(4, dtype=np.float32)
    moved = output.moved(OPS, raw, base)
    assert np.array_equal(output.point(moved), output.point(raw) + base) and not np.shares_memory(moved, raw)
    assert np.array_equal(moved, output.moved(USE, torch.from_numpy(raw), torch.from_numpy(base)))
    moved[..., output.location] = raw[..., output.location]
    assert np.array_equal(moved, raw)


@pytest.mark.parametrize("levels", [(), (0.5,), (0.1, 0.4, 0.9), (0.5, 0.1, 0.9), (0.0, 0.5, 0.9)])
def test_levels_that_cannot_be_are_refused(levels):
    with pytest.raises(ValueError, match="levels"):
        Output("quantiles", levels)


def test_an_unknown_output_is_refused():
    with pytest.raises(ValueError, match="wanted one of point, gaussian, studentt, quantiles, lognormal"):
        Output("weibull", LEVELS)


@pytest.mark.parametrize("scale", [(0.0,), (2,), (1.0, float("nan"))])
def test_units_that_cannot_be_are_refused(scale):
    Output("poisson", LEVELS, scale=(2.0, 0.5))
    with pytest.raises(ValueError, match="scale"):
        Output("poisson", LEVELS, scale=scale)
    with pytest.raises(ValueError, match="gaussian with a scale"):
        Output("gaussian", LEVELS, scale=(2.0,))
