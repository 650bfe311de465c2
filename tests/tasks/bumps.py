"""Sequences that are quick to learn."""

import numpy as np


def bumps(N=60, seed=0):
    """Sequences of unequal length that rise first, or fall first; the classes 3 and -1."""
    draw = np.random.default_rng(seed)
    X = [
        np.sin(np.linspace(0, 6.28, draw.integers(8, 20))) * (-1) ** k + draw.normal(0, 0.1) for k in range(N)
    ]
    return X, np.array([3, -1] * (N // 2), np.int16)
