"""Sequences of arrays or texts at hand."""

from typing import Any

import numpy as np

from unrolled.errors import DataError
from unrolled.files.examples import Numbers, Sequences
from unrolled.files.messages import shown


def from_arrays(X: Any, y: Any = None) -> Sequences:
    """X (N, T), (N, T, F), or a list of arrays (T_i,) or (T_i, F), or of texts; y (N,) -> Sequences."""
    inputs: Any = tuple(x if isinstance(x, str) else _steps(x, f"sequence {i}") for i, x in enumerate(X))
    names = tuple(str(i) for i in range(len(inputs)))
    places = tuple(f"sequence {i}" for i in range(len(inputs)))
    answers = None if y is None else tuple(str(one) for one in y)
    if not inputs:
        raise DataError("X holds no sequences; wanted at least one")
    if answers is not None and len(answers) != len(inputs):
        raise DataError(f"X holds {len(inputs):,} sequences and y {len(answers):,} answers; wanted as many")
    if len({isinstance(x, str) for x in inputs}) > 1:
        raise DataError("X holds texts and numbers; wanted one kind")
    widths = {0 if isinstance(x, str) else x.shape[1]: i for i, x in reversed(list(enumerate(inputs)))}
    if len(widths) > 1:
        (F, _), (other, at), *_ = sorted(widths.items(), key=lambda item: item[1])
        raise DataError(f"sequence {at} has {other} features; the first has {F}; wanted the same of all")
    features = tuple(f"x{f}" for f in range(*widths))
    return Sequences(inputs, features, answers, names, places, named=False)


def _steps(x: Any, place: str) -> Numbers:
    """One sequence (T, F). DataError where it is none."""
    try:
        values = np.asarray(x)
        values = values if values.dtype.kind in "iufb" else values.astype(np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{place}: wanted an array of numbers (T,) or (T, F), got {shown(x)}") from None
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or not values.size:
        raise DataError(f"{place}: wanted numbers (T,) or (T, F), one at least, got shape {np.shape(x)}")
    if np.isinf(values).any():
        raise DataError(f"{place}: wanted finite numbers, got infinity; correct it, or put NaN for missing")
    return values
