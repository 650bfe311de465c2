"""Small series for detectors."""

import numpy as np
import polars as pl

FAST = {
    "target": "y",
    "hidden": 8,
    "steps": 30,
    "batch_size": 32,
    "members": 1,
    "validation": 0.3,
    "test": 0.3,
}


def sine(steps=600, seed=0, noise=0.3):
    """A wave of 12 steps with noise."""
    draw = np.random.default_rng(seed)
    return 20 + 5 * np.sin(2 * np.pi * np.arange(steps) / 12) + draw.normal(0, noise, steps)


def table(y, **columns):
    return pl.DataFrame({"t": np.arange(len(y)), "y": y, **columns})
